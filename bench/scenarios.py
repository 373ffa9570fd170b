"""All that can be measured, by name."""

from bench.bookings import BOOK_WITHOUT_KEY, WRITES
from bench.searches import SEARCHES

SCENARIOS = {scenario.name: scenario for scenario in (*WRITES, *SEARCHES)}
# What a key costs is worth knowing, but no part of the page.
USUAL = [name for name in SCENARIOS if name != BOOK_WITHOUT_KEY.name]
