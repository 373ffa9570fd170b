"""The sequential model of visits: what each call may answer while one provider does one at a time.

It is written from the contract and shares no code with the service that it judges. A hold ends by
the service's clock, of which we know this much: it lasts `hold_seconds` from some instant between
its call and its answer. In between, another call may find it alive or gone.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from bookwell.prove.history import Answer, Attempt, OfferedSlot, Operation
from bookwell.prove.steps import NEVER, Changes, Key, Look, Step

# Two clocks that agree on a length within this much are both right.
CLOCK_SLACK_SECONDS = 0.05

_ACTIVE = ("held", "booked")


class VisitState(NamedTuple):
    """A visit; a hold is gone at some instant from `ends_from` to `ends_by`."""

    status: str
    slot_id: str
    version: int
    ends_from: float = NEVER
    ends_by: float = NEVER


class Place(NamedTuple):
    """The time of a slot, and the cluster of slots that it overlaps with, however indirectly."""

    cluster: str
    starts_at: float
    ends_at: float


class Span(NamedTuple):
    """Within which a call took effect."""

    called_at: float
    answered_at: float


Outcomes = Callable[[Look], Iterable[Changes]]

# The codes by which the service says that a visit is in no state for this.
_WRONG_STATE = {
    Operation.CANCEL: "visit_not_cancellable",
    Operation.RESCHEDULE: "visit_not_reschedulable",
    Operation.CONFIRM: "visit_not_confirmable",
    Operation.BOOK_HELD: "visit_not_confirmable",
}
_STARTS_FROM = {
    Operation.CANCEL: _ACTIVE,
    Operation.RESCHEDULE: ("booked",),
    Operation.CONFIRM: ("held",),
    Operation.BOOK_HELD: ("held",),
}
_TAKES = (Operation.BOOK, Operation.HOLD)


class BusyLine:
    """Turns attempts at visits into steps."""

    def __init__(self, slots: Iterable[OfferedSlot], attempts: Iterable[Attempt]) -> None:
        self._places = dict(_placed(slots))
        self._clusters_of: dict[str, set[str]] = {}
        for attempt in attempts:
            self._note_places(attempt)

    def step_of(self, attempt: Attempt) -> Step | None:
        """The step; None for an answer that says nothing about anybody's time, such as a 429."""
        span = _span_of(attempt)
        outcomes = self._outcomes_of(attempt, span)
        if outcomes is None:
            return None
        answer = attempt.outcome
        reads = attempt.operation is Operation.READ
        changes = answer is None or answer.error == "hold_expired"
        changes |= answer is not None and answer.error is None and not reads
        changes |= reads and answer is not None and answer.state == "expired"
        return Step(
            number=attempt.number,
            called_at=span.called_at,
            answered_at=span.answered_at,
            touches=self._touched_by(attempt),
            changes_nothing=not changes,
            outcomes=outcomes,
        )

    def _note_places(self, attempt: Attempt) -> None:
        """Remember of each visit in which clusters it can ever have been."""
        answer = attempt.outcome
        visit_id = _visit_of(attempt)
        slot_id = answer.slot_id if answer is not None and answer.error is None else None
        if answer is None and attempt.operation in (*_TAKES, Operation.RESCHEDULE):
            slot_id = attempt.slot_id
        if visit_id is not None and slot_id in self._places:
            self._clusters_of.setdefault(visit_id, set()).add(self._places[slot_id].cluster)

    def _touched_by(self, attempt: Attempt) -> frozenset[Key]:
        visit_id = _visit_of(attempt)
        touched: set[Key] = set()
        if visit_id is not None:
            touched |= self._clusters_of.get(visit_id, set())
            touched.add(("visit", visit_id))
        if attempt.slot_id is not None:
            touched.add(self._places[attempt.slot_id].cluster)
        return frozenset(touched)

    def _outcomes_of(self, attempt: Attempt, span: Span) -> Outcomes | None:
        answer, operation = attempt.outcome, attempt.operation
        if answer is None:
            return None if operation is Operation.READ else self._perhaps(attempt, span)
        if answer.error is None:
            return self._success(attempt, answer, span)
        return self._refusal(attempt, answer.error, span)

    def _refusal(self, attempt: Attempt, error: str, span: Span) -> Outcomes | None:
        operation, visit_id = attempt.operation, attempt.visit_id
        if error == "slot_unavailable" and attempt.slot_id is not None:
            return self._time_is_taken(attempt.slot_id, visit_id, span)
        if visit_id is not None and error == "hold_expired":
            return self._expires(visit_id, span)
        if visit_id is not None and error == _WRONG_STATE.get(operation):
            return self._wrong_state(visit_id, _STARTS_FROM[operation], span)
        if visit_id is not None and operation is Operation.BOOK_HELD and error == "not_found":
            return self._is_elsewhere(visit_id, attempt.slot_id)
        return None

    def _success(self, attempt: Attempt, answer: Answer, span: Span) -> Outcomes | None:
        if answer.id is None or answer.version is None:
            return _never
        if attempt.operation is Operation.READ:
            return self._seen(answer.id, answer, span)
        outcomes = self._perhaps(attempt, span, visit_id=answer.id)
        said = (answer.state, answer.slot_id, answer.version)

        def as_said(look: Look) -> Iterator[Changes]:
            for changes in outcomes(look):
                after = changes[("visit", answer.id)]
                if isinstance(after, VisitState) and after[:3] == said:
                    yield changes

        return as_said

    def _perhaps(self, attempt: Attempt, span: Span, *, visit_id: str | None = None) -> Outcomes:
        """What the call does where it succeeds."""
        visit_id = visit_id or _visit_of(attempt)
        operation, slot_id = attempt.operation, attempt.slot_id
        if visit_id is None:
            return _never
        if operation in _TAKES:
            hold_seconds = attempt.outcome.hold_seconds if attempt.outcome else None
            status = "booked" if operation is Operation.BOOK else "held"
            return self._taken(visit_id, slot_id or "", status, hold_seconds, span)
        if operation is Operation.RESCHEDULE:
            return self._moved(visit_id, slot_id or "", span)
        status = "cancelled" if operation is Operation.CANCEL else "booked"
        return self._turned(visit_id, status, _STARTS_FROM[operation], span)

    def _taken(
        self, visit_id: str, slot_id: str, status: str, hold_seconds: float | None, span: Span
    ) -> Outcomes:
        ends_from = ends_by = NEVER
        if status == "held":
            # Without an answer nobody told us when it ends.
            ends_from = span.called_at + (hold_seconds or 0)
            ends_by = NEVER if hold_seconds is None else span.answered_at + hold_seconds
        visit = VisitState(status, slot_id, 1, ends_from, ends_by)

        def outcomes(look: Look) -> Iterator[Changes]:
            if look(("visit", visit_id)) is None:
                freed = self._freed(look, slot_id, None, span)
                if freed is not None:
                    yield self._put(look, visit_id, visit, freed)

        return outcomes

    def _moved(self, visit_id: str, slot_id: str, span: Span) -> Outcomes:
        def outcomes(look: Look) -> Iterator[Changes]:
            visit = look(("visit", visit_id))
            if isinstance(visit, VisitState) and visit.status == "booked":
                freed = self._freed(look, slot_id, visit_id, span)
                if freed is not None and slot_id != visit.slot_id:
                    moved = VisitState("booked", slot_id, visit.version + 1)
                    left = self._put(look, visit_id, None, freed, place=visit.slot_id)
                    yield self._put(look, visit_id, moved, left)

        return outcomes

    def _turned(
        self, visit_id: str, status: str, starts_from: tuple[str, ...], span: Span
    ) -> Outcomes:
        def outcomes(look: Look) -> Iterator[Changes]:
            visit = look(("visit", visit_id))
            if isinstance(visit, VisitState) and _can_be(visit, starts_from, span):
                turned = VisitState(status, visit.slot_id, visit.version + 1)
                yield self._put(look, visit_id, turned, {})

        return outcomes

    def _expires(self, visit_id: str, span: Span) -> Outcomes:
        def outcomes(look: Look) -> Iterator[Changes]:
            visit = look(("visit", visit_id))
            if isinstance(visit, VisitState) and _can_be(visit, ("expired",), span):
                yield self._put(look, visit_id, _expired(visit), {})

        return outcomes

    def _seen(self, visit_id: str, answer: Answer, span: Span) -> Outcomes:
        def outcomes(look: Look) -> Iterator[Changes]:
            visit = look(("visit", visit_id))
            if not isinstance(visit, VisitState) or visit.slot_id != answer.slot_id:
                return
            if answer.state == "expired" and _can_be(visit, ("expired",), span):
                yield self._put(look, visit_id, _expired(visit), {})
            elif visit.version == answer.version and _can_be(visit, (str(answer.state),), span):
                yield {}

        return outcomes

    def _wrong_state(self, visit_id: str, starts_from: tuple[str, ...], span: Span) -> Outcomes:
        def outcomes(look: Look) -> Iterator[Changes]:
            visit = look(("visit", visit_id))
            if isinstance(visit, VisitState) and any(
                status not in starts_from for status in _standings(visit, span)
            ):
                yield {}

        return outcomes

    def _is_elsewhere(self, visit_id: str, slot_id: str | None) -> Outcomes:
        """There is no hold of this slot by that id: it was booked and moved since it was seen."""

        def outcomes(look: Look) -> Iterator[Changes]:
            visit = look(("visit", visit_id))
            if isinstance(visit, VisitState) and visit.slot_id != slot_id:
                yield {}

        return outcomes

    def _time_is_taken(self, slot_id: str, visit_id: str | None, span: Span) -> Outcomes:
        """Refused because of somebody else; a visit that is to move must be one that can."""

        def outcomes(look: Look) -> Iterator[Changes]:
            if visit_id is not None:
                visit = look(("visit", visit_id))
                if not isinstance(visit, VisitState) or visit.status != "booked":
                    return
                if visit.slot_id == slot_id:
                    yield {}
                    return
            for _, other in self._in_the_way(look, slot_id, visit_id):
                if _can_be(other, _ACTIVE, span):
                    yield {}
                    return

        return outcomes

    def _freed(self, look: Look, slot_id: str, visit_id: str | None, span: Span) -> Changes | None:
        """What has to end for this time to be free; None where it is taken."""
        freed: Changes = {}
        for other_id, other in self._in_the_way(look, slot_id, visit_id):
            if not _can_be(other, ("expired",), span):
                return None
            freed = self._put(look, other_id, _expired(other), freed)
        return freed

    def _in_the_way(
        self, look: Look, slot_id: str, visit_id: str | None
    ) -> Iterator[tuple[str, VisitState]]:
        wanted = self._places[slot_id]
        there = look(wanted.cluster)
        for other_id in there if isinstance(there, frozenset) else ():
            other = look(("visit", other_id))
            assert isinstance(other, VisitState), "who is somewhere is known"
            place = self._places[other.slot_id]
            if (
                other_id != visit_id
                and place.starts_at < wanted.ends_at
                and wanted.starts_at < place.ends_at
            ):
                yield other_id, other

    def _put(
        self,
        look: Look,
        visit_id: str,
        visit: VisitState | None,
        changes: Changes,
        *,
        place: str | None = None,
    ) -> Changes:
        """The changes with this visit in it, or out of its place where it is None."""
        slot_id = visit.slot_id if visit else place
        assert slot_id is not None, "a visit has a place"
        cluster = self._places[slot_id].cluster
        there = changes.get(cluster, look(cluster))
        there = there if isinstance(there, frozenset) else frozenset()
        if visit is not None and visit.status in _ACTIVE:
            return {**changes, ("visit", visit_id): visit, cluster: there | {visit_id}}
        gone = {**changes, cluster: there - {visit_id}}
        return gone if visit is None else {**gone, ("visit", visit_id): visit}


