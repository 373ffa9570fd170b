"""A provider's week for one brand, and the hours that come of it.

A schedule has three kinds of rules (`domain/schedule_rules.py`), each with the wall times of the
schedule's zone: weekly hours, hours on days that recur (opened, or closed), and hours on one day.
`opened` says which instants they mean. Closed hours and public holidays are cut out of the weekly
and recurring hours of the same schedule. They are not cut out of a one-off opening: who says "open
on the 3rd of October" means it. Time off is of the provider, not of a schedule: `domain/derivation`
cuts it out of everything. Validity dates are inclusive.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.holidays import check_region, public_holidays
from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import Weekday
from bookwell.domain.recurrence import FIRST_YEAR, LAST_YEAR, days_of_year
from bookwell.domain.schedule_rules import (
    Effect,
    OneOffHours,
    RecurringHours,
    Rule,
    Rules,
    WeeklyHours,
    check_validity,
)
from bookwell.domain.wall_time import (
    DAY,
    MIDNIGHT,
    instants_between,
    intervals_on,
    zone_named,
)

__all__ = [
    "Effect",
    "OneOffHours",
    "Opened",
    "RecurringHours",
    "Rules",
    "Schedule",
    "TimeOff",
    "WeeklyHours",
    "instants_of",
    "opened",
]

# A sabbatical; a longer leave is a schedule that ends.
TIME_OFF_DAYS_MAX = 731
_DAY_MINUTES = 24 * 60
_WHOLE_DAY = (0, _DAY_MINUTES)


class Schedule(Struct, frozen=True, kw_only=True):
    """A provider's hours for one brand. It holds on the days from `valid_from` to `valid_until`."""

    schedule_id: str
    brand_id: str
    provider_id: str
    time_zone: str
    valid_from: date | None
    valid_until: date | None
    holiday_region: str | None
    rules: Rules
    created_at: datetime
    updated_at: datetime
    version: int

    def check(self) -> None:
        """Raise InvalidInput naming the place, such as `weekly[2].end_time`, that cannot be so."""
        zone_named(self.time_zone)
        if self.holiday_region is not None:
            check_region(self.holiday_region)
        check_validity(self.valid_from, self.valid_until)
        self.rules.check()
        for number, opening in enumerate(self.rules.openings):
            if not self.holds_on(opening.on):
                field = f"openings[{number}].date"
                raise InvalidInput(
                    f"{field} must lie within valid_from and valid_until.", field=field
                )

    def holds_on(self, day: date) -> bool:
        """Whether the day lies within the schedule's validity."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )


class TimeOff(Struct, frozen=True, kw_only=True):
    """When a provider is away: naive wall times of the zone, and the instants that they mean."""

    time_off_id: str
    brand_id: str
    provider_id: str
    wall_from: datetime
    wall_until: datetime
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    created_at: datetime


class Opened(NamedTuple):
    """Hours of one day as instants; the grid of starts is counted from `wall_from` on `day`."""

    interval: Interval
    rule_id: str
    visit_types: tuple[str, ...] | None
    zone: tzinfo
    day: date
    wall_from: time


def opened(schedules: Iterable[Schedule], window: Interval) -> list[Opened]:
    """The open hours that reach into the window: whole ones, not cut at its ends.

    In the order of the schedules and of their rules, each rule's by time. Hours may overlap.
    """
    found = []
    for schedule in schedules:
        zone = zone_named(schedule.time_zone)
        days = _days(schedule, window)
        for rule, day, hours in _open_hours(schedule.rules, days, _closed_hours(schedule, days)):
            anchor = rule.wall_from or MIDNIGHT
            for wall_from, wall_until in hours:
                found += [
                    Opened(interval, rule.rule_id, rule.visit_types, zone, day, anchor)
                    for interval in intervals_on(day, wall_from, wall_until, zone)
                    if interval.overlaps(window)
                ]
    return found


def instants_of(wall_from: datetime, wall_until: datetime, time_zone: str) -> Interval:
    """From the first to the last instant at which a wall clock in the zone is between the two.

    Raises:
        InvalidInput: The zone or the times are not such, or the clock skips all between them.
    """
    zone = zone_named(time_zone)
    for field, wall in (("start_time", wall_from), ("end_time", wall_until)):
        if wall.tzinfo is not None:
            raise InvalidInput(f"{field} must be a wall time, without an offset.", field=field)
        if not FIRST_YEAR <= wall.year <= LAST_YEAR:
            raise InvalidInput(
                f"{field} must lie in the years {FIRST_YEAR} to {LAST_YEAR}.", field=field
            )
    if wall_until <= wall_from:
        raise InvalidInput("end_time must be after start_time.", field="end_time")
    if wall_until - wall_from > timedelta(days=TIME_OFF_DAYS_MAX):
        raise InvalidInput(
            f"end_time must be within {TIME_OFF_DAYS_MAX} days of start_time.", field="end_time"
        )
    instants = instants_between(wall_from, wall_until, zone)
    if not instants:
        raise InvalidInput(
            "The clocks skip the time between start_time and end_time.", field="end_time"
        )
    return Interval(instants[0].starts_at, instants[-1].ends_at)


def _days(schedule: Schedule, window: Interval) -> list[date]:
    """The days on which the schedule holds and a wall clock may show an instant of the window."""
    first, last = window.starts_at.date() - DAY, window.ends_at.date() + DAY
    if schedule.valid_from is not None:
        first = max(first, schedule.valid_from)
    if schedule.valid_until is not None:
        last = min(last, schedule.valid_until)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _open_hours(
    rules: Rules, days: list[date], closed: dict[date, list[tuple[int, int]]]
) -> Iterator[tuple[Rule, date, list[tuple[time, time]]]]:
    """Each rule's days with the hours that it opens on them, closed ones cut out."""
    for weekly in rules.weekly:
        for day in _days_of_week(weekly, days):
            yield weekly, day, _cut(weekly.wall_from, weekly.wall_until, closed.get(day))
    for recurring in rules.recurring:
        if recurring.effect is Effect.OPEN:
            wall_from, wall_until = (
                recurring.wall_from or MIDNIGHT,
                recurring.wall_until or MIDNIGHT,
            )
            for day in _days_of_rrule(recurring, days):
                yield recurring, day, _cut(wall_from, wall_until, closed.get(day))
    first, last = (days[0], days[-1]) if days else (date.max, date.min)
    for opening in rules.openings:
        if first <= opening.on <= last:
            yield opening, opening.on, [(opening.wall_from, opening.wall_until)]


