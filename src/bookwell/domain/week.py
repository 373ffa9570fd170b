"""A provider's week as somebody says it, and the schedule that it makes: each rule with an id."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TypeVar

from msgspec import Struct, structs

from bookwell.domain.errors import InvalidInput
from bookwell.domain.ids import SCHEDULE, SCHEDULE_RULE, new_id
from bookwell.domain.schedule_rules import OneOffHours, RecurringHours, Rules, WeeklyHours
from bookwell.domain.schedules import Schedule

AnyRule = TypeVar("AnyRule", WeeklyHours, RecurringHours, OneOffHours)


class Week(Struct, frozen=True, kw_only=True):
    """What somebody says; a rule without an id has an empty one."""

    time_zone: str
    valid_from: date | None
    valid_until: date | None
    holiday_region: str | None
    rules: Rules

    def of(self, *, brand_id: str, provider_id: str, now: datetime) -> Schedule:
        """A new schedule of that provider. Its rules have new ids, whatever was said.

        Raises:
            InvalidInput: Something in it cannot be so; the place is named.
        """
        schedule = Schedule(
            schedule_id=new_id(SCHEDULE),
            brand_id=brand_id,
            provider_id=provider_id,
            time_zone=self.time_zone,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            holiday_region=self.holiday_region,
            rules=_numbered(self.rules, known=None),
            created_at=now,
            updated_at=now,
            version=1,
        )
        schedule.check()
        return schedule

    def instead_of(self, schedule: Schedule) -> Schedule:
        """That schedule with this week. A rule that names the id of one there keeps it.

        Raises:
            InvalidInput: Something in it cannot be so, or a rule names an id that is not there.
        """
        changed = structs.replace(
            schedule,
            time_zone=self.time_zone,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            holiday_region=self.holiday_region,
            rules=_numbered(self.rules, known=ids_of(schedule.rules)),
        )
        changed.check()
        return changed


def ids_of(rules: Rules) -> set[str]:
    """The ids of all the rules."""
    return {rule.rule_id for _, those in _by_place(rules) for rule in those}


def types_unknown(rules: Rules, known: Iterable[str]) -> str | None:
    """Where a rule first names a visit type that is not known, such as `weekly[0].visit_types`."""
    known = set(known)
    for place, those in _by_place(rules):
        for number, rule in enumerate(those):
            if not set(rule.visit_types or ()) <= known:
                return f"{place}[{number}].visit_types"
    return None


def _by_place(
    rules: Rules,
) -> list[tuple[str, Sequence[WeeklyHours | RecurringHours | OneOffHours]]]:
    return [
        ("weekly", rules.weekly),
        ("recurring", rules.recurring),
        ("openings", rules.openings),
    ]


def _numbered(rules: Rules, *, known: set[str] | None) -> Rules:
    return Rules(
        weekly=_with_ids("weekly", rules.weekly, known),
        recurring=_with_ids("recurring", rules.recurring, known),
        openings=_with_ids("openings", rules.openings, known),
    )


def _with_ids(place: str, rules: Sequence[AnyRule], known: set[str] | None) -> tuple[AnyRule, ...]:
    """The rules, each with an id; those said must be known, and are ignored where none is."""
    found = []
    for number, rule in enumerate(rules):
        rule_id = "" if known is None else rule.rule_id
        if known is not None and rule_id and rule_id not in known:
            field = f"{place}[{number}].id"
            raise InvalidInput(f"{field} must be the id of a rule of the schedule.", field=field)
        found.append(structs.replace(rule, rule_id=rule_id or new_id(SCHEDULE_RULE)))
    return tuple(found)
