"""Schedules for tests of what they mean: short to write, and Berlin's unless said otherwise."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from bookwell.domain.derivation import Offer, offers
from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import Weekday
from bookwell.domain.schedules import (
    Effect,
    OneOffHours,
    RecurringHours,
    Rules,
    Schedule,
    WeeklyHours,
    opened,
)
from bookwell.domain.visit_types import Terms

BERLIN = "Europe/Berlin"
MONDAY = date(2027, 1, 4)
CREATED_AT = datetime(2027, 1, 1, tzinfo=UTC)
HALF_HOURS = {"visit": Terms(duration_minutes=30, grid_minutes=30)}


def a_schedule(
    *rules: WeeklyHours | RecurringHours | OneOffHours,
    time_zone: str = BERLIN,
    valid_from: date | None = None,
    valid_until: date | None = None,
    holiday_region: str | None = None,
) -> Schedule:
    return Schedule(
        schedule_id="sch_1",
        brand_id="loop",
        provider_id="dr_wu",
        time_zone=time_zone,
        valid_from=valid_from,
        valid_until=valid_until,
        holiday_region=holiday_region,
        rules=Rules(
            weekly=tuple(rule for rule in rules if isinstance(rule, WeeklyHours)),
            recurring=tuple(rule for rule in rules if isinstance(rule, RecurringHours)),
            openings=tuple(rule for rule in rules if isinstance(rule, OneOffHours)),
        ),
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
        version=1,
    )


def weekly(
    hours: str,
    *,
    weekday: Weekday = Weekday.MONDAY,
    rule_id: str = "rul_week",
    visit_types: tuple[str, ...] | None = None,
    valid_from: date | None = None,
    valid_until: date | None = None,
) -> WeeklyHours:
    wall_from, wall_until = clock(hours)
    return WeeklyHours(
        rule_id=rule_id,
        weekday=weekday,
        wall_from=wall_from,
        wall_until=wall_until,
        visit_types=visit_types,
        valid_from=valid_from,
        valid_until=valid_until,
    )


def recurring(
    rrule: str,
    hours: str | None = None,
    *,
    effect: Effect = Effect.CLOSED,
    starts_on: date = MONDAY,
    rule_id: str = "rul_recurs",
    visit_types: tuple[str, ...] | None = None,
) -> RecurringHours:
    wall_from, wall_until = clock(hours) if hours else (None, None)
    return RecurringHours(
        rule_id=rule_id,
        effect=effect,
        rrule=rrule,
        starts_on=starts_on,
        wall_from=wall_from,
        wall_until=wall_until,
        visit_types=visit_types,
    )


def one_off(
    on: date,
    hours: str,
    *,
    rule_id: str = "rul_once",
    visit_types: tuple[str, ...] | None = None,
) -> OneOffHours:
    wall_from, wall_until = clock(hours)
    return OneOffHours(
        rule_id=rule_id,
        on=on,
        wall_from=wall_from,
        wall_until=wall_until,
        visit_types=visit_types,
    )


def clock(hours: str) -> tuple[time, time]:
    """`09:00-17:00` as two wall times; `22:00-24:00` ends with the day."""
    wall_from, _, wall_until = hours.partition("-")
    return time.fromisoformat(wall_from), time.fromisoformat(wall_until.replace("24:00", "00:00"))


def days_from(day: date, number: int) -> Interval:
    """That many days of UTC from the day on."""
    midnight = datetime.combine(day, time(0), UTC)
    return Interval(midnight, midnight + timedelta(days=number))


def offered(
    *schedules: Schedule,
    window: Interval,
    terms: dict[str, Terms] = HALF_HOURS,
    away: Iterable[Interval] = (),
) -> list[Offer]:
    return offers(opened(schedules, window), terms, away, window)
