from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
import pytest

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import Weekday
from bookwell.domain.schedule_rules import RULES_MAX, VISIT_TYPES_MAX
from bookwell.domain.schedules import (
    TIME_OFF_DAYS_MAX,
    Effect,
    Rules,
    Schedule,
    instants_of,
    opened,
)
from weeks import BERLIN, MONDAY, a_schedule, days_from, one_off, recurring, weekly
from zone_files import zone_file

WEEK = days_from(MONDAY - timedelta(days=1), 9)


def hours_of(*schedules: Schedule, window: Interval = WEEK) -> list[str]:
    """The open hours as Berlin's wall clock shows them, by time."""
    wall = zone_file(BERLIN).wall
    intervals = sorted(each.interval for each in opened(schedules, window))
    return [f"{wall(i.starts_at):%m-%d %H:%M}-{wall(i.ends_at):%H:%M}" for i in intervals]


def test_weekly_hours_are_open_on_their_weekday() -> None:
    week = a_schedule(
        weekly("09:00-12:00", rule_id="rul_1"),
        weekly("22:00-24:00", weekday=Weekday.FRIDAY, rule_id="rul_2"),
    )

    assert hours_of(week) == ["01-04 09:00-12:00", "01-08 22:00-00:00", "01-11 09:00-12:00"]


def test_validity_dates_are_inclusive_of_the_schedule_and_of_each_rule() -> None:
    second, third = MONDAY + timedelta(days=7), MONDAY + timedelta(days=14)
    window = days_from(MONDAY - timedelta(days=7), 35)

    of_schedule = a_schedule(weekly("09:00-10:00"), valid_from=second, valid_until=third)
    of_rule = a_schedule(weekly("09:00-10:00", valid_from=second, valid_until=third))

    for schedule in (of_schedule, of_rule):
        assert hours_of(schedule, window=window) == ["01-11 09:00-10:00", "01-18 09:00-10:00"]


def test_hours_that_reach_into_the_window_are_whole() -> None:
    eleven = datetime(2027, 1, 4, 10, tzinfo=UTC)

    found = opened(
        [a_schedule(weekly("09:00-17:00"))], Interval(eleven, eleven + timedelta(minutes=1))
    )

    assert [each.interval.length for each in found] == [timedelta(hours=8)]
    assert (found[0].day, found[0].wall_from) == (MONDAY, time(9))


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (None, []),
        ("00:00-24:00", []),
        ("08:00-10:00", ["10:00-17:00"]),
        ("12:00-13:00", ["09:00-12:00", "13:00-17:00"]),
        ("16:00-24:00", ["09:00-16:00"]),
        ("17:00-18:00", ["09:00-17:00"]),
        ("07:00-09:00", ["09:00-17:00"]),
    ],
)
def test_closed_hours_are_cut_out_of_the_week(hours: str | None, expected: list[str]) -> None:
    week = a_schedule(weekly("09:00-17:00"), recurring("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", hours))

    assert hours_of(week) == [*(f"01-04 {each}" for each in expected), "01-11 09:00-17:00"]


def test_closed_hours_that_overlap_are_cut_out_together() -> None:
    closed = [
        recurring("FREQ=WEEKLY", hours, rule_id=hours)
        for hours in ("14:00-15:00", "10:00-12:00", "10:30-11:00", "11:30-13:00")
    ]

    found = hours_of(a_schedule(weekly("09:00-17:00"), *closed), window=days_from(MONDAY, 1))

    assert found == ["01-04 09:00-10:00", "01-04 13:00-14:00", "01-04 15:00-17:00"]


def test_a_closed_hour_that_happens_twice_is_closed_twice() -> None:
    nights = a_schedule(
        weekly("01:00-04:00", weekday=Weekday.SUNDAY), recurring("FREQ=DAILY", "02:00-02:30")
    )

    found = opened([nights], days_from(date(2027, 10, 30), 2))

    assert [f"{i.starts_at:%d %H:%M}-{i.ends_at:%H:%M}" for i in (o.interval for o in found)] == [
        "30 23:00-00:00",
        "31 00:30-01:00",
        "31 01:30-03:00",
    ]


