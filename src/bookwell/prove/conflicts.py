"""Whether every refusal of a time has somebody who can have had it.

A refusal is explained by any visit that may have taken the time while the refused call was under
way. This is weaker than an order of all calls, and names single refusals: a service that turns
people away for nothing (because a transaction failed, say) is found by it however busy it is.
"""

import bisect
from collections.abc import Iterable

from bookwell.prove.acknowledged import Breach, check_of
from bookwell.prove.busy_line import CLOCK_SLACK_SECONDS
from bookwell.prove.history import Answer, Attempt, OfferedSlot, Operation, World
from bookwell.prove.report import Check
from bookwell.prove.steps import NEVER

_TAKES = (Operation.BOOK, Operation.HOLD)
_SETTERS = (*_TAKES, Operation.RESCHEDULE, Operation.CONFIRM, Operation.BOOK_HELD)


def false_conflicts(world: World, attempts: Iterable[Attempt]) -> Check:
    """Every `slot_unavailable` about a slot has a visit that explains it."""
    attempts = list(attempts)
    taken = _Taken(world.slots)
    for slot_id, from_at, until_at in _stays(attempts):
        taken.add(slot_id, from_at, until_at)
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

    def __init__(self, slots: Iterable[OfferedSlot]) -> None:
        slots = list(slots)
        self._near = {
            slot.slot_id: [other.slot_id for other in slots if _overlap(slot, other)]
            for slot in slots
        }
        self._stays: dict[str, list[tuple[float, float]]] = {slot.slot_id: [] for slot in slots}
        # By slot: the beginnings in order, and the latest end of all that began by then.
        self._latest: dict[str, tuple[list[float], list[float]]] = {}

    def add(self, slot_id: str, from_at: float, until_at: float) -> None:
        for near in self._near[slot_id]:
            self._stays[near].append((from_at, until_at))
            self._latest.pop(near, None)

    def may_be(self, refused: Attempt) -> bool:
        begins, ends = self._summed(refused.slot_id or "")
        began = bisect.bisect_right(begins, refused.answered_at or NEVER)
        return began > 0 and ends[began - 1] >= refused.happened_from

    def _summed(self, slot_id: str) -> tuple[list[float], list[float]]:
        if slot_id not in self._latest:
            begins, ends, latest = [], [], 0.0
            for from_at, until_at in sorted(self._stays[slot_id]):
                latest = max(latest, until_at)
                begins.append(from_at)
                ends.append(latest)
            self._latest[slot_id] = begins, ends
        return self._latest[slot_id]


def _stays(attempts: Iterable[Attempt]) -> Iterable[tuple[str, float, float]]:
    """Each slot with the longest time from which until which a visit may have been there."""
    changes: dict[str, list[tuple[int, Attempt, Answer]]] = {}
    for attempt in attempts:
        said = attempt.outcome
        if said is None:
            # It may have happened at any time since.
            if attempt.operation in (*_TAKES, Operation.RESCHEDULE) and attempt.slot_id:
                yield attempt.slot_id, attempt.called_at, NEVER
        elif attempt.operation is not Operation.READ and said.id and said.version and said.slot_id:
            changes.setdefault(said.id, []).append((said.version, attempt, said))
    for history in changes.values():
        history.sort(key=lambda change: change[0])
        for place, (_, attempt, said) in enumerate(history):
            if attempt.operation in _SETTERS:
                assert said.slot_id is not None, "an answer about a visit names its slot"
                until = NEVER
                if place + 1 < len(history):
                    until = history[place + 1][1].answered_at or NEVER
                elif said.hold_seconds is not None and attempt.answered_at is not None:
                    until = attempt.answered_at + said.hold_seconds + CLOCK_SLACK_SECONDS
                yield said.slot_id, attempt.happened_from, until


def _overlap(one: OfferedSlot, other: OfferedSlot) -> bool:
    return (
        one.provider_id == other.provider_id
        and one.starts_at < other.ends_at
        and other.starts_at < one.ends_at
    )