def _closed_hours(schedule: Schedule, days: list[date]) -> dict[date, list[tuple[int, int]]]:
    """What is closed on which day, in minutes of the wall clock from midnight on."""
    closed: dict[date, list[tuple[int, int]]] = {}
    if schedule.holiday_region is not None:
        for year in {day.year for day in days}:
            for day in public_holidays(schedule.holiday_region, year):
                closed[day] = [_WHOLE_DAY]
    for rule in schedule.rules.recurring:
        if rule.effect is Effect.CLOSED:
            hours = _minutes(rule.wall_from or MIDNIGHT, rule.wall_until or MIDNIGHT)
            for day in _days_of_rrule(rule, days):
                closed.setdefault(day, []).append(hours)
    return closed


def _days_of_week(rule: WeeklyHours, days: list[date]) -> list[date]:
    if not days:
        return []
    valid_from, valid_until = rule.valid_from or date.min, rule.valid_until or date.max
    first = (rule.weekday.number - days[0].isoweekday()) % len(Weekday)
    return [day for day in days[first :: len(Weekday)] if valid_from <= day <= valid_until]


def _days_of_rrule(rule: RecurringHours, days: list[date]) -> list[date]:
    years = {day.year for day in days}
    recurring = {year: days_of_year(rule.rrule, rule.starts_on, year) for year in years}
    return [day for day in days if day in recurring[day.year]]


def _cut(
    wall_from: time, wall_until: time, closed: list[tuple[int, int]] | None
) -> list[tuple[time, time]]:
    """The hours without the closed ones; as wall time, so that clock changes need no thought."""
    if closed is None:
        return [(wall_from, wall_until)]
    begins, ends = _minutes(wall_from, wall_until)
    pieces = []
    for closes, opens in (*sorted(closed), (ends, ends)):
        pieces.append((begins, min(closes, ends)))
        begins = max(begins, opens)
    return [(_wall(begin), _wall(end)) for begin, end in pieces if begin < end]


def _minutes(wall_from: time, wall_until: time) -> tuple[int, int]:
    """The hours in minutes from midnight on; an end of 00:00 is the end of the day."""
    ends = wall_until.hour * 60 + wall_until.minute
    return wall_from.hour * 60 + wall_from.minute, ends or _DAY_MINUTES


def _wall(minutes: int) -> time:
    return time(minutes // 60 % 24, minutes % 60)
