"""When a visit was in which slot, as far as the answers tell: for certain, and at the longest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bookwell.prove.busy_line import CLOCK_SLACK_SECONDS
from bookwell.prove.history import Answer, Attempt, OfferedSlot, Operation
from bookwell.prove.steps import NEVER

_TAKES = (Operation.BOOK, Operation.HOLD)
_STAYS = (*_TAKES, Operation.RESCHEDULE, Operation.CONFIRM, Operation.BOOK_HELD)
_CHANGES = (*_STAYS, Operation.CANCEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A visit in a slot; times are seconds since the race began.

    It was there at some time from `from_at` until `until_at`, and surely from `surely_from` until
    `surely_until`, which is nothing at all where the second is not after the first.
    """

    number: int
    visit_id: str | None
    slot_id: str
    from_at: float
    until_at: float
    surely_from: float
    surely_until: float


def stays_of(attempts: Iterable[Attempt]) -> Iterator[Stay]:
    """Every stay of every visit that the answers tell of, and those of calls without an answer."""
    changes: dict[str, list[tuple[int, Attempt, Answer]]] = {}
    lost: dict[str, float] = {}
    for attempt in attempts:
        said = attempt.outcome
        if attempt.operation not in _CHANGES:
            continue
        if said is None:
            yield from _perhaps(attempt)
            if attempt.visit_id is not None:
                before = lost.get(attempt.visit_id, NEVER)
                lost[attempt.visit_id] = min(before, attempt.called_at)
        elif said.id and said.version and said.slot_id and said.error is None:
            changes.setdefault(said.id, []).append((said.version, attempt, said))
    for visit_id, history in changes.items():
        history.sort(key=lambda change: change[0])
        yield from _along(history, lost.get(visit_id, NEVER))


def _perhaps(attempt: Attempt) -> Iterator[Stay]:
    """It may have happened at any time since, and nobody knows."""
    if attempt.operation in (*_TAKES, Operation.RESCHEDULE) and attempt.slot_id:
        yield Stay(
            number=attempt.number,
            visit_id=attempt.visit_id,
            slot_id=attempt.slot_id,
            from_at=attempt.called_at,
            until_at=NEVER,
            surely_from=NEVER,
            surely_until=NEVER,
        )


def _along(history: Sequence[tuple[int, Attempt, Answer]], lost_at: float) -> Iterator[Stay]:
    """The stays of one visit; a call without an answer may have ended it from `lost_at` on."""
    for place, (_, attempt, said) in enumerate(history):
        if attempt.operation not in _STAYS:
            continue
        assert said.slot_id is not None, "an answer about a visit names its slot"
        assert attempt.answered_at is not None, "it was answered"
        until_at = surely_until = NEVER
        if place + 1 < len(history):
            following = history[place + 1][1]
            until_at, surely_until = following.answered_at or NEVER, following.happened_from
        elif said.hold_seconds is not None:
            until_at = attempt.answered_at + said.hold_seconds + CLOCK_SLACK_SECONDS
        if said.hold_seconds is not None:
            ends = attempt.happened_from + said.hold_seconds - CLOCK_SLACK_SECONDS
            surely_until = min(surely_until, ends)
        yield Stay(
            number=attempt.number,
            visit_id=said.id,
            slot_id=said.slot_id,
            from_at=attempt.happened_from,
            until_at=until_at,
            surely_from=attempt.answered_at,
            surely_until=min(surely_until, lost_at),
        )


def neighbours(slots: Iterable[OfferedSlot]) -> dict[str, list[str]]:
    """For each slot those that it overlaps with, itself among them."""
    slots = list(slots)
    return {
        slot.slot_id: [
            other.slot_id
            for other in slots
            if slot.provider_id == other.provider_id
            and slot.starts_at < other.ends_at
            and other.starts_at < slot.ends_at
        ]
        for slot in slots
    }
