"""When a reminder leaves: never in quiet hours, always before the start, and still of some use."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bookwell.domain.errors import InvalidInput
from bookwell.domain.quiet_hours import QUIET_HOURS_MAX, QuietHours
from bookwell.domain.reminders import (
    EARLY,
    GRACE,
    OFFSET_MINUTES_MAX,
    Because,
    Occasion,
    Reminder,
    State,
    checked,
    dedup_key,
    due_at,
    judge,
    of_use_until,
)
from bookwell.domain.wall_time import DAY, zone_named

BERLIN = zone_named("Europe/Berlin")
NIGHT = QuietHours(brand_id="loop", wall_from=time(21), wall_until=time(8), is_on=True)
OFF = QuietHours(brand_id="loop")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HOUR, WHOLE_DAY = timedelta(hours=1), timedelta(days=1)

ZONES = st.sampled_from(
    [
        zone_named(name)
        for name in (
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "America/Sao_Paulo",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Pacific/Apia",
            "Africa/Casablanca",
        )
    ]
)
# The weeks in which clocks change, and a few in which they do not.
STARTS = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from(
        [
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2028, 7, 1, tzinfo=UTC),
            datetime(2027, 3, 27, tzinfo=UTC),
            datetime(2027, 10, 30, tzinfo=UTC),
            datetime(2027, 3, 13, tzinfo=UTC),
            datetime(2027, 11, 6, tzinfo=UTC),
            datetime(2011, 12, 29, tzinfo=UTC),
        ]
    ),
    st.integers(0, 4 * 24 * 60),
)
OFFSETS = st.builds(lambda minutes: timedelta(minutes=minutes), st.integers(1, OFFSET_MINUTES_MAX))


@st.composite
def quiet_hours(draw: st.DrawFn) -> QuietHours:
    begins = draw(st.integers(0, 24 * 60 - 1))
    length = draw(st.integers(1, QUIET_HOURS_MAX // timedelta(minutes=1)))
    ends = (begins + length) % (24 * 60)
    return QuietHours(
        brand_id="loop",
        wall_from=time(begins // 60, begins % 60),
        wall_until=time(ends // 60, ends % 60),
        is_on=True,
    )


def is_quiet(quiet: QuietHours, instant: datetime, zone: ZoneInfo) -> bool:
    """What the clock on the wall says, without intervals."""
    shown = instant.astimezone(zone).time()
    if quiet.wall_from < quiet.wall_until:
        return quiet.wall_from <= shown < quiet.wall_until
    return shown >= quiet.wall_from or shown < quiet.wall_until


def berlin(day: int, hour: int, minute: int = 0, month: int = 6) -> datetime:
    return datetime(2027, month, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


@given(STARTS, OFFSETS, quiet_hours(), ZONES)
def test_a_reminder_is_never_due_in_quiet_hours_and_always_before_the_start(
    starts_at: datetime, offset: timedelta, quiet: QuietHours, zone: ZoneInfo
) -> None:
    due = due_at(starts_at, offset, quiet, zone)

    assert not is_quiet(quiet, due, zone)
    assert due < starts_at
    assert due <= of_use_until(starts_at, offset)
    if not is_quiet(quiet, starts_at - offset, zone):
        assert due == starts_at - offset


@given(STARTS, quiet_hours(), ZONES)
def test_quiet_hours_are_what_the_clock_shows(
    instant: datetime, quiet: QuietHours, zone: ZoneInfo
) -> None:
    stretch = quiet.around(instant, zone)

    assert (stretch is not None) == is_quiet(quiet, instant, zone)
    if stretch is not None:
        assert is_quiet(quiet, stretch.starts_at, zone)
        assert not is_quiet(quiet, stretch.ends_at, zone)


@given(STARTS, OFFSETS, OFFSETS, quiet_hours(), ZONES)
@example(berlin(2, 22), HOUR, HOUR + timedelta(minutes=10), NIGHT, BERLIN)
def test_a_nearer_reminder_is_due_before_a_farther_one_only_where_it_makes_way_for_the_night(
    starts_at: datetime, one: timedelta, two: timedelta, quiet: QuietHours, zone: ZoneInfo
) -> None:
    far, near = max(one, two), min(one, two)

    far_due, near_due = (due_at(starts_at, each, quiet, zone) for each in (far, near))

    if far_due > near_due:
        assert near_due < starts_at - near, "it makes way"
        assert far_due == starts_at - far, "and what is asked for just before the night does not"
        assert far_due - near_due < EARLY


@given(STARTS, OFFSETS, quiet_hours(), ZONES, st.integers(-60, 60 * 24 * 40))
def test_what_is_due_may_leave_and_nobody_is_reminded_in_quiet_hours(
    starts_at: datetime, offset: timedelta, quiet: QuietHours, zone: ZoneInfo, minutes: int
) -> None:
    now = starts_at - timedelta(minutes=minutes)
    reminder = Reminder(
        offset_minutes=int(offset / timedelta(minutes=1)), channel="sms", template_key="soon"
    )

    verdict = judge(Occasion(starts_at, LONG_AGO, LONG_AGO, quiet, zone), reminder, now=now)

    if verdict.state is State.DUE:
        assert verdict.due_at <= now < starts_at
        assert not is_quiet(quiet, now, zone)
    if verdict.state is State.PLANNED:
        assert now < verdict.due_at < starts_at
    assert (verdict.because is not None) == (verdict.state is State.SKIPPED)


@pytest.mark.parametrize(
    ("starts_at", "offset", "due"),
    [
        # An hour before seven would wake them, and eight is too late: before the night.
        (berlin(2, 7), HOUR, berlin(1, 21) - EARLY),
        # An hour before half past eight may wait until eight: half an hour is left.
        (berlin(2, 8, 30), HOUR, berlin(2, 8)),
        # And before twenty past it may not.
        (berlin(2, 8, 20), HOUR, berlin(1, 21) - EARLY),
        # A day before seven waits an hour.
        (berlin(3, 7), WHOLE_DAY, berlin(2, 8)),
        # A day before ten at night is the morning of the visit's day.
        (berlin(3, 22), WHOLE_DAY, berlin(3, 8)),
        # In the day nothing moves, and the first minute of the night is quiet, the last not.
        (berlin(3, 12), HOUR, berlin(3, 11)),
        (berlin(3, 21, 59), HOUR, berlin(3, 20, 59)),
        (berlin(3, 22), HOUR, berlin(3, 21) - EARLY),
        (berlin(3, 9), HOUR, berlin(3, 8)),
    ],
)
def test_quiet_hours_move_a_reminder_later_while_it_is_of_use_and_else_before_them(
    starts_at: datetime, offset: timedelta, due: datetime
) -> None:
    assert due_at(starts_at, offset, NIGHT, BERLIN) == due


@pytest.mark.parametrize(("day", "hours"), [(28, 23), (29, 24)])
def test_a_day_before_is_24_hours_also_when_the_clock_changes(day: int, hours: int) -> None:
    """In Berlin the clock goes from two to three on 28 March 2027."""
    starts_at = berlin(day, 12, month=3)

    due = due_at(starts_at, WHOLE_DAY, OFF, BERLIN)

    assert starts_at - due == WHOLE_DAY
    assert due.astimezone(BERLIN).hour == 12 - (24 - hours)


def test_a_night_that_is_an_hour_shorter_ends_at_eight_all_the_same() -> None:
    starts_at = berlin(29, 6, month=3)

    due = due_at(starts_at, WHOLE_DAY, NIGHT, BERLIN)

    assert due == berlin(28, 8, month=3)


REMINDER = Reminder(offset_minutes=60, channel="sms", template_key="soon")
STARTS_AT = berlin(2, 12)


def judged(now: datetime, **changes: object) -> tuple[State, Because | None]:
    occasion = Occasion(STARTS_AT, LONG_AGO, LONG_AGO, NIGHT, BERLIN)._replace(**changes)  # type: ignore[arg-type]  # by name
    verdict = judge(occasion, REMINDER, now=now)
    return verdict.state, verdict.because


def test_a_reminder_leaves_from_its_time_on_until_half_its_offset_is_left() -> None:
    moment = timedelta(seconds=1)
    due = STARTS_AT - HOUR

    assert judged(due - moment) == (State.PLANNED, None)
    assert judged(due) == (State.DUE, None)
    assert judged(due + HOUR / 2) == (State.DUE, None)
    assert judged(due + HOUR / 2 + moment) == (State.SKIPPED, Because.TOO_LATE)


def test_a_reminder_whose_time_is_past_when_the_visit_is_booked_has_a_moment_of_grace() -> None:
    due = STARTS_AT - HOUR
    late = due + GRACE + timedelta(seconds=1)

    assert judged(due + GRACE, booked_at=due + GRACE) == (State.DUE, None)
    assert judged(late, booked_at=late) == (State.SKIPPED, Because.BOOKED_LATER)
    assert judged(late, ruled_at=late) == (State.SKIPPED, Because.RULE_NEWER)


def test_what_workers_missed_before_the_night_is_not_sent_in_it() -> None:
    starts_at = berlin(2, 7)
    occasion = Occasion(starts_at, LONG_AGO, LONG_AGO, NIGHT, BERLIN)

    verdict = judge(occasion, REMINDER, now=berlin(1, 21, 1))

    assert (verdict.state, verdict.because) == (State.SKIPPED, Because.QUIET_HOURS)


def test_a_week_ahead_waits_for_the_morning_when_workers_were_out() -> None:
    occasion = Occasion(berlin(9, 20), LONG_AGO, LONG_AGO, NIGHT, BERLIN)
    week = Reminder(offset_minutes=7 * 24 * 60, channel="sms", template_key="soon")

    verdict = judge(occasion, week, now=berlin(2, 23))

    assert (verdict.state, verdict.due_at) == (State.PLANNED, berlin(3, 8))


@pytest.mark.parametrize(
    ("wall_from", "wall_until"),
    [
        (time(9), time(9)),
        (time(4), time(3)),
        (time(0), time(20, 1)),
        (time(21), time(17, 0, 1)),
        (time(21, 0, 30), time(21, 0, 10)),
    ],
)
def test_quiet_hours_leave_some_of_the_day(wall_from: time, wall_until: time) -> None:
    with pytest.raises(InvalidInput) as refused:
        QuietHours(brand_id="loop", wall_from=wall_from, wall_until=wall_until).check()

    assert refused.value.facts["field"] == "end_time"


@pytest.mark.parametrize(
    ("wall_from", "wall_until"),
    [(time(21), time(17)), (time(0), time(20)), (time(4), time(0)), (time(9), time(9, 0, 1))],
)
def test_quiet_hours_may_be_as_short_or_as_long_as_that(wall_from: time, wall_until: time) -> None:
    QuietHours(brand_id="loop", wall_from=wall_from, wall_until=wall_until).check()


def test_two_reminders_of_one_offset_are_one_too_many() -> None:
    with pytest.raises(InvalidInput, match="offset_minutes"):
        checked([REMINDER, REMINDER])


def test_a_dedup_key_is_one_for_each_reminder_and_tells_nothing() -> None:
    keys = {
        dedup_key(visit_id, STARTS_AT + later, minutes)
        for visit_id in ("vis_1", "vis_2")
        for later in (timedelta(0), DAY)
        for minutes in (60, 1440)
    }

    assert len(keys) == 8
    assert dedup_key("vis_1", STARTS_AT, 60) in keys
    assert not any("vis" in key or "2027" in key for key in keys)
