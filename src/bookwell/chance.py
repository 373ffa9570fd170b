"""Chance, for those who wait: that many do not come back in the same instant.

It is the operating system's. The `random` module has one state for the whole process, which forked
workers would share and which whoever seeds it (a test, a library) expects to be alone with.
"""

from random import SystemRandom
from typing import Final

CHANCE: Final = SystemRandom()
