from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import (
    OfficeHour,
    TakenSession,
    Weekday,
    WeeklyRule,
    open_sessions,
)

BERLIN = "Europe/Berlin"
MONDAY = datetime(2027, 1, 4, tzinfo=UTC)
WEEK = Interval(MONDAY, MONDAY + timedelta(days=7))


def a_rule(
    weekday: Weekday = Weekday.MONDAY,
    wall_from: time = time(9),
    wall_until: time = time(12),
    *,
    zone: str = BERLIN,
    minutes: int = 20,
    capacity: int = 1,
    valid_from: date | None = None,
    valid_until: date | None = None,
    office_hour_id: str = "ofh_1",
) -> OfficeHour:
    return OfficeHour(
        office_hour_id=office_hour_id,
        brand_id="loop",
        coach_id="coach_jo",
        weekday=weekday,
        wall_from=wall_from,
        wall_until=wall_until,
        time_zone=zone,
        duration_minutes=minutes,
        capacity=capacity,
        valid_from=valid_from,
        valid_until=valid_until,
        created_at=MONDAY,
    )


def test_a_rule_offers_its_sessions_on_its_weekday_in_its_zone() -> None:
    sessions = list(a_rule().sessions(WEEK))

    assert len(sessions) == 9
    assert sessions[0].starts_at == datetime(2027, 1, 4, 8, tzinfo=UTC)
    assert sessions[-1].ends_at == datetime(2027, 1, 4, 11, tzinfo=UTC)


@settings(max_examples=100, deadline=None)
@given(
    weekday=st.sampled_from(Weekday),
    zone=st.sampled_from([BERLIN, "America/New_York", "Pacific/Kiritimati", "Pacific/Niue"]),
    start=st.integers(0, 22),
    hours=st.integers(1, 5),
    minutes=st.sampled_from([5, 20, 45, 60]),
    week=st.integers(0, 60),
)
def test_every_session_lies_within_its_rule_and_none_overlaps_another(
    weekday: Weekday, zone: str, start: int, hours: int, minutes: int, week: int
) -> None:
    wall_from, wall_until = time(start), time(min(start + hours, 23), 59)
    rule = a_rule(weekday, wall_from, wall_until, zone=zone, minutes=minutes)
    window = Interval(MONDAY + timedelta(weeks=week), MONDAY + timedelta(weeks=week + 1))

    sessions = list(rule.sessions(window))

    for session in sessions:
        wall = session.starts_at.astimezone(ZoneInfo(zone))
        assert wall.isoweekday() == weekday.number
        assert wall_from <= wall.time() < wall_until
        assert session.length == timedelta(minutes=minutes)
        assert rule.session_at(session.starts_at) == session
        assert rule.session_at(session.starts_at + timedelta(seconds=1)) is None
    assert not any(a.overlaps(b) for a, b in pairwise(sessions))


def test_a_rule_holds_on_its_first_and_last_day_and_not_beyond() -> None:
    weekly = a_rule(valid_from=date(2027, 1, 11), valid_until=date(2027, 1, 18))

    days = {
        s.starts_at.date() for s in weekly.sessions(Interval(MONDAY, MONDAY + timedelta(days=60)))
    }

    assert days == {date(2027, 1, 11), date(2027, 1, 18)}


def test_a_nine_o_clock_rule_is_nine_o_clock_all_year() -> None:
    year = Interval(MONDAY, MONDAY + timedelta(days=364))

    first = {
        s.starts_at.astimezone(ZoneInfo(BERLIN)).time() for s in a_rule(minutes=180).sessions(year)
    }

    assert first == {time(9)}


def test_a_full_session_is_not_offered_and_a_half_full_one_shows_what_is_left() -> None:
    rule = a_rule(capacity=2)
    first, second, *_ = rule.sessions(WEEK)
    taken = [
        TakenSession(office_hour_id="ofh_1", interval=first, seats_taken=2),
        TakenSession(office_hour_id="ofh_1", interval=second, seats_taken=1),
    ]

    offered = open_sessions([rule], taken, WEEK)

    assert offered[0].slot_at == second.starts_at
    assert [s.seats_left for s in offered] == [1, 2, 2, 2, 2, 2, 2, 2]


def test_a_coach_who_sits_with_another_brand_is_not_offered_then() -> None:
    rule = a_rule()
    first, *_ = rule.sessions(WEEK)
    elsewhere = Interval(
        first.starts_at + timedelta(minutes=10), first.ends_at + timedelta(minutes=5)
    )
    taken = [TakenSession(office_hour_id=None, interval=elsewhere, seats_taken=1)]

    offered = open_sessions([rule], taken, WEEK)

    assert len(offered) == 7
    assert offered[0].slot_at == first.starts_at + timedelta(minutes=40)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"wall_until": time(9)}, "end_time"),
        ({"duration_minutes": 200}, "duration_minutes"),
        ({"valid_from": date(2027, 2, 2), "valid_until": date(2027, 2, 1)}, "valid_until"),
    ],
)
def test_a_rule_that_can_offer_nothing_is_refused_by_its_field(
    changes: dict[str, object], field: str
) -> None:
    good: dict[str, object] = {
        "weekday": Weekday.MONDAY,
        "wall_from": time(9),
        "wall_until": time(12),
        "time_zone": BERLIN,
        "duration_minutes": 20,
        "capacity": 1,
        "valid_from": None,
        "valid_until": None,
    }
    WeeklyRule(**good).check()  # type: ignore[arg-type]  # filled from a table

    with pytest.raises(InvalidInput) as refusal:
        WeeklyRule(**{**good, **changes}).check()  # type: ignore[arg-type]  # filled from a table

    assert refusal.value.facts["field"] == field


def test_weekdays_are_numbered_as_iso_does() -> None:
    assert [Weekday.numbered(n).number for n in range(1, 8)] == list(range(1, 8))
    assert Weekday.MONDAY.number == MONDAY.isoweekday()
