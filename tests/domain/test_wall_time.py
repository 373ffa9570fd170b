import os
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval
from bookwell.domain.wall_time import (
    ZONE_DATA_VERSION,
    instants_between,
    intervals_on,
    zone_named,
    zone_names,
)
from zone_files import zone_file

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
    zone=st.sampled_from(ZONES).map(zone_named),
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
    zone = zone_named(name)
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
    assert intervals_on(date(2027, 3, 28), time(2), time(3), zone_named("Europe/Berlin")) == []


def test_the_hour_that_happens_twice_is_offered_twice() -> None:
    found = intervals_on(date(2027, 10, 31), time(2), time(3), zone_named("Europe/Berlin"))

    assert found == [
        Interval(datetime(2027, 10, 31, 0, tzinfo=UTC), datetime(2027, 10, 31, 2, tzinfo=UTC))
    ]


def test_part_of_the_hour_that_happens_twice_is_two_intervals() -> None:
    found = intervals_on(date(2027, 10, 31), time(2), time(2, 30), zone_named("Europe/Berlin"))

    assert [(i.starts_at.hour, i.ends_at.minute) for i in found] == [(0, 30), (1, 30)]


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "../../etc/passwd", "a" * 500, "Europe/Berlin\x00"]
)
def test_a_zone_that_does_not_exist_names_its_field(name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        zone_named(name, field="time_zone")

    assert refusal.value.facts == {"field": "time_zone"}


def test_every_zone_of_the_database_has_a_name_we_take() -> None:
    listed = resources.files("tzdata").joinpath("zones").read_text().split()

    assert {zone_named(name).key for name in listed if name != "Factory"} == zone_names()


def test_a_name_that_means_whatever_the_machine_is_set_to_is_no_zone() -> None:
    assert {"localtime", "posixrules", "Factory"}.isdisjoint(zone_names())


def test_the_machine_s_own_zones_are_never_read(tmp_path: Path) -> None:
    """A machine with another year's data, or wrong data, must not move anybody's nine o'clock."""
    zones = resources.files("tzdata").joinpath("zoneinfo")
    wrong = tmp_path / "Asia" / "Tokyo"
    wrong.parent.mkdir()
    wrong.write_bytes(zones.joinpath("Etc", "UTC").read_bytes())
    program = (
        "from datetime import datetime; from zoneinfo import ZoneInfo;"
        "from bookwell.domain.wall_time import zone_named;"
        "at = datetime(2027, 7, 1);"
        "print(*(z.utcoffset(at) for z in (ZoneInfo('Asia/Tokyo'), zone_named('Asia/Tokyo'))))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONTZPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["0:00:00", "9:00:00"]


def test_the_version_of_the_zone_data_is_the_package_s() -> None:
    listed = resources.files("tzdata").joinpath("zoneinfo", "tzdata.zi").read_text()

    assert listed.splitlines()[0] == f"# version {ZONE_DATA_VERSION}"


def test_no_zone_moves_its_clock_twice_within_the_days_we_step_over() -> None:
    """intervals_on looks at a clock every third day; a change undone between would be missed."""
    shortest = min(
        after - before
        for name in zone_names()
        for before, after in pairwise(zone_file(name).changes(1900, 2100))
    )

    assert shortest > timedelta(days=6)


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(zone_names())),
    year=st.integers(2000, 2037),
    one=wall_times,
    other=wall_times,
    data=st.data(),
)
def test_around_any_change_of_any_zone_our_own_reading_of_its_file_agrees(
    name: str, year: int, one: time, other: time, data: st.DataObject
) -> None:
    file = zone_file(name)
    moment = data.draw(
        st.sampled_from(file.changes(year, year) or [datetime(year, 6, 15, tzinfo=UTC)])
    )
    wall_from, wall_until = min(one, other), max(one, other)
    end_of_day = wall_until == time(0)
    days = [file.wall(moment).date() + timedelta(days=number) for number in (-1, 0, 1)]
    found = [i for day in days for i in intervals_on(day, wall_from, wall_until, zone_named(name))]

    for minute in range(-200, 200):
        instant = moment + timedelta(minutes=minute)
        wall = file.wall(instant).time()
        assert covered(found, instant) == (wall_from <= wall and (end_of_day or wall < wall_until))


def test_an_end_of_midnight_is_the_end_of_the_day() -> None:
    (found,) = intervals_on(date(2027, 1, 4), time(22), time(0), zone_named("Europe/Berlin"))

    assert found == Interval(
        datetime(2027, 1, 4, 21, tzinfo=UTC), datetime(2027, 1, 4, 23, tzinfo=UTC)
    )


def test_wall_times_that_are_days_apart_lose_the_hour_the_clock_skips() -> None:
    saturday, tuesday = (datetime.fromisoformat(day) for day in ("2027-03-27", "2027-03-30"))

    (found,) = instants_between(saturday, tuesday, zone_named("Europe/Berlin"))

    assert found.length == timedelta(days=3) - timedelta(hours=1)


@pytest.mark.parametrize("day", [date(1, 1, 3), date(9999, 12, 28)])
def test_the_first_and_last_days_of_the_calendar_have_hours_too(day: date) -> None:
    for name in ("Pacific/Kiritimati", "Pacific/Niue"):
        (found,) = intervals_on(day, time(9), time(10), zone_named(name))
        assert found.length == timedelta(hours=1)
