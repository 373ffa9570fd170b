from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval
from bookwell.domain.wall_time import intervals_on, zone_named

# Summer time, half-hour summer time, offsets of odd minutes, a day that never was, none at all.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Africa/Casablanca",
    "UTC",
]
wall_times = st.times().map(lambda t: t.replace(second=0, microsecond=0))
days = st.dates(min_value=date(1990, 1, 1), max_value=date(2037, 12, 31))


def covered(intervals: list[Interval], instant: datetime) -> bool:
    return any(i.starts_at <= instant < i.ends_at for i in intervals)


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    day=days,
    one=wall_times,
    other=wall_times,
    data=st.data(),
)
def test_an_instant_belongs_to_a_rule_exactly_when_a_wall_clock_says_so(
    zone: ZoneInfo, day: date, one: time, other: time, data: st.DataObject
) -> None:
    wall_from, wall_until = sorted((one, other))
    if wall_from == wall_until:
        return
    found = intervals_on(day, wall_from, wall_until, zone)

    noon = datetime.combine(day, time(12), tzinfo=UTC)
    minutes = data.draw(st.lists(st.integers(-2160, 2160), min_size=40, max_size=40))
    for minute in minutes:
        instant = noon + timedelta(minutes=minute)
        wall = instant.astimezone(zone).replace(tzinfo=None)
        belongs = datetime.combine(day, wall_from) <= wall < datetime.combine(day, wall_until)
        assert covered(found, instant) == belongs


def changes(zone: ZoneInfo) -> list[datetime]:
    """The hours in which the zone's offset changed, 2015 to 2030, read hour by hour."""
    instant, found = datetime(2015, 1, 1, tzinfo=UTC), []
    while instant.year < 2030:
        later = instant + timedelta(hours=1)
        if instant.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            found.append(instant)
        instant = later
    return found


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia"]
)
def test_around_every_clock_change_each_minute_is_right(name: str) -> None:
    zone = ZoneInfo(name)
    for change in changes(zone):
        day = change.astimezone(zone).date()
        for wall_from, wall_until in [
            (time(0), time(23, 59)),
            (time(1, 30), time(2, 30)),
            (time(2), time(3)),
        ]:
            found = [
                i
                for d in (-1, 0, 1, 2)
                for i in intervals_on(day + timedelta(days=d), wall_from, wall_until, zone)
            ]
            for minute in range(-240, 240, 7):
                instant = change + timedelta(minutes=minute)
                wall = instant.astimezone(zone).time()
                assert covered(found, instant) == (wall_from <= wall < wall_until)


def test_the_hour_that_does_not_exist_offers_nothing() -> None:
    assert intervals_on(date(2027, 3, 28), time(2), time(3), ZoneInfo("Europe/Berlin")) == []


def test_the_hour_that_happens_twice_is_offered_twice() -> None:
    found = intervals_on(date(2027, 10, 31), time(2), time(3), ZoneInfo("Europe/Berlin"))

    assert found == [
        Interval(datetime(2027, 10, 31, 0, tzinfo=UTC), datetime(2027, 10, 31, 2, tzinfo=UTC))
    ]


def test_part_of_the_hour_that_happens_twice_is_two_intervals() -> None:
    found = intervals_on(date(2027, 10, 31), time(2), time(2, 30), ZoneInfo("Europe/Berlin"))

    assert [(i.starts_at.hour, i.ends_at.minute) for i in found] == [(0, 30), (1, 30)]


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "../../etc/passwd", "a" * 500, "Europe/Berlin\x00"]
)
def test_a_zone_that_does_not_exist_names_its_field(name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        zone_named(name, field="time_zone")

    assert refusal.value.facts == {"field": "time_zone"}


def test_every_zone_of_the_database_has_a_name_we_take() -> None:
    assert all(zone_named(name).key == name for name in sorted(available_timezones())[::25])
