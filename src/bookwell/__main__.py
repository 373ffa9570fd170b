"""`python -m bookwell` is `bookwell`."""

from bookwell.cli import main

main()
