"""A stored offer of a provider's time (CONTRACT.md section 2, decisions 5 and 6)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval

# A visit longer than a day is a typing error in every clinic we know of.
SLOT_LENGTH_MAX = timedelta(hours=24)
# A clinician's half hours of more than a year; written in a fraction of a second.
SERIES_SLOTS_MAX = 5_000


class Slot(Struct, frozen=True, kw_only=True):
    """A time a provider offers for a brand; `booked` says that the provider no longer has it.

    `rule_id` is the rule of a schedule that it comes of; one posted by hand has none.
    """

    slot_id: str
    provider_id: str
    brand_id: str
    starts_at: datetime
    ends_at: datetime
    booked: bool
    created_at: datetime
    rule_id: str | None = None


class SlotSeries(Struct, frozen=True):
    """Slots that were offered together, in the order asked."""

    slots: list[Slot]


def offered_interval(
    starts_at: datetime, ends_at: datetime, *, now: datetime, place: str = ""
) -> Interval:
    """The interval of a slot that may be offered. `place` is where the request names the two times.

    Raises:
        InvalidInput: It is empty, longer than a day, or begins in the past.
    """
    start, end = f"{place}start_time", f"{place}end_time"
    if ends_at <= starts_at:
        raise InvalidInput(f"{end} must be after {start}.", field=end)
    if ends_at - starts_at > SLOT_LENGTH_MAX:
        raise InvalidInput("A slot lasts 24 hours at most.", field=end)
    if starts_at < now:
        raise InvalidInput(f"{start} must not be in the past.", field=start)
    return Interval(starts_at, ends_at)


def offered_series(times: Sequence[tuple[datetime, datetime]], *, now: datetime) -> list[Interval]:
    """The intervals of slots that may be offered together.

    Raises:
        InvalidInput: One may not; `slots[17].end_time` is the end of the eighteenth.
    """
    return [
        offered_interval(starts_at, ends_at, now=now, place=f"slots[{number}].")
        for number, (starts_at, ends_at) in enumerate(times)
    ]
