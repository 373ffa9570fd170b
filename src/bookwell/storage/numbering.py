"""Gives committed events their places in the log (docs/decisions/0028)."""

import time
from typing import NamedTuple

from bookwell.storage.statements import AnyConnection, statement

# What is numbered in one transaction. Measured: more rows make no row cheaper.
NUMBERED_MAX = 1000
# How far below what is surely settled it still looks.
MARGIN = 10_000
# How often it looks at everything, whatever it believes to be settled; and it never spends more
# than a twentieth of its time on that.
WHOLE_SECONDS = 10.0
WHOLE_SHARE = 20

_number_events = statement("number_events")


class _Mark(NamedTuple):
    """An event_no, and the transaction id that every transaction with a smaller one is below."""

    event_no: int
    horizon: int | None


class Numbering:
    """Numbers events, and remembers below which event_no none is left without a place.

    A transaction takes its events' numbers after it has its id. So when no transaction is running
    any more that had begun by the time an event_no was the newest, nothing at or below it can still
    appear.
    """

    def __init__(self, *, margin: int = MARGIN) -> None:
        self._margin = margin
        self._settled = 0
        self._mark: _Mark | None = None
        self._whole_at = 0.0

    async def number(self, connection: AnyConnection) -> None:
        """Give every committed event its place; nothing while somebody else does it."""
        began = time.monotonic()
        is_whole = began >= self._whole_at
        above = 0 if is_whole else max(0, self._settled - self._margin)
        while await self._number_some(connection, above=above) == NUMBERED_MAX:
            pass
        if is_whole:
            took = time.monotonic() - began
            self._whole_at = began + took + max(WHOLE_SECONDS, took * WHOLE_SHARE)

    async def _number_some(self, connection: AnyConnection, *, above: int) -> int:
        row = await _number_events.row(connection, row_limit=NUMBERED_MAX, above=above)
        assert row is not None, "it always answers"
        if self._mark is None:
            self._mark = _Mark(row["newest"], None)
        elif self._mark.horizon is None:
            # Of a later snapshot than the one in which that number was the newest.
            self._mark = _Mark(self._mark.event_no, row["next_transaction"])
        elif row["oldest_running"] >= self._mark.horizon:
            self._settled = self._mark.event_no
            self._mark = None
        count: int = row["numbered"]
        return count