def test_days_that_recur_can_be_opened_too() -> None:
    """Every second Saturday, from a day on that is none itself."""
    week = a_schedule(
        recurring(
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA",
            "10:00-12:00",
            effect=Effect.OPEN,
            starts_on=date(2027, 1, 1),
        )
    )

    assert hours_of(week, window=days_from(MONDAY - timedelta(days=4), 32)) == [
        "01-02 10:00-12:00",
        "01-16 10:00-12:00",
        "01-30 10:00-12:00",
    ]


def test_an_opened_day_without_hours_is_open_all_day() -> None:
    week = a_schedule(recurring("FREQ=WEEKLY;COUNT=1", effect=Effect.OPEN))

    assert hours_of(week) == ["01-04 00:00-00:00"]


def test_public_holidays_close_the_week_and_what_recurs_but_no_one_off_opening() -> None:
    """In Berlin the 8th of March 2027 is a Monday and a holiday; in Germany it is neither closed."""
    rules = (
        weekly("09:00-10:00", rule_id="rul_1"),
        recurring("FREQ=DAILY", "11:00-12:00", effect=Effect.OPEN, rule_id="rul_2"),
        one_off(date(2027, 3, 8), "13:00-14:00", rule_id="rul_3"),
    )
    window = days_from(date(2027, 3, 8), 1)

    every = ["03-08 09:00-10:00", "03-08 11:00-12:00", "03-08 13:00-14:00"]
    assert hours_of(a_schedule(*rules, holiday_region="DE-BE"), window=window) == every[2:]
    assert hours_of(a_schedule(*rules, holiday_region="DE"), window=window) == every
    assert hours_of(a_schedule(*rules), window=window) == every


def test_a_one_off_opening_is_open_whatever_is_closed() -> None:
    week = a_schedule(one_off(MONDAY, "09:00-10:00"), recurring("FREQ=DAILY"))

    assert hours_of(week) == ["01-04 09:00-10:00"]


def test_closed_hours_close_their_own_schedule_only() -> None:
    clinic = a_schedule(weekly("09:00-10:00"), recurring("FREQ=DAILY"))
    elsewhere = a_schedule(weekly("14:00-15:00"), valid_until=MONDAY)

    assert hours_of(clinic, elsewhere) == ["01-04 14:00-15:00"]


def test_hours_come_in_the_order_of_schedules_and_rules() -> None:
    first = a_schedule(
        one_off(MONDAY, "07:00-08:00", rule_id="rul_3"),
        recurring("FREQ=WEEKLY;COUNT=1", "08:00-09:00", effect=Effect.OPEN, rule_id="rul_2"),
        weekly("09:00-10:00", rule_id="rul_1"),
    )
    second = a_schedule(weekly("06:00-07:00", rule_id="rul_4"))

    rules = [each.rule_id for each in opened([first, second], days_from(MONDAY, 1))]

    assert rules == ["rul_1", "rul_2", "rul_3", "rul_4"]


def test_rules_are_kept_as_they_were_said() -> None:
    rules = a_schedule(
        weekly("22:00-24:00", visit_types=("a", "b"), valid_from=MONDAY),
        recurring("FREQ=DAILY", "09:30-10:00", effect=Effect.OPEN, visit_types=("a",)),
        recurring("FREQ=YEARLY", rule_id="rul_2"),
        one_off(MONDAY, "09:00-10:00"),
    ).rules

    kept = msgspec.json.encode(rules)

    assert msgspec.json.decode(kept, type=Rules) == rules
    document = msgspec.json.decode(kept)
    assert document["weekly"][0]["wall_until"] == "00:00:00"
    assert document["weekly"][0]["valid_from"] == "2027-01-04"
    assert document["recurring"][0]["effect"] == "open"


