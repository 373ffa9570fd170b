"""When the demo's clinicians work, and where they may see patients.

Each is there to show one thing that a schedule can say. The first clinician of a brand, and the one
who works for both, offer follow-ups only, so that any of their slots can be booked as one.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from msgspec import Struct

from bookwell.demo.visit_types import CASE_REVIEW, CONSULT, FOLLOW_UP, INTAKE, LAB_REVIEW
from bookwell.domain.office_hours import Weekday
from bookwell.domain.schedule_rules import (
    Effect,
    OneOffHours,
    RecurringHours,
    Rules,
    WeeklyHours,
)
from bookwell.domain.week import Week

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = Weekday
WORKDAYS = (MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY)
_A_WEEK = timedelta(weeks=1)


class Hours(Struct, frozen=True):
    """Hours on these weekdays, for these visit types; None is all that the brand has."""

    days: tuple[Weekday, ...]
    wall_from: time
    wall_until: time
    visit_types: tuple[str, ...] | None = None


class DaysOff(Struct, frozen=True):
    """From the first weekday to the last, both whole."""

    first: Weekday
    last: Weekday

    def next_week(self, today: date) -> tuple[datetime, datetime]:
        """From which wall time to which that is, the week after today's."""
        monday = today - timedelta(days=today.weekday()) + _A_WEEK
        begins = monday + timedelta(days=self.first.number - 1)
        ends = monday + timedelta(days=self.last.number)
        return datetime.combine(begins, time()), datetime.combine(ends, time())


class WorkingLife(Struct, frozen=True, kw_only=True):
    """How a clinician works for a brand, in wall time of their zone."""

    time_zone: str
    hours: tuple[Hours, ...]
    holiday_region: str | None = None
    # RRULEs of whole days on which they do not work.
    closed: tuple[str, ...] = ()
    # One day besides: the first such weekday that is a week or more ahead.
    besides: Hours | None = None
    days_off: DaysOff | None = None
    # For how many days from the demo's first one on they may see patients in a region; None is
    # for good. Without any, they see everybody.
    licences: Mapping[str, int | None] = {}
    # What differs from the brand's terms, by visit type.
    overrides: Mapping[str, dict[str, Any]] = {}

    def week(self, today: date) -> Week:
        """The schedule, as this clinician would say it today."""
        return Week(
            time_zone=self.time_zone,
            valid_from=None,
            valid_until=None,
            holiday_region=self.holiday_region,
            rules=Rules(
                weekly=tuple(rule for hours in self.hours for rule in _weekly(hours)),
                recurring=tuple(
                    RecurringHours(rule_id="", effect=Effect.CLOSED, rrule=rrule, starts_on=today)
                    for rrule in self.closed
                ),
                openings=() if self.besides is None else (_opening(self.besides, today),),
            ),
        )


def _weekly(hours: Hours) -> list[WeeklyHours]:
    return [
        WeeklyHours(
            rule_id="",
            weekday=day,
            wall_from=hours.wall_from,
            wall_until=hours.wall_until,
            visit_types=hours.visit_types,
        )
        for day in hours.days
    ]


def _opening(hours: Hours, today: date) -> OneOffHours:
    ahead = today + _A_WEEK
    (weekday,) = hours.days
    return OneOffHours(
        rule_id="",
        on=ahead + timedelta(days=(weekday.number - ahead.isoweekday()) % len(Weekday)),
        wall_from=hours.wall_from,
        wall_until=hours.wall_until,
        visit_types=hours.visit_types,
    )


def _office(days: tuple[Weekday, ...], *visit_types: str) -> tuple[Hours, ...]:
    """Nine to five with lunch at noon, on these days and for these types; without any, for all."""
    return (_morning(days, *visit_types), _afternoon(days, *visit_types))


def _morning(days: tuple[Weekday, ...], *visit_types: str) -> Hours:
    return Hours(days, time(9), time(12), visit_types or None)


def _afternoon(days: tuple[Weekday, ...], *visit_types: str) -> Hours:
    return Hours(days, time(13), time(17), visit_types or None)


WORKING_LIVES = {
    # Closed on the public holidays of New York, and for the team's day, once a month.
    "prv_amara": WorkingLife(
        time_zone="America/New_York",
        hours=_office(WORKDAYS, FOLLOW_UP),
        holiday_region="US-NY",
        closed=("FREQ=MONTHLY;BYDAY=1MO",),
        licences={"US-NY": None},
    ),
    # First visits on two afternoons, case reviews on one, which only staff book. Off next week.
    "prv_ben": WorkingLife(
        time_zone="Europe/Berlin",
        hours=(
            _morning(WORKDAYS, FOLLOW_UP),
            _afternoon((MONDAY, FRIDAY), FOLLOW_UP),
            _afternoon((TUESDAY, THURSDAY), INTAKE),
            _afternoon((WEDNESDAY,), CASE_REVIEW),
        ),
        holiday_region="DE-BE",
        days_off=DaysOff(WEDNESDAY, FRIDAY),
        # The second one ends soon: GET /v1/licences/at-risk says who that concerns.
        licences={"US-NY": None, "US-CA": 21},
    ),
    # All that the brand has, in the same hours; only longer, and no case reviews.
    "prv_carla": WorkingLife(
        time_zone="America/Los_Angeles",
        hours=_office(WORKDAYS),
        licences={"US-CA": None},
        overrides={FOLLOW_UP: {"duration_minutes": 30}, CASE_REVIEW: {"is_offered": False}},
    ),
    "prv_dev": WorkingLife(
        time_zone="America/Chicago",
        hours=_office(WORKDAYS, FOLLOW_UP),
        holiday_region="US-IL",
        licences={"US-IL": None},
    ),
    # One Saturday besides, for first consultations.
    "prv_elena": WorkingLife(
        time_zone="Europe/London",
        hours=(
            *_office((MONDAY, WEDNESDAY, FRIDAY), CONSULT, FOLLOW_UP),
            *_office((TUESDAY, THURSDAY), LAB_REVIEW),
        ),
        holiday_region="GB-ENG",
        besides=Hours((SATURDAY,), time(10), time(13), (CONSULT,)),
        licences={"GB": None, "US-IL": None},
    ),
    # Works for both brands, every day, and keeps no licence here, so that both have something to
    # book soon for everybody, weekend or not; what one brand books, the other sees as taken.
    "prv_farah": WorkingLife(
        time_zone="America/New_York",
        hours=(Hours(tuple(Weekday), time(8), time(20), (FOLLOW_UP,)),),
    ),
}
