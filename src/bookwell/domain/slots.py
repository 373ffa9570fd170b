"""A stored offer of a provider's time (CONTRACT.md section 2, decisions 5 and 6)."""

from datetime import datetime, timedelta

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval

# A visit longer than a day is a typing error in every clinic we know of.
SLOT_LENGTH_MAX = timedelta(hours=24)


class Slot(Struct, frozen=True, kw_only=True):
    """A time a provider offers for a brand; `booked` says that the provider no longer has it."""

    slot_id: str
    provider_id: str
    brand_id: str
    starts_at: datetime
    ends_at: datetime
    booked: bool
    created_at: datetime


def offered_interval(starts_at: datetime, ends_at: datetime, *, now: datetime) -> Interval:
    """The interval of a slot that may be offered.

    Raises:
        InvalidInput: It is empty, longer than a day, or begins in the past.
    """
    if ends_at <= starts_at:
        raise InvalidInput("end_time must be after start_time.", field="end_time")
    if ends_at - starts_at > SLOT_LENGTH_MAX:
        raise InvalidInput("A slot lasts 24 hours at most.", field="end_time")
    if starts_at < now:
        raise InvalidInput("start_time must not be in the past.", field="start_time")
    return Interval(starts_at, ends_at)
