"""Why a time is offered or not: each booking rule with the fact behind it, as a sentence.

A sentence tells of the provider's offer and of the visit type. It never tells who holds a time or
visits then, nor where a patient is.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct

from bookwell.domain.intervals import Interval
from bookwell.domain.rules import Rule
from bookwell.domain.visit_types import BookedBy, Terms

# What can be said where no such provider works for the brand; all else is a matter of the
# provider, or of terms that they may have of their own.
_OF_NOBODY = frozenset({Rule.BRAND, Rule.VISIT_TYPE, Rule.HOURS})
_NOT_JUDGED = "Nothing can be said of it, because no such provider works for the brand."


class Time(Struct, frozen=True, kw_only=True):
    """A time, what is known of it, and the rules that a visit then would break.

    `slot_id` is None where no slot begins then, `terms` where the brand has no such visit type.
    `away` is when the provider is off around that time. `has_provider` is False where no such
    provider works for the brand.
    """

    slot_id: str | None
    starts_at: datetime
    ends_at: datetime
    now: datetime
    visit_type: str
    terms: Terms | None
    broken: Collection[Rule]
    away: Sequence[Interval] = ()
    rule_id: str | None = None
    by_patient: bool
    names_patient: bool
    is_own_slot: bool = False
    has_provider: bool = True


class Finding(NamedTuple):
    """A fact as a sentence, and its values."""

    fact: str
    details: Mapping[str, Any] | None = None


class RuleExplained(Struct, frozen=True, kw_only=True):
    """What one rule says of a time; `passed` is None where it cannot be said."""

    rule: Rule
    passed: bool | None
    fact: str
    details: Mapping[str, Any] | None = None


class Explanation(Struct, frozen=True, kw_only=True):
    """All rules, in their order, and whether none of them stands against a visit."""

    slot_id: str | None
    starts_at: datetime
    ends_at: datetime
    rules: tuple[RuleExplained, ...]

    @property
    def is_bookable(self) -> bool:
        return all(each.passed for each in self.rules)


def explained(time: Time) -> Explanation:
    """What each rule says of the time."""
    return Explanation(
        slot_id=time.slot_id,
        starts_at=time.starts_at,
        ends_at=time.ends_at,
        rules=tuple(_explained(rule, time) for rule in Rule),
    )


def _explained(rule: Rule, time: Time) -> RuleExplained:
    if not time.has_provider and rule not in _OF_NOBODY:
        return RuleExplained(rule=rule, passed=None, fact=_NOT_JUDGED)
    passed = rule not in time.broken
    found = _FACTS[rule](time, passed)
    return RuleExplained(rule=rule, passed=passed, fact=found.fact, details=found.details)


def _brand(_time: Time, passed: bool) -> Finding:
    return Finding(
        "The provider works for the brand." if passed else "No such provider works for the brand."
    )


def _visit_type(time: Time, passed: bool) -> Finding:
    if not passed:
        return Finding("The brand has no such visit type.")
    if time.terms is None:
        return Finding("The brand keeps no such visit types, so it has no policy for this one.")
    return Finding(
        f"The brand has this visit type; it lasts {_minutes(time.terms.duration_minutes)}.",
        {"duration_minutes": time.terms.duration_minutes},
    )


def _provider(_time: Time, passed: bool) -> Finding:
    return Finding(
        "The provider offers this visit type."
        if passed
        else "The provider does not offer this visit type."
    )


def _booker(time: Time, passed: bool) -> Finding:
    if not passed:
        return Finding("Only staff book this visit type.")
    if time.terms is None or time.terms.booked_by is BookedBy.PATIENT:
        return Finding("Patients and staff may book this visit type.")
    return Finding("Only staff book this visit type, and staff or a service is asking.")


def _hours(time: Time, passed: bool) -> Finding:
    if time.slot_id is None:
        return Finding("No slot of the provider begins then.")
    minutes = (time.ends_at - time.starts_at) / timedelta(minutes=1)
    details: dict[str, Any] = {"slot_minutes": minutes, "rule_id": time.rule_id}
    wanted = time.terms.duration_minutes if time.terms else None
    if wanted is not None:
        details["duration_minutes"] = wanted
    if passed:
        return Finding(f"A slot of {_minutes(minutes)} begins then.", details)
    if wanted is not None and (minutes < wanted or (time.rule_id and minutes != wanted)):
        return Finding(
            f"The slot that begins then lasts {_minutes(minutes)}, the visit {_minutes(wanted)}.",
            details,
        )
    return Finding("The slot that begins then is for other visit types.", details)


def _time_off(time: Time, passed: bool) -> Finding:
    if passed or not time.away:
        return Finding("The provider is not off then.")
    away = time.away[0]
    return Finding(
        f"The provider is off from {_instant(away.starts_at)} to {_instant(away.ends_at)}.",
        {"from": _instant(away.starts_at), "to": _instant(away.ends_at)},
    )


def _notice(time: Time, _passed: bool) -> Finding:
    minutes = time.terms.notice_minutes if time.terms else 0
    earliest = _instant(time.now + timedelta(minutes=minutes))
    if not minutes:
        return Finding(
            f"Bookings need no notice, but the time must lie ahead; it is {earliest} now.",
            {"notice_minutes": 0, "earliest_start": earliest},
        )
    return Finding(
        f"Bookings need {_length(minutes)} notice; the earliest start now is {earliest}.",
        {"notice_minutes": minutes, "earliest_start": earliest},
    )


def _horizon(time: Time, _passed: bool) -> Finding:
    if time.terms is None:
        return Finding("There is no limit to how far ahead this may be booked.")
    days = time.terms.horizon_days
    latest = _instant(time.now + timedelta(days=days))
    return Finding(
        f"Bookings are taken {_count(days, 'day')} ahead; the latest start now is {latest}.",
        {"horizon_days": days, "latest_start": latest},
    )


def _licence(time: Time, passed: bool) -> Finding:
    if not passed:
        return Finding("The provider holds no licence for where the patient is then.")
    if not time.names_patient:
        return Finding("No patient was named, so no licence was asked for.")
    return Finding("The provider may see the patient where the patient is then.")


def _patient_cap(time: Time, passed: bool) -> Finding:
    cap = time.terms.patient_cap if time.terms else None
    if time.terms is None or cap is None:
        return Finding("A patient may have any number of visits of this type.")
    period = time.terms.patient_cap_period.value
    most = f"A patient may have {_count(cap, 'visit')} of this type in a {period}"
    details = {"patient_cap": cap, "patient_cap_period": period}
    if not time.names_patient:
        return Finding(f"{most}; no patient was named.", details)
    return Finding(
        f"{most}, and there is room for one more." if passed else f"{most}, and has them.", details
    )


def _provider_cap(time: Time, passed: bool) -> Finding:
    cap = time.terms.provider_day_cap if time.terms else None
    if cap is None:
        return Finding("The provider may have any number of visits of this type in a day.")
    most = f"The provider has {_count(cap, 'visit')} of this type in a day at most"
    return Finding(
        f"{most}, and room for one more." if passed else f"{most}, and has them that day.",
        {"provider_day_cap": cap},
    )


def _hold(_time: Time, passed: bool) -> Finding:
    return Finding(
        "Nobody holds the time." if passed else "The time is held; it may be free again soon."
    )


def _busy(time: Time, passed: bool) -> Finding:
    if time.is_own_slot:
        return Finding("The visit is at this time already.")
    return Finding("The provider is free then." if passed else "The provider's time is taken then.")


def _buffers(time: Time, passed: bool) -> Finding:
    before = time.terms.buffer_before_minutes if time.terms else 0
    after = time.terms.buffer_after_minutes if time.terms else 0
    if not before and not after:
        return Finding("This visit type keeps no time free before or after.")
    kept = f"the {_minutes(before)} before and {_minutes(after)} after"
    details = {"buffer_before_minutes": before, "buffer_after_minutes": after}
    return Finding(
        f"Nothing touches {kept}."
        if passed
        else f"Something else of the provider's reaches into {kept}.",
        details,
    )


_FACTS: Mapping[Rule, Callable[[Time, bool], Finding]] = {
    Rule.BRAND: _brand,
    Rule.VISIT_TYPE: _visit_type,
    Rule.PROVIDER: _provider,
    Rule.BOOKER: _booker,
    Rule.HOURS: _hours,
    Rule.TIME_OFF: _time_off,
    Rule.NOTICE: _notice,
    Rule.HORIZON: _horizon,
    Rule.LICENCE: _licence,
    Rule.PATIENT_CAP: _patient_cap,
    Rule.PROVIDER_CAP: _provider_cap,
    Rule.HOLD: _hold,
    Rule.BUSY: _busy,
    Rule.BUFFERS: _buffers,
}


def _instant(instant: datetime) -> str:
    """As the API writes it."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}{'' if number == 1 else 's'}"


def _minutes(number: float) -> str:
    return _count(number, "minute")


def _length(minutes: int) -> str:
    """A notice as people say it: in days or hours where it is whole ones."""
    if minutes % 60:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes != 60 else "1 hour"  # noqa: PLR2004 - an hour