def _never(_look: Look) -> Iterable[Changes]:
    return ()


def _standings(visit: VisitState, span: Span) -> Iterator[str]:
    """The statuses in which a call of this span may find the visit."""
    if visit.status != "held" or span.called_at < visit.ends_by + CLOCK_SLACK_SECONDS:
        yield visit.status
    if visit.status == "held" and span.answered_at > visit.ends_from - CLOCK_SLACK_SECONDS:
        yield "expired"


def _can_be(visit: VisitState, statuses: tuple[str, ...], span: Span) -> bool:
    return any(status in statuses for status in _standings(visit, span))


def _expired(visit: VisitState) -> VisitState:
    # Whether and when that was written down, and so its version, is the service's own business.
    return VisitState("expired", visit.slot_id, 0)


def _visit_of(attempt: Attempt) -> str | None:
    """The visit it was about; one that nobody was told of is named after the attempt."""
    if attempt.visit_id is not None:
        return attempt.visit_id
    if attempt.outcome is None:
        return f"visit of call {attempt.number}" if attempt.operation in _TAKES else None
    return attempt.outcome.id


def _span_of(attempt: Attempt) -> Span:
    return Span(attempt.happened_from, attempt.answered_at or NEVER)


def _placed(slots: Iterable[OfferedSlot]) -> Iterator[tuple[str, Place]]:
    """Each slot with its cluster: those that overlap, and those that overlap with them."""
    cluster, provider_id, ends_at = "", "", 0.0
    for slot in sorted(slots, key=lambda slot: (slot.provider_id, slot.starts_at)):
        starts_at = slot.starts_at.timestamp()
        if slot.provider_id != provider_id or starts_at >= ends_at:
            cluster, provider_id, ends_at = slot.slot_id, slot.provider_id, 0.0
        ends_at = max(ends_at, slot.ends_at.timestamp())
        yield slot.slot_id, Place(cluster, starts_at, slot.ends_at.timestamp())
