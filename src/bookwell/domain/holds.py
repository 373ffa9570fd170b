"""Holds: a slot taken for some minutes, for a patient who has not confirmed yet."""

from dataclasses import dataclass
from datetime import timedelta

# What a held visit is for as long as nobody has said it.
VISIT_TYPE_UNSPECIFIED = "unspecified"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTerms:
    """For how long a slot is held, and how many a patient may hold at once in a brand."""

    length: timedelta
    holds_max: int
