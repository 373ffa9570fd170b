"""The rules of a schedule as they are said and kept: what they hold, and what they must be.

`Rules` is what the database keeps as one JSON document: times as "09:00:00", dates as in ISO 8601.
Hours never cross midnight; an end of 00:00 is the midnight at the end of the day. A refusal names
the place as the API has it: `weekly[2].end_time`, `recurring[0].rrule`, `openings[1].date`.
"""

from collections.abc import Iterator, Sequence
from datetime import date, time
from enum import StrEnum

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.office_hours import Weekday
from bookwell.domain.recurrence import FIRST_YEAR, LAST_YEAR, read_rrule
from bookwell.domain.wall_time import MIDNIGHT

# A week of a clinic with every half hour its own rule has fewer; so has any year's exceptions.
RULES_MAX = 200
VISIT_TYPES_MAX = 50


class Effect(StrEnum):
    """What a recurring rule does with its hours."""

    OPEN = "open"
    CLOSED = "closed"


class WeeklyHours(Struct, frozen=True, kw_only=True):
    """Hours of one weekday, for these visit types; None is every type the brand has."""

    rule_id: str
    weekday: Weekday
    wall_from: time
    wall_until: time
    visit_types: tuple[str, ...] | None = None
    valid_from: date | None = None
    valid_until: date | None = None


class RecurringHours(Struct, frozen=True, kw_only=True):
    """Hours on each day of an RRULE (`domain/recurrence.py`), opened or closed.

    No wall times mean the whole day. `visit_types` are for hours that are opened.
    """

    rule_id: str
    effect: Effect
    rrule: str
    starts_on: date
    wall_from: time | None = None
    wall_until: time | None = None
    visit_types: tuple[str, ...] | None = None


class OneOffHours(Struct, frozen=True, kw_only=True):
    """Hours on one day, whatever is closed on it."""

    rule_id: str
    on: date
    wall_from: time
    wall_until: time
    visit_types: tuple[str, ...] | None = None


class Rules(Struct, frozen=True, kw_only=True):
    """The rules of a schedule, in the order in which the first one that offers a time wins."""

    weekly: tuple[WeeklyHours, ...] = ()
    recurring: tuple[RecurringHours, ...] = ()
    openings: tuple[OneOffHours, ...] = ()

    def check(self) -> None:
        """Raise InvalidInput naming the place, where a rule cannot be so or offers nothing."""
        places = list(_places(self))
        if len(places) > RULES_MAX:
            raise InvalidInput(f"A schedule has at most {RULES_MAX} rules.", field="rules")
        seen = set()
        for place, rule in places:
            if rule.rule_id in seen:
                raise InvalidInput("Each rule has its own id.", field=f"{place}.id")
            seen.add(rule.rule_id)
            _check_rule(place, rule)


Rule = WeeklyHours | RecurringHours | OneOffHours


def check_validity(valid_from: date | None, valid_until: date | None, *, place: str = "") -> None:
    """Raise InvalidInput unless the days are in order; `place` stands before the field's name."""
    if valid_from and valid_until and valid_until < valid_from:
        raise InvalidInput(
            f"{place}valid_until must not be before valid_from.", field=f"{place}valid_until"
        )


def _places(rules: Rules) -> Iterator[tuple[str, Rule]]:
    """Every rule with the place in which it stands."""
    kinds: dict[str, Sequence[Rule]] = {
        "weekly": rules.weekly,
        "recurring": rules.recurring,
        "openings": rules.openings,
    }
    for kind, those in kinds.items():
        for number, rule in enumerate(those):
            yield f"{kind}[{number}]", rule


def _check_rule(place: str, rule: Rule) -> None:
    if isinstance(rule, RecurringHours):
        _check_recurring(place, rule)
    else:
        _check_hours(place, rule.wall_from, rule.wall_until)
    if isinstance(rule, WeeklyHours):
        check_validity(rule.valid_from, rule.valid_until, place=f"{place}.")
    if isinstance(rule, OneOffHours):
        _check_year(f"{place}.date", rule.on)
    _check_visit_types(f"{place}.visit_types", rule.visit_types)


def _check_recurring(place: str, rule: RecurringHours) -> None:
    _check_year(f"{place}.starts_on", rule.starts_on)
    recurrence = read_rrule(rule.rrule, field=f"{place}.rrule")
    if recurrence.until is not None and recurrence.until < rule.starts_on:
        raise InvalidInput(
            f"{place}.rrule must not have an UNTIL before starts_on.", field=f"{place}.rrule"
        )
    if rule.wall_from is not None and rule.wall_until is not None:
        _check_hours(place, rule.wall_from, rule.wall_until)
    elif rule.wall_from is not None or rule.wall_until is not None:
        missing = f"{place}.{'end_time' if rule.wall_until is None else 'start_time'}"
        raise InvalidInput("start_time and end_time go together.", field=missing)
    if rule.effect is Effect.CLOSED and rule.visit_types is not None:
        raise InvalidInput(
            "Closed hours are closed for every visit type.", field=f"{place}.visit_types"
        )


def _check_hours(place: str, wall_from: time, wall_until: time) -> None:
    for field, wall in (("start_time", wall_from), ("end_time", wall_until)):
        if wall.tzinfo is not None or wall.second or wall.microsecond:
            raise InvalidInput(
                f"{place}.{field} must be a wall time in whole minutes, such as 09:00.",
                field=f"{place}.{field}",
            )
    if wall_until <= wall_from and wall_until != MIDNIGHT:
        raise InvalidInput(
            f"{place}.end_time must be after start_time, on the same day.",
            field=f"{place}.end_time",
        )


def _check_year(field: str, day: date) -> None:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise InvalidInput(
            f"{field} must lie in the years {FIRST_YEAR} to {LAST_YEAR}.", field=field
        )


def _check_visit_types(field: str, visit_types: tuple[str, ...] | None) -> None:
    if visit_types is None:
        return
    if not 1 <= len(visit_types) <= VISIT_TYPES_MAX:
        raise InvalidInput(
            f"{field} must name 1 to {VISIT_TYPES_MAX} visit types; left out, it means all.",
            field=field,
        )
    if len(set(visit_types)) < len(visit_types):
        raise InvalidInput(f"{field} must name each visit type once.", field=field)
