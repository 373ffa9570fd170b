"""The booking service of a telehealth platform with several brands."""

__version__ = "0.1.0"
