"""The sequential model of office hours: a session has so many seats, and a patient at most one."""

from collections.abc import Callable, Iterable, Iterator

from bookwell.prove.history import Attempt, OfferedSession, Operation
from bookwell.prove.steps import NEVER, Changes, Key, Look, Step

Outcomes = Callable[[Look], Iterable[Changes]]


class Seats:
    """Turns attempts at seats into steps."""

    def __init__(self, sessions: Iterable[OfferedSession], attempts: Iterable[Attempt]) -> None:
        self._capacities: dict[Key, int] = {
            (each.coach_id, each.slot_at): each.capacity for each in sessions
        }
        # Whose seat in which session a booking is.
        self._seats = {
            _booking_of(each): (_session_of(each), each.patient_id)
            for each in attempts
            if each.operation is Operation.BOOK_SEAT and each.loss is None
        }

    def step_of(self, attempt: Attempt) -> Step | None:
        """The step; None for an answer that says nothing about any seat."""
        answer = attempt.outcome
        booking_id = _booking_of(attempt)
        session, patient_id = _session_of(attempt), attempt.patient_id
        if attempt.operation is Operation.CANCEL_SEAT:
            session, patient_id = self._seats.get(booking_id, (session, patient_id))
        outcomes = self._outcomes_of(attempt, session, patient_id or "")
        if outcomes is None:
            return None
        return Step(
            number=attempt.number,
            called_at=attempt.happened_from,
            answered_at=attempt.answered_at or NEVER,
            touches=frozenset({session, ("seat", booking_id)} - {("seat", None)}),
            changes_nothing=answer is not None and answer.error is not None,
            outcomes=outcomes,
        )

    def _outcomes_of(self, attempt: Attempt, session: Key, patient_id: str) -> Outcomes | None:
        error = attempt.loss
        seat: Key = ("seat", _booking_of(attempt))
        if attempt.operation is Operation.BOOK_SEAT:
            capacity = self._capacities[session]
            if error is None:
                return lambda look: _seated(look, session, seat, patient_id, capacity)
            if error == "slot_unavailable":
                return lambda look: _full(look, session, patient_id, capacity)
        if attempt.operation is Operation.CANCEL_SEAT:
            if error is None:
                return lambda look: _left(look, session, seat, patient_id)
            if error == "booking_not_cancellable":
                return lambda look: [{}] if look(seat) == "cancelled" else []
        return None


def _seated(
    look: Look, session: Key, seat: Key, patient_id: str, capacity: int
) -> Iterator[Changes]:
    there = _there(look, session)
    if look(seat) is None and patient_id not in there and len(there) < capacity:
        yield {session: there | {patient_id}, seat: "booked"}


def _full(look: Look, session: Key, patient_id: str, capacity: int) -> Iterator[Changes]:
    there = _there(look, session)
    if patient_id in there or len(there) >= capacity:
        yield {}


def _left(look: Look, session: Key, seat: Key, patient_id: str) -> Iterator[Changes]:
    if look(seat) == "booked":
        yield {session: _there(look, session) - {patient_id}, seat: "cancelled"}


def _there(look: Look, session: Key) -> frozenset[str]:
    there = look(session)
    return there if isinstance(there, frozenset) else frozenset()


def _session_of(attempt: Attempt) -> Key:
    return (attempt.coach_id, attempt.slot_at)


def _booking_of(attempt: Attempt) -> str | None:
    """The seat it was about; one that nobody was told of is named after the attempt."""
    if attempt.booking_id is not None or attempt.outcome is None:
        return attempt.booking_id or f"seat of call {attempt.number}"
    return attempt.outcome.id
