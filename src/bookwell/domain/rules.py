"""The booking rules: what stands between a time and a visit, in the order in which they are told.

PostgreSQL judges them, in `booking.broken_rules` (migration 0006): search, hold, book, confirm,
reschedule and explain all ask that one function. This module knows their names, what they say, and
which of them a person may overrule.
"""

from collections.abc import Collection
from enum import StrEnum

from bookwell.domain.errors import BookwellError, InvalidInput, RuleBroken, SlotUnavailable


class Rule(StrEnum):
    """One reason for which a time may not be booked."""

    BRAND = "brand"
    VISIT_TYPE = "visit_type"
    PROVIDER = "provider"
    BOOKER = "booker"
    HOURS = "hours"
    TIME_OFF = "time_off"
    NOTICE = "notice"
    HORIZON = "horizon"
    LICENCE = "licence"
    PATIENT_CAP = "patient_cap"
    PROVIDER_CAP = "provider_cap"
    HOLD = "hold"
    BUSY = "busy"
    BUFFERS = "buffers"

    @property
    def promise(self) -> str:
        """What the rule demands, as a sentence."""
        return _PROMISES[self]

    @property
    def refusal(self) -> str:
        """What whoever asked for a time that breaks it is told."""
        return f"This time breaks a booking rule: {self.promise}"

    @property
    def may_be_overruled(self) -> bool:
        """Whether staff who may overrule can take the time all the same, and say why."""
        return self in OVERRULABLE


# Policy of a brand's own. A licence is law, time off is the provider's own word, and what is held
# or busy is somebody else's already.
OVERRULABLE = frozenset(
    {
        Rule.BOOKER,
        Rule.NOTICE,
        Rule.HORIZON,
        Rule.PATIENT_CAP,
        Rule.PROVIDER_CAP,
        Rule.BUFFERS,
    }
)

_PROMISES = {
    Rule.BRAND: "The provider works for the brand.",
    Rule.VISIT_TYPE: "The brand has this visit type.",
    Rule.PROVIDER: "The provider offers this visit type.",
    Rule.BOOKER: "The caller may book this visit type.",
    Rule.HOURS: "The provider offers a slot that begins then and fits the visit type.",
    Rule.TIME_OFF: "The provider is not off.",
    Rule.NOTICE: "The time lies ahead, and the visit type's notice is kept.",
    Rule.HORIZON: "The time is not further ahead than the visit type may be booked.",
    Rule.LICENCE: "The provider is licensed where the patient is at that time.",
    Rule.PATIENT_CAP: "The patient has not had as many visits of this type as they may.",
    Rule.PROVIDER_CAP: "The provider has not as many visits of this type that day as they may.",
    Rule.HOLD: "Nobody holds the time.",
    Rule.BUSY: "The provider has no visit then, in whatever brand.",
    Rule.BUFFERS: "The time the visit type keeps free before and after is free.",
}


def refusal_of(
    broken: Collection[str], *, slot_id: str, is_overruled: bool = False
) -> BookwellError | None:
    """Why a slot whose visit would break these rules is refused; None where it may be taken.

    With `is_overruled`, staff have said that policy does not count here.
    """
    rules = [rule for rule in Rule if rule in broken]
    if is_overruled:
        rules = [rule for rule in rules if not rule.may_be_overruled]
    if not rules:
        return None
    if Rule.VISIT_TYPE in rules:
        return InvalidInput(
            "visit_type must be one of the brand's visit types.", field="visit_type"
        )
    if set(rules) <= {Rule.HOLD, Rule.BUSY}:
        return SlotUnavailable(slot_id=slot_id, rule=rules[0])
    return RuleBroken(
        rules[0].refusal,
        rule=rules[0],
        rules=rules,
        slot_id=slot_id,
        may_be_overruled=all(rule.may_be_overruled for rule in rules),
    )
