"""What each call may lead to in a given book, by the contract: written a second time, on purpose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from simulation.book import HOLD, HOLDS_MAX, Book, Seat, Slot, Visit, read, said
from simulation.calls import Call


@dataclass(frozen=True)
class Refused:
    """`as_` are the (status, code) it may be: two reasons may hold at once.

    At the door no key counts yet.
    """

    as_: tuple[tuple[int, str], ...]
    at_the_door: bool = False


@dataclass(frozen=True)
class Done:
    """`shows` is what the answer must say; `after` makes the book after it, given the answer."""

    status: int
    shows: Mapping[str, object]
    after: Callable[[Mapping[str, Any]], Book]


Outcome = Refused | Done
NOT_FOUND = Refused(((404, "not_found"),))
FORBIDDEN_AT_THE_DOOR = Refused(((403, "forbidden"),), at_the_door=True)
NOT_FOUND_AT_THE_DOOR = Refused(((404, "not_found"),), at_the_door=True)
SLOT_UNAVAILABLE = Refused(((409, "slot_unavailable"),))


def judge(book: Book, call: Call) -> Outcome:
    """What this book allows for this call, its idempotency key aside."""
    return RULES[call.verb](book, call)


def _book(book: Book, call: Call) -> Outcome:
    return _take(book, call, status="booked", fact="visit.created")


def _hold(book: Book, call: Call) -> Outcome:
    return _take(book, call, status="held", fact="visit.held")


def _take(book: Book, call: Call, *, status: str, fact: str) -> Outcome:
    door = _door_of_patient(call)
    if door is not None:
        return door
    brand_id, patient_id = call.who.brand_id, str(call.body["patient_id"])
    if call.target in book.just_deleted:
        # Seen before it was deleted, and gone behind the provider's lock.
        return Refused(((404, "not_found"), (409, "slot_unavailable")))
    slot = book.slot(call.target, brand_id)
    if slot is None or call.body.get("provider_id", slot.provider_id) != slot.provider_id:
        return NOT_FOUND
    if patient_id not in book.patients[brand_id]:
        return NOT_FOUND
    reasons = []
    if slot.starts_at <= book.now or book.is_taken(slot):
        reasons.append((409, "slot_unavailable"))
    if status == "held" and book.live_holds(brand_id, patient_id) >= HOLDS_MAX:
        reasons.append((409, "too_many_holds"))
    if reasons:
        return Refused(tuple(reasons))
    # A hold ends with its time, and when its slot begins at the latest.
    expires_at = min(book.now + HOLD, slot.starts_at) if status == "held" else None
    taken = Visit(
        "", brand_id, patient_id, slot.provider_id, slot.slot_id,
        slot.starts_at, slot.ends_at, status, (fact,), expires_at,
    )  # fmt: skip
    shows = {**taken.fields}
    del shows["id"]
    return Done(201, shows, lambda body: book.with_visit(replace(taken, visit_id=body["id"])))


def _book_held(book: Book, call: Call) -> Outcome:
    door = _door_of_patient(call)
    if door is not None:
        return door
    visit = _visit_for(book, call, str(call.body["hold_id"]))
    if visit is None or (visit.slot_id, visit.patient_id) != (
        call.target,
        call.body["patient_id"],
    ):
        return NOT_FOUND
    confirmed = _confirm_visit(book, call, visit)
    return replace(confirmed, status=201) if isinstance(confirmed, Done) else confirmed


def _confirm(book: Book, call: Call) -> Outcome:
    visit = _visit_for(book, call, call.target)
    return NOT_FOUND if visit is None else _confirm_visit(book, call, visit)


def _confirm_visit(book: Book, call: Call, visit: Visit) -> Outcome:
    if call.versions is not None and visit.version not in call.versions:
        return Refused(((412, "version_mismatch"),))
    if visit.status == "expired":
        return Refused(((410, "hold_expired"),))
    if visit.status != "held":
        return Refused(((412, "visit_not_confirmable"),))
    return _changed(book, visit.changed("visit.confirmed", "booked"))


@dataclass(frozen=True)
class _Arrow:
    fact: str
    to_status: str
    from_statuses: frozenset[str]
    code: str
    for_staff: bool = False
    once_begun: bool = False


_ARROWS = {
    "cancel": _Arrow(
        "visit.cancelled", "cancelled", frozenset({"held", "booked"}), "visit_not_cancellable"
    ),
    "check-in": _Arrow(
        "visit.checked_in", "checked_in", frozenset({"booked"}), "visit_not_ready_for_check_in"
    ),
    "complete": _Arrow(
        "visit.completed", "completed", frozenset({"booked", "checked_in"}),
        "visit_not_completable", for_staff=True,
    ),
    "no-show": _Arrow(
        "visit.no_show", "no_show", frozenset({"booked"}),
        "visit_not_missed", for_staff=True, once_begun=True,
    ),
}  # fmt: skip


def _change(book: Book, call: Call) -> Outcome:
    arrow = _ARROWS[call.verb]
    if arrow.for_staff and call.who.is_patient:
        return FORBIDDEN_AT_THE_DOOR
    visit = _visit_for(book, call, call.target)
    if visit is None:
        return NOT_FOUND
    if call.versions is not None and visit.version not in call.versions:
        return Refused(((412, "version_mismatch"),))
    too_early = arrow.once_begun and visit.starts_at > book.now
    if visit.status not in arrow.from_statuses or too_early:
        return Refused(((412, arrow.code),))
    return _changed(book, visit.changed(arrow.fact, arrow.to_status))


def _reschedule(book: Book, call: Call) -> Outcome:
    visit = _visit_for(book, call, call.target)
    if visit is None:
        return NOT_FOUND
    if call.versions is not None and visit.version not in call.versions:
        return Refused(((412, "version_mismatch"),))
    if visit.status != "booked":
        return Refused(((412, "visit_not_reschedulable"),))
    slot = book.slot(call.body["new_slot_id"], call.who.brand_id)
    return NOT_FOUND if slot is None else _move(book, visit, slot)


def _move(book: Book, visit: Visit, slot: Slot) -> Outcome:
    if slot.starts_at <= book.now or slot.slot_id == visit.slot_id:
        return SLOT_UNAVAILABLE
    if book.is_taken(slot, but=visit.visit_id):
        return SLOT_UNAVAILABLE
    moved = visit.changed(
        "visit.rescheduled", "booked",
        slot_id=slot.slot_id, provider_id=slot.provider_id,
        starts_at=slot.starts_at, ends_at=slot.ends_at,
    )  # fmt: skip
    return _changed(book, moved)


def _create_slot(book: Book, call: Call) -> Outcome:
    if call.who.is_patient:
        return FORBIDDEN_AT_THE_DOOR
    if call.who.brand_id not in book.providers.get(call.target, ()):
        return NOT_FOUND
    starts_at, ends_at = read(call.body["start_time"]), read(call.body["end_time"])
    if starts_at < book.now:
        return Refused(((400, "validation_error"),))
    slot = Slot("", call.who.brand_id, call.target, starts_at, ends_at)
    shows = {**_fields_of(slot), "booked": book.is_taken(slot)}
    return Done(201, shows, lambda body: book.with_slot(replace(slot, slot_id=body["id"])))


def _delete_slot(book: Book, call: Call) -> Outcome:
    if call.who.is_patient:
        return FORBIDDEN_AT_THE_DOOR
    provider_id = call.path.split("/")[3]
    slot = book.slot(call.target, call.who.brand_id)
    if slot is None or slot.provider_id != provider_id:
        return NOT_FOUND
    if book.is_taken(slot):
        return Refused(((412, "slot_not_deletable"),))
    shows = {**_fields_of(slot), "id": slot.slot_id}
    return Done(200, shows, lambda _: book.without_slot(slot))


def _take_seat(book: Book, call: Call) -> Outcome:
    of_coach = [rule for rule in book.office_hours if rule.coach_id == call.target]
    rules = [rule for rule in of_coach if rule.brand_id == call.who.brand_id]
    if not rules:
        return Refused(((403, "forbidden"),)) if of_coach else NOT_FOUND
    (rule,) = rules
    patient_id = str(call.body.get("patient_id") or call.who.patient_id)
    if call.who.is_patient and patient_id != call.who.patient_id:
        return NOT_FOUND
    if patient_id not in book.patients[call.who.brand_id]:
        return NOT_FOUND
    slot_at = read(call.body["slot_at"])
    if slot_at not in rule.sessions(slot_at - timedelta(seconds=1)):
        return NOT_FOUND
    seats = book.seats_at(rule.coach_id, slot_at, rule.brand_id)
    if (
        slot_at <= book.now
        or len(seats) >= rule.capacity
        or patient_id in {seat.patient_id for seat in seats}
        or book.coach_is_elsewhere(rule, slot_at)
    ):
        return SLOT_UNAVAILABLE
    seat = Seat(
        "", rule.brand_id, rule.coach_id, patient_id, slot_at,
        slot_at + timedelta(minutes=rule.minutes), "booked", ("office_hour_booking.created",),
    )  # fmt: skip
    shows = {"patient_id": patient_id, "slot_at": said(slot_at), "status": "booked"}
    return Done(201, shows, lambda body: book.with_seat(replace(seat, booking_id=body["id"])))


def _leave_seat(book: Book, call: Call) -> Outcome:
    seat = book.seats.get(call.target)
    if seat is None:
        return NOT_FOUND
    if seat.brand_id != call.who.brand_id or call.who.patient_id not in (None, seat.patient_id):
        return Refused(((403, "forbidden"),))
    if seat.status != "booked" or seat.ends_at <= book.now:
        return Refused(((412, "booking_not_cancellable"),))
    left = replace(seat, status="cancelled", facts=(*seat.facts, "office_hour_booking.cancelled"))
    shows = {"id": seat.booking_id, "status": "cancelled", "patient_id": seat.patient_id}
    return Done(200, shows, lambda _: book.with_seat(left))


def _get(book: Book, call: Call) -> Outcome:
    visit = _visit_for(book, call, call.target)
    return NOT_FOUND if visit is None else Done(200, visit.fields, lambda _: book)


def _changed(book: Book, visit: Visit) -> Done:
    return Done(200, visit.fields, lambda _: book.with_visit(visit))


def _visit_for(book: Book, call: Call, visit_id: str) -> Visit | None:
    visit = book.visit(visit_id)
    if visit is None or visit.brand_id != call.who.brand_id:
        return None
    return visit if call.who.patient_id in (None, visit.patient_id) else None


def _door_of_patient(call: Call) -> Refused | None:
    """Another brand, or another patient than oneself, does not exist."""
    if call.body.get("brand_id", call.who.brand_id) != call.who.brand_id:
        return NOT_FOUND_AT_THE_DOOR
    if call.who.is_patient and call.body["patient_id"] != call.who.patient_id:
        return NOT_FOUND_AT_THE_DOOR
    return None


def _fields_of(slot: Slot) -> dict[str, object]:
    return {
        "provider_id": slot.provider_id,
        "brand_id": slot.brand_id,
        "start_time": said(slot.starts_at),
        "end_time": said(slot.ends_at),
    }


RULES: Mapping[str, Callable[[Book, Call], Outcome]] = {
    "book": _book,
    "book_held": _book_held,
    "hold": _hold,
    "confirm": _confirm,
    **dict.fromkeys(_ARROWS, _change),
    "reschedule": _reschedule,
    "create_slot": _create_slot,
    "delete_slot": _delete_slot,
    "take_seat": _take_seat,
    "leave_seat": _leave_seat,
    "get": _get,
}
