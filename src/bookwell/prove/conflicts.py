"""Whether every refusal of a time has somebody who can have had it.

A refusal is explained by any visit that may have taken the time while the refused call was under
way. This is weaker than an order of all calls, and names single refusals: a service that turns
people away for nothing (because a transaction failed, say) is found by it however busy it is.
"""

import bisect
from collections.abc import Iterable

from bookwell.prove.acknowledged import Breach, check_of
from bookwell.prove.history import Attempt, OfferedSlot, World
from bookwell.prove.report import Check
from bookwell.prove.stays import Stay, neighbours, stays_of
from bookwell.prove.steps import NEVER


def false_conflicts(world: World, attempts: Iterable[Attempt]) -> Check:
    """Every `slot_unavailable` about a slot has a visit that explains it."""
    attempts = list(attempts)
    taken = _Taken(world.slots, stays_of(attempts))
    refusals = [
        each for each in attempts if each.loss == "slot_unavailable" and each.slot_id is not None
    ]
    # A visit's own slot is no place to move to, and nobody else needs to have it.
    own = {(each.outcome.id, each.outcome.slot_id) for each in attempts if each.outcome is not None}
    breaches = [
        Breach(
            f"slot {each.slot_id} was refused at {each.answered_at:.3f} s, and nobody had its time",
            [each.number],
        )
        for each in refusals
        if (each.visit_id, each.slot_id) not in own and not taken.may_be(each)
    ]
    return check_of(
        "false conflicts",
        breaches,
        f"Each of {len(refusals):,} refused times was somebody else's.",
    )


class _Taken:
    """For each slot, when its time can have been taken."""

    def __init__(self, slots: Iterable[OfferedSlot], stays: Iterable[Stay]) -> None:
        near = neighbours(slots)
        spans: dict[str, list[tuple[float, float]]] = {slot_id: [] for slot_id in near}
        for stay in stays:
            for slot_id in near[stay.slot_id]:
                spans[slot_id].append((stay.from_at, stay.until_at))
        # By slot: the beginnings in order, and the latest end of all that began by then.
        self._summed = {slot_id: _summed(sorted(mine)) for slot_id, mine in spans.items()}

    def may_be(self, refused: Attempt) -> bool:
        begins, ends = self._summed[refused.slot_id or ""]
        began = bisect.bisect_right(begins, refused.answered_at or NEVER)
        return began > 0 and ends[began - 1] >= refused.happened_from


def _summed(spans: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    begins, ends, latest = [], [], 0.0
    for from_at, until_at in spans:
        latest = max(latest, until_at)
        begins.append(from_at)
        ends.append(latest)
    return begins, ends
