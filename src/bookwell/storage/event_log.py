"""The log of events: a place for each, and reading on from a place (docs/decisions/0028)."""

from bookwell.storage.statements import AnyConnection, statement

# PostgreSQL announces here that there are new events in the log, of whatever brand.
EVENTS_CHANNEL = "bookwell_events"
# What is numbered in one transaction. Measured: more rows make no row cheaper.
NUMBERED_MAX = 1000

_number_events = statement("number_events")


async def number(connection: AnyConnection) -> int:
    """Give committed events their places, and say how many; 0 also while somebody else does it."""
    count: int = await _number_events.value(connection, row_limit=NUMBERED_MAX)
    return count
