"""A search for open times: its window, the parts of the day, and what is found.

All arithmetic with zones is done here, with the zone data of `domain/wall_time`; what the database
is asked are instants.
"""

from collections.abc import Collection
from datetime import datetime, time, timedelta
from enum import StrEnum

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import Weekday
from bookwell.domain.wall_time import DAY, MIDNIGHT, intervals_on, zone_named

SEARCH_DAYS = 30
SEARCH_DAYS_MAX = 366
PROVIDERS_MAX = 500
# An hour of a whole brand is a page or more; a provider's slots of a month are a few hundred.
_SHORTEST_STEP = timedelta(hours=1)
_STEP_OF_ONE = timedelta(days=31)


class PartOfDay(StrEnum):
    """When a time begins, as people say it; on a wall clock."""

    MORNING = "morning"
    AFTERNOON = "afternoon"
    EVENING = "evening"
    NIGHT = "night"

    @property
    def hours(self) -> tuple[tuple[time, time], ...]:
        """From when until before when; the second of a pair may be the midnight at its end."""
        return _HOURS[self]


_HOURS = {
    PartOfDay.MORNING: ((time(6), time(12)),),
    PartOfDay.AFTERNOON: ((time(12), time(17)),),
    PartOfDay.EVENING: ((time(17), time(22)),),
    PartOfDay.NIGHT: ((MIDNIGHT, time(6)), (time(22), MIDNIGHT)),
}
_WHOLE_DAY = ((MIDNIGHT, MIDNIGHT),)


class OpenSlot(Struct, frozen=True, kw_only=True):
    """A slot that may be booked. `rule_id` is None where it was posted by hand."""

    slot_id: str
    provider_id: str
    starts_at: datetime
    ends_at: datetime
    rule_id: str | None
    time_zone: str

    @property
    def local_start(self) -> datetime:
        """When it begins, on a wall clock in its zone."""
        return self.starts_at.astimezone(zone_named(self.time_zone))

    @property
    def key(self) -> tuple[datetime, str]:
        """Its place in a list."""
        return self.starts_at, self.slot_id


def window_between(
    from_at: datetime | None, until_at: datetime | None, *, now: datetime
) -> Interval:
    """The window of a search: from now on, and 30 days long, where nothing else is said.

    Raises:
        InvalidInput: It is empty or longer than 366 days.
    """
    begins = from_at or now
    ends = until_at or begins + timedelta(days=SEARCH_DAYS)
    if ends <= begins:
        raise InvalidInput("to must be after from.", field="to")
    if ends - begins > timedelta(days=SEARCH_DAYS_MAX):
        raise InvalidInput(f"to must be at most {SEARCH_DAYS_MAX} days after from.", field="to")
    return Interval(begins, ends)


def window_after(window: Interval, *, now: datetime) -> Interval:
    """Where to look for the first slot after a window in which there is none: never in the past."""
    begins = max(window.ends_at, now)
    return Interval(begins, begins + timedelta(days=SEARCH_DAYS_MAX))


def first_step(providers: int | None) -> timedelta:
    """How far to look first, for so many providers (None is a whole brand).

    So that as much is looked at for many as for one; where a page is not full then, one looks on.
    """
    if providers is None:
        return _SHORTEST_STEP
    return max(_STEP_OF_ONE / max(providers, 1), _SHORTEST_STEP)


def times_on(
    window: Interval,
    time_zone: str,
    *,
    weekdays: Collection[Weekday],
    parts: Collection[PartOfDay],
) -> list[Interval]:
    """When a wall clock in the zone shows one of the weekdays and parts of the day; none is any.

    Sorted; it may reach a little beyond the window.
    """
    zone = zone_named(time_zone)
    hours = sorted({hours for part in parts for hours in part.hours}) or _WHOLE_DAY
    numbers = {weekday.number for weekday in weekdays} or set(range(1, 8))
    day = window.starts_at.astimezone(zone).date()
    last = window.ends_at.astimezone(zone).date()
    found = []
    while day <= last:
        if day.isoweekday() in numbers:
            for wall_from, wall_until in hours:
                found += intervals_on(day, wall_from, wall_until, zone)
        day += DAY
    return sorted(found)