def with_changes(rule: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(rule, **changes)


LATE = date(2027, 12, 31)
WEEKLY, CLOSED, OPENING = (
    weekly("09:00-10:00"),
    recurring("FREQ=DAILY"),
    one_off(MONDAY, "09:00-10:00"),
)


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (a_schedule(time_zone="Mars/Olympus"), "time_zone"),
        (a_schedule(holiday_region="DE-XX"), "holiday_region"),
        (a_schedule(valid_from=LATE, valid_until=MONDAY), "valid_until"),
        (a_schedule(weekly("10:00-10:00")), "weekly[0].end_time"),
        (a_schedule(weekly("10:00-09:00")), "weekly[0].end_time"),
        (a_schedule(with_changes(WEEKLY, wall_from=time(9, 0, 1))), "weekly[0].start_time"),
        (a_schedule(with_changes(WEEKLY, wall_from=time(9, tzinfo=UTC))), "weekly[0].start_time"),
        (a_schedule(with_changes(WEEKLY, wall_until=time(10, 0, 0, 1))), "weekly[0].end_time"),
        (a_schedule(WEEKLY, with_changes(WEEKLY, rule_id="rul_2", visit_types=())), "weekly[1].visit_types"),
        (a_schedule(with_changes(WEEKLY, visit_types=("a", "a"))), "weekly[0].visit_types"),
        (a_schedule(with_changes(WEEKLY, visit_types=tuple(map(str, range(VISIT_TYPES_MAX + 1))))), "weekly[0].visit_types"),
        (a_schedule(with_changes(WEEKLY, valid_from=LATE, valid_until=MONDAY)), "weekly[0].valid_until"),
        (a_schedule(WEEKLY, WEEKLY), "weekly[1].id"),
        (a_schedule(*(with_changes(WEEKLY, rule_id=str(n)) for n in range(RULES_MAX + 1))), "rules"),
        (a_schedule(recurring("FREQ=HOURLY")), "recurring[0].rrule"),
        (a_schedule(recurring("FREQ=DAILY;UNTIL=20270103")), "recurring[0].rrule"),
        (a_schedule(recurring("FREQ=DAILY", starts_on=date(1999, 12, 31))), "recurring[0].starts_on"),
        (a_schedule(recurring("FREQ=DAILY", starts_on=date(2200, 1, 1))), "recurring[0].starts_on"),
        (a_schedule(recurring("FREQ=DAILY", "10:00-09:00")), "recurring[0].end_time"),
        (a_schedule(with_changes(CLOSED, wall_from=time(9))), "recurring[0].end_time"),
        (a_schedule(with_changes(CLOSED, wall_until=time(9))), "recurring[0].start_time"),
        (a_schedule(recurring("FREQ=DAILY", visit_types=("a",))), "recurring[0].visit_types"),
        (a_schedule(one_off(date(9999, 12, 31), "09:00-10:00")), "openings[0].date"),
        (a_schedule(one_off(MONDAY, "10:00-09:00")), "openings[0].end_time"),
        (a_schedule(OPENING, valid_from=LATE), "openings[0].date"),
    ],
)  # fmt: skip
def test_what_cannot_be_so_is_refused_by_its_place(schedule: Schedule, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        schedule.check()

    assert refusal.value.facts == {"field": field}


def test_a_schedule_that_can_be_so_is_taken() -> None:
    types = tuple(str(number) for number in range(VISIT_TYPES_MAX))
    week = [weekly("22:00-24:00", rule_id=str(n), visit_types=types) for n in range(RULES_MAX - 3)]
    a_schedule(
        *week,
        recurring("FREQ=DAILY;UNTIL=20270104", "00:00-24:00", effect=Effect.OPEN, visit_types=("a",)),
        recurring("FREQ=YEARLY", rule_id="rul_2"),
        one_off(MONDAY, "00:00-00:01"),
        valid_from=MONDAY,
        valid_until=MONDAY,
        holiday_region="DE-BE",
    ).check()  # fmt: skip


def test_no_rules_are_a_schedule_that_opens_nothing() -> None:
    empty = a_schedule()

    empty.check()
    assert opened([empty], WEEK) == []
    assert opened([], WEEK) == []


def test_a_schedule_outside_its_validity_opens_nothing() -> None:
    over = a_schedule(
        WEEKLY,
        recurring("FREQ=DAILY", effect=Effect.OPEN),
        one_off(MONDAY, "09:00-10:00"),
        holiday_region="DE",
        valid_until=date(2020, 1, 1),
    )

    assert opened([over], WEEK) == []


def away(wall_from: str, wall_until: str, time_zone: str = BERLIN) -> str:
    instants = instants_of(
        datetime.fromisoformat(wall_from), datetime.fromisoformat(wall_until), time_zone
    )
    return f"{instants.starts_at:%m-%dT%H:%M}/{instants.ends_at:%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("wall_from", "wall_until", "instants"),
    [
        ("2027-01-04", "2027-01-05", "01-03T23:00/01-04T23:00"),
        # A day of 23 hours, one of 25, and the summer.
        ("2027-03-28", "2027-03-29", "03-27T23:00/03-28T22:00"),
        ("2027-10-31", "2027-11-01", "10-30T22:00/10-31T23:00"),
        ("2027-03-01", "2027-12-01", "02-28T23:00/11-30T23:00"),
        # From and until a time that does not exist, and one that happens twice.
        ("2027-03-28T02:30", "2027-03-28T04:00", "03-28T01:00/03-28T02:00"),
        ("2027-03-28T01:00", "2027-03-28T02:30", "03-28T00:00/03-28T01:00"),
        ("2027-10-31T02:30", "2027-10-31T05:00", "10-31T00:30/10-31T04:00"),
        ("2027-10-31T01:00", "2027-10-31T02:30", "10-30T23:00/10-31T01:30"),
        ("2027-10-31T02:00", "2027-10-31T02:30", "10-31T00:00/10-31T01:30"),
    ],
)
def test_time_off_lasts_from_its_first_instant_to_its_last(
    wall_from: str, wall_until: str, instants: str
) -> None:
    assert away(wall_from, wall_until) == instants


