"""What the log has of a day, in a few numbers and a hash, so that a receiver can compare."""

import json
from datetime import date

from msgspec import Struct

from bookwell.storage.statements import AnyConnection, statement

_is_day_past = statement("is_day_past")
_read_event_day = statement("read_event_day")


class EventDay(Struct, frozen=True, kw_only=True):
    """A brand's events of a day (UTC, by `occurred_at`).

    `counts` is by event type. Positions are None where there are none. `hash` is the SHA-256, in
    hex, of the events' ids in ascending byte order, each followed by a line feed. Once `is_over`,
    nothing is ever added to the day. Of what is before `kept_from` the log has nothing more.
    """

    day: date
    counts: dict[str, int]
    first_position: int | None
    last_position: int | None
    hash: str
    is_over: bool
    kept_from: int

    @property
    def event_count(self) -> int:
        return sum(self.counts.values())

    @property
    def is_gone(self) -> bool:
        """Whether some of the day is too old to be kept: then the rest says nothing of it."""
        return self.first_position is not None and self.first_position < self.kept_from


async def read_day(connection: AnyConnection, *, brand_id: str, day: date) -> EventDay:
    """The day, as far as it is in the log.

    The connection is in no transaction: what is committed is looked for after all who could still
    commit are known, and the other way round some of it would be overlooked.
    """
    is_past: bool = await _is_day_past.value(connection, day=day)
    row = await _read_event_day.row(connection, brand_id=brand_id, day=day)
    assert row is not None, "a SELECT without FROM answers a row"
    return EventDay(
        day=day,
        counts=json.loads(row["counts"]),
        first_position=row["first_position"],
        last_position=row["last_position"],
        hash=row["hash"],
        is_over=is_past and not row["is_waiting"],
        kept_from=row["kept_from"],
    )
