"""Measures the service beside the database it stands on: `make bench`, or `python -m bench --help`.

`python -m bench soak` loads it for an hour and tells how much memory its workers have meanwhile.
"""