@pytest.mark.parametrize(
    ("wall_from", "wall_until", "time_zone", "field"),
    [
        ("2027-01-04", "2027-01-05", "Mars/Olympus", "time_zone"),
        ("2027-01-04", "2027-01-04", BERLIN, "end_time"),
        ("2027-01-05", "2027-01-04", BERLIN, "end_time"),
        ("2027-01-04T00:00Z", "2027-01-05", BERLIN, "start_time"),
        ("2027-01-04", "2027-01-05T00:00+01:00", BERLIN, "end_time"),
        ("0001-01-01", "2027-01-05", BERLIN, "start_time"),
        ("2027-01-04", "9999-12-31T23:59:59.999999", BERLIN, "end_time"),
        ("2027-01-04", "2031-01-04", BERLIN, "end_time"),
        # Only times that no clock shows.
        ("2027-03-28T02:00", "2027-03-28T03:00", BERLIN, "end_time"),
        ("2011-12-30", "2011-12-31", "Pacific/Apia", "end_time"),
    ],
)
def test_time_off_that_cannot_be_so_is_refused_by_its_field(
    wall_from: str, wall_until: str, time_zone: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        away(wall_from, wall_until, time_zone)

    assert refusal.value.facts == {"field": field}


def test_a_sabbatical_is_time_off() -> None:
    leaves = datetime.fromisoformat("2027-01-04")

    instants = instants_of(leaves, leaves + timedelta(days=TIME_OFF_DAYS_MAX), BERLIN)

    assert instants.length == timedelta(days=TIME_OFF_DAYS_MAX)
