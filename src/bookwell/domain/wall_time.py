"""Wall-clock rules and the instants they mean, clock changes included.

A rule is kept as it was said ("nine to five in Berlin"). An instant belongs to it exactly when a
wall clock in that zone then shows a time within the rule. So an hour that the clock skips offers
nothing, and an hour that it shows twice is offered twice.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval

# No zone ever stood further from UTC than 16 hours, and none moved by more than a day.
_SEARCH_MARGIN = timedelta(hours=40)
_OFFSET_STEP = timedelta(minutes=15)


def zone_named(name: str, *, field: str = "time_zone") -> ZoneInfo:
    """The IANA zone of that name.

    Raises:
        InvalidInput: There is no such zone.
    """
    if name not in _zone_names():
        raise InvalidInput(f"{field} must be the name of an IANA time zone.", field=field)
    return ZoneInfo(name)


@cache
def _zone_names() -> frozenset[str]:
    """The names of the zone database, without those that mean whatever a machine is set to."""
    return frozenset(available_timezones() - {"Factory", "localtime", "posixrules"})


def intervals_on(day: date, wall_from: time, wall_until: time, zone: tzinfo) -> list[Interval]:
    """The instants of `day` at which a wall clock shows `wall_from` or later, before `wall_until`.

    Sorted, and split where the clock changes: usually one interval, none where the clock skips the
    whole rule, two where it shows part of it twice.
    """
    opens = datetime.combine(day, wall_from)
    closes = datetime.combine(day, wall_until)
    found = []
    for offset, reign in _offsets_around(opens, closes, zone):
        starts_at = max((opens - offset).replace(tzinfo=UTC), reign.starts_at)
        ends_at = min((closes - offset).replace(tzinfo=UTC), reign.ends_at)
        if starts_at < ends_at:
            found.append(Interval(starts_at, ends_at))
    return _joined(sorted(found))


def _offsets_around(
    opens: datetime, closes: datetime, zone: tzinfo
) -> list[tuple[timedelta, Interval]]:
    """Each UTC offset in force around that wall time, with the interval in which it is."""
    first = opens.replace(tzinfo=UTC) - _SEARCH_MARGIN
    last = closes.replace(tzinfo=UTC) + _SEARCH_MARGIN
    reigns = []
    begins = first
    while begins < last:
        offset = _offset_at(begins, zone)
        ends = begins
        while ends < last and _offset_at(ends, zone) == offset:
            ends += _OFFSET_STEP
        if ends < last:
            ends = _change_between(ends - _OFFSET_STEP, ends, zone)
        reigns.append((offset, Interval(begins, max(ends, begins + timedelta(seconds=1)))))
        begins = ends
    return reigns


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
