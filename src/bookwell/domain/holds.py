"""Holds: a slot taken for some minutes, for a patient who has not confirmed yet."""

from dataclasses import dataclass
from datetime import timedelta

# What a held visit is for as long as nobody has said it.
VISIT_TYPE_UNSPECIFIED = "unspecified"

# As many as a setting may let a patient hold. What the clinic itself holds for a patient has places
# of its own beyond these (take_slot in storage/sql/takes.sql says the same), and is not counted
# among the patient's.
PATIENT_HOLDS_MAX = 1_000
CLINIC_HOLDS_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTerms:
    """For how long a slot is held, and how many a patient may hold at once in a brand."""

    length: timedelta
    holds_max: int


def clinic_terms(length: timedelta) -> HoldTerms:
    """The terms of what the clinic itself holds for a patient."""
    return HoldTerms(length=length, holds_max=CLINIC_HOLDS_MAX)
