"""One call as a checker sees it: when it can have happened, what it touches, what it would change.

A state maps keys to values, and a step says what it would change in one. It sees the state through
a `Look`, so that many candidate states can share what they agree on.
"""

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

Key = Hashable
Changes = dict[Key, Hashable]
Look = Callable[[Key], Hashable]

NEVER = math.inf


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """A call that took effect at one instant between `called_at` and `answered_at`, or never.

    `answered_at` is `NEVER` for a call that was not answered: it may have happened at any time
    since, or not at all.
    """

    number: int
    called_at: float
    answered_at: float
    # Two steps that share none of these can be swapped without anybody noticing.
    touches: frozenset[Key]
    # Whether it leaves every state as it is, as refusals and reads do.
    changes_nothing: bool
    # What it may change in a state; nothing at all where its answer does not fit that state.
    outcomes: Callable[[Look], Iterable[Changes]] = field(repr=False)
