"""Whether what the service said it had done is there, once, as the last such change left it.

A call that never got an answer may or may not have changed its visit; where one did, a visit may be
further than anybody was told. A hold may have ended by itself.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bookwell.prove.aftermath import Aftermath, FoundSeat, FoundVisit
from bookwell.prove.history import Answer, Attempt, Operation
from bookwell.prove.report import Check

# As many as anybody wants to look up; the history has them all.
NAMED_MAX = 20

_SEAT = (Operation.BOOK_SEAT, Operation.CANCEL_SEAT)
_TAKES = (Operation.BOOK, Operation.HOLD, Operation.BOOK_SEAT)


class Breach(NamedTuple):
    """One thing that is wrong, and the calls that show it."""

    sentence: str
    calls: list[int]


class _Promise(NamedTuple):
    """The last change of a visit that was acknowledged."""

    attempt: Attempt
    said: Answer


def lost_acknowledgements(attempts: Iterable[Attempt], found: Aftermath) -> Check:
    """Every acknowledged change of a visit or a seat is there."""
    attempts = list(attempts)
    visits = {visit.visit_id: visit for visit in found.visits}
    open_calls = Counter(each.visit_id for each in attempts if each.outcome is None)
    breaches = [
        breach
        for visit_id, promise in _promises(attempts).items()
        if (breach := _lost(promise, visits.get(visit_id), open_calls[visit_id]))
    ]
    if found.seats is not None:
        breaches += _lost_seats(attempts, found.seats)
    acknowledged = sum(each.is_won and each.operation is not Operation.READ for each in attempts)
    return check_of(
        "lost acknowledgements",
        breaches,
        f"Each of {acknowledged:,} acknowledged changes is there.",
    )


def unasked_bookings(attempts: Iterable[Attempt], found: Aftermath) -> Check:
    """Nothing is there that nobody was told of: what was acknowledged once is there once."""
    attempts = list(attempts)
    told = {each.outcome.id for each in attempts if each.outcome is not None}
    # What a call without an answer may have left behind.
    untold: Counter[tuple[str | None, object]] = Counter(
        (each.patient_id, each.slot_id or each.slot_at)
        for each in attempts
        if each.outcome is None and each.operation in _TAKES
    )
    there: list[tuple[str, str, object]] = [
        (visit.visit_id, visit.patient_id, visit.slot_id) for visit in found.visits
    ]
    there += [(seat.booking_id, seat.patient_id, seat.slot_at) for seat in found.seats or ()]
    breaches = []
    for entity_id, patient_id, place in there:
        if entity_id in told:
            continue
        untold[patient_id, place] -= 1
        if untold[patient_id, place] < 0:
            breaches.append(Breach(f"{entity_id} is there, and nobody was told of it", []))
    return check_of(
        "bookings nobody made",
        breaches,
        f"Each of {len(there):,} visits and seats that are there was acknowledged once.",
    )


def check_of(name: str, breaches: list[Breach], all_well: str) -> Check:
    """A check that holds where there is no breach; else its sentence is the first one's."""
    if not breaches:
        return Check(name=name, holds=True, found=0, sentence=all_well)
    calls = [call for breach in breaches for call in breach.calls]
    more = f"; and {len(breaches) - 1:,} more like it." if len(breaches) > 1 else "."
    return Check(
        name=name,
        holds=False,
        found=len(breaches),
        sentence=breaches[0].sentence + more,
        calls=list(dict.fromkeys(calls))[:NAMED_MAX],
    )


def _promises(attempts: Iterable[Attempt]) -> dict[str, _Promise]:
    """By visit, the acknowledged change with the highest version."""
    promises: dict[str, _Promise] = {}
    for attempt in attempts:
        said = attempt.outcome
        if said is None or said.error is not None or said.id is None:
            continue
        if attempt.operation in _SEAT or said.version is None:
            continue
        before = promises.get(said.id)
        if before is None or (before.said.version or 0) < said.version:
            promises[said.id] = _Promise(attempt, said)
    return promises


def _lost(promise: _Promise, visit: FoundVisit | None, open_calls: int) -> Breach | None:
    attempt, said = promise
    acknowledged = f"{said.id} was acknowledged as {said.state} (version {said.version})"
    if visit is None:
        return Breach(f"{acknowledged} and is not there", [attempt.number])
    assert said.version is not None, "a visit's answer has a version"
    further = visit.version - said.version
    has_expired = said.state == "held" and visit.status == "expired"
    is_as_said = (visit.status, visit.slot_id) == (said.state, said.slot_id)
    if further == 0 and (is_as_said or has_expired):
        return None
    if 0 < further <= open_calls + has_expired:
        return None
    now = f"is {visit.status} (version {visit.version}) in slot {visit.slot_id}"
    return Breach(f"{acknowledged} in slot {said.slot_id} and now {now}", [attempt.number])


def _lost_seats(attempts: list[Attempt], found: Iterable[FoundSeat]) -> Iterator[Breach]:
    seats = {seat.booking_id: seat for seat in found}
    given_back: dict[str | None, Attempt] = {
        each.booking_id: each
        for each in attempts
        if each.operation is Operation.CANCEL_SEAT and (each.is_won or each.outcome is None)
    }
    for attempt in attempts:
        if attempt.operation is not Operation.BOOK_SEAT or not attempt.is_won:
            continue
        assert attempt.outcome is not None, "it was won"
        booking_id = attempt.outcome.id or ""
        back = given_back.get(booking_id)
        seat = seats.get(booking_id)
        wanted = {"booked"} if back is None else {"cancelled"}
        if back is not None and back.outcome is None:
            wanted = {"booked", "cancelled"}
        if seat is None or seat.status not in wanted:
            numbers = [attempt.number] if back is None else [attempt.number, back.number]
            state = "not there" if seat is None else seat.status
            yield Breach(f"the seat {booking_id} is {state}, not {' or '.join(wanted)}", numbers)
