"""Measures the service beside the database it stands on: `make bench`, or `python -m bench --help`."""
