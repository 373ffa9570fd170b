"""Wall-clock rules and the instants they mean, clock changes included.

A rule is kept as it was said ("nine to five in Berlin"). An instant belongs to it exactly when a
wall clock in that zone then shows a time within the rule. So an hour that the clock skips offers
nothing, and an hour that it shows twice is offered twice.

Zones come from the `tzdata` package alone, never from the machine: the same version of the service
means the same instants everywhere, and `ZONE_DATA_VERSION` says which data made them.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]  # the package ships no types

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval

# The release of the IANA database that every zone here is read from, such as 2026a.
ZONE_DATA_VERSION: str = tzdata.IANA_VERSION

MIDNIGHT = time(0)
DAY = timedelta(days=1)
# No zone ever changed its offset twice within a week less an hour; a test reads it from the data.
_SCAN_STEP = timedelta(days=3)
# Where a zone's wall clock may stand ahead or behind, the first and last day cannot be converted.
_FIRST_INSTANT = datetime(1, 1, 2, tzinfo=UTC)
_LAST_INSTANT = datetime(9999, 12, 30, tzinfo=UTC)


class Reign(NamedTuple):
    """A stretch of time in which one UTC offset is in force; `ends_at` is not part of it."""

    offset: timedelta
    starts_at: datetime
    ends_at: datetime


def zone_named(name: str, *, field: str = "time_zone") -> ZoneInfo:
    """The IANA zone of that name.

    Raises:
        InvalidInput: There is no such zone.
    """
    if name not in zone_names():
        raise InvalidInput(f"{field} must be the name of an IANA time zone.", field=field)
    return _zone(name)


@cache
def zone_names() -> frozenset[str]:
    """The names of the package's zones, without the one of a clock that nobody has set."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listed.split()) - {"Factory"}


@cache
def _zone(name: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def intervals_on(day: date, wall_from: time, wall_until: time, zone: tzinfo) -> list[Interval]:
    """The instants of `day` at which a wall clock shows `wall_from` or later, before `wall_until`.

    A `wall_until` of 00:00 is the midnight at the end of `day`. Sorted, and split where the clock
    changes: usually one interval, none where the clock skips the whole rule, two where it shows
    part of it twice.
    """
    opens = datetime.combine(day, wall_from, UTC)
    closes = datetime.combine(day, wall_until, UTC)
    if wall_until == MIDNIGHT:
        closes += DAY
    reigns = reigns_on(day, zone)
    if len(reigns) == 1:
        offset = reigns[0].offset
        return [Interval(opens - offset, closes - offset)] if opens < closes else []
    return _within(opens, closes, reigns)


def instants_between(wall_from: datetime, wall_until: datetime, zone: tzinfo) -> list[Interval]:
    """The instants at which a wall clock shows `wall_from` or later, before `wall_until`.

    Both are naive and may be days apart; the rest is as with `intervals_on`.
    """
    opens, closes = wall_from.replace(tzinfo=UTC), wall_until.replace(tzinfo=UTC)
    return _within(opens, closes, tuple(_reigns(opens - DAY, closes + DAY, zone)))


@lru_cache(maxsize=65536)
def reigns_on(day: date, zone: tzinfo) -> tuple[Reign, ...]:
    """The offsets in force, in order, while a wall clock in the zone can show `day`.

    Where there is one, it holds for the whole day and its bounds say nothing.
    """
    begins = datetime.combine(day, MIDNIGHT, UTC)
    # An offset is always less than a day, by datetime's own definition.
    reigns = tuple(_reigns(begins - DAY, begins + 2 * DAY, zone))
    if len({reign.offset for reign in reigns}) == 1:
        return reigns[:1]
    return reigns


def _within(opens: datetime, closes: datetime, reigns: tuple[Reign, ...]) -> list[Interval]:
    """The instants whose wall time lies in [opens, closes), wall times written as if UTC's."""
    found = []
    for offset, reign_starts_at, reign_ends_at in reigns:
        starts_at = max(opens - offset, reign_starts_at)
        ends_at = min(closes - offset, reign_ends_at)
        if starts_at < ends_at:
            found.append(Interval(starts_at, ends_at))
    return _joined(found)


def _reigns(first: datetime, last: datetime, zone: tzinfo) -> Iterator[Reign]:
    """The reigns that reach into [first, last)."""
    for year in range(first.year, last.year + 1):
        for reign in _reigns_of_year(year, zone):
            if reign.starts_at < last and first < reign.ends_at:
                yield reign


@lru_cache(maxsize=4096)
def _reigns_of_year(year: int, zone: tzinfo) -> tuple[Reign, ...]:
    """The reigns of one calendar year in UTC, cut at its ends."""
    begins = max(datetime(year, 1, 1, tzinfo=UTC), _FIRST_INSTANT)
    last = _LAST_INSTANT if year == _LAST_INSTANT.year else datetime(year + 1, 1, 1, tzinfo=UTC)
    reigns = []
    while begins < last:
        offset = _offset_at(begins, zone)
        before, ends = begins, min(begins + _SCAN_STEP, last)
        while ends < last and _offset_at(ends, zone) == offset:
            before, ends = ends, min(ends + _SCAN_STEP, last)
        if _offset_at(ends, zone) != offset:
            ends = _change_between(before, ends, zone)
        reigns.append(Reign(offset, begins, ends))
        begins = ends
    return tuple(reigns)


def _change_between(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first whole second in (before, after] at which the offset is another than `before`'s."""
    offset = _offset_at(before, zone)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if _offset_at(middle, zone) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset_at(instant: datetime, zone: tzinfo) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None, "a zone has an offset at every instant"
    return offset


def _joined(intervals: list[Interval]) -> list[Interval]:
    """Sorted intervals, those that touch made one: a change of name or of minute is no seam."""
    joined: list[Interval] = []
    for interval in intervals:
        if joined and joined[-1].ends_at == interval.starts_at:
            joined[-1] = Interval(joined[-1].starts_at, interval.ends_at)
        else:
            joined.append(interval)
    return joined
