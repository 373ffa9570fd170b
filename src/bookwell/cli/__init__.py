"""The command line: a door like `http`, for whoever runs the service."""

from bookwell.cli.program import main

__all__ = ["main"]
