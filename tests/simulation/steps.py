"""What happens next: each step is drawn from its own generator, by what the book looks like."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import TypeVar

from simulation import calls
from simulation.book import Book, Slot, Visit
from simulation.calls import PEOPLE, Call, Person

Thing = TypeVar("Thing")

# The clock moves by this at each step. Slots, sessions and the ends of holds lie half a tick beside
# its marks, so that the seconds a slow machine takes for a step decide nothing.
TICK = timedelta(seconds=40)
SLOT_GRID = timedelta(minutes=20)
# Slots ahead are drawn from so many; visits from so many of the newest. More would never meet.
_SLOTS_IN_SIGHT = 14
_VISITS_IN_SIGHT = 10
_SLOTS_AHEAD_MIN = 24


@dataclass(frozen=True)
class Desk:
    """What a step is drawn with: its own luck, and the book as it is now."""

    luck: Random
    book: Book
    step: int

    def is_lucky(self, chance: float) -> bool:
        return self.luck.random() < chance

    def one_of(self, things: Iterable[Thing]) -> Thing | None:
        things = list(things)
        return self.luck.choice(things) if things else None

    def person(self, brand_id: str, patient_id: str | None = None) -> Person:
        """Somebody who may do it, mostly."""
        if self.is_lucky(0.06):
            return self.luck.choice(PEOPLE)
        able = [
            person
            for person in PEOPLE
            if person.brand_id == brand_id and person.patient_id in (None, patient_id)
        ]
        return self.luck.choice(able)

    def patient(self, brand_id: str) -> str:
        if self.is_lucky(0.03):
            return "pat_nobody"
        return self.luck.choice(sorted(self.book.patients[brand_id]))

    def slot(self) -> Slot | None:
        """Mostly one ahead that is offered."""
        slots = list(self.book.slots.values())
        if self.is_lucky(0.08):
            return self.one_of(slots)
        ahead = [s for s in slots if not s.is_deleted and s.starts_at > self.book.now]
        ahead.sort(key=lambda slot: (slot.starts_at, slot.provider_id))
        return self.one_of(ahead[:_SLOTS_IN_SIGHT])

    def visit(self, *statuses: str) -> Visit | None:
        """Mostly a new one, in one of these statuses if there are any."""
        visits = self.book.visits_now
        if self.is_lucky(0.15) or not statuses:
            return self.one_of(visits[-_VISITS_IN_SIGHT:])
        fitting = [visit for visit in visits if visit.status in statuses]
        return self.one_of(fitting[-_VISITS_IN_SIGHT:] or visits[-_VISITS_IN_SIGHT:])


def _book(desk: Desk) -> Call | None:
    slot = desk.slot()
    return book_slot(desk, slot) if slot else None


def book_slot(desk: Desk, slot: Slot) -> Call:
    patient_id = desk.patient(slot.brand_id)
    more = {}
    if desk.is_lucky(0.1):
        more["provider_id"] = desk.luck.choice([slot.provider_id, "prv_kim"])
    if desk.is_lucky(0.03):
        more["brand_id"] = desk.luck.choice(["loop", "loopbio"])
    return calls.book(desk.person(slot.brand_id, patient_id), slot.slot_id, patient_id, **more)


def _hold(desk: Desk) -> Call | None:
    slot = desk.slot()
    return hold_slot(desk, slot) if slot else None


def hold_slot(desk: Desk, slot: Slot) -> Call:
    patient_id = desk.patient(slot.brand_id)
    return calls.hold(desk.person(slot.brand_id, patient_id), slot.slot_id, patient_id)


def _book_held(desk: Desk) -> Call | None:
    held = desk.visit("held", "expired")
    if held is None:
        return None
    slot_id, patient_id = held.slot_id, held.patient_id
    if desk.is_lucky(0.1):
        patient_id = desk.patient(held.brand_id)
    if desk.is_lucky(0.1) and (other := desk.slot()):
        slot_id = other.slot_id
    who = desk.person(held.brand_id, held.patient_id)
    return calls.book(who, slot_id, patient_id, hold_id=held.visit_id)


def _changing(verb: str, *statuses: str) -> Callable[[Desk], Call | None]:
    def draw(desk: Desk) -> Call | None:
        visit = desk.visit(*statuses)
        return change_visit(desk, verb, visit) if visit else None

    return draw


def change_visit(desk: Desk, verb: str, visit: Visit) -> Call:
    who = desk.person(visit.brand_id, visit.patient_id)
    return _maybe_with_versions(desk, visit, calls.change(who, verb, visit.visit_id))


def _reschedule(desk: Desk) -> Call | None:
    visit, slot = desk.visit("booked"), desk.slot()
    return move_visit(desk, visit, slot) if visit and slot else None


def move_visit(desk: Desk, visit: Visit, slot: Slot) -> Call:
    who = desk.person(visit.brand_id, visit.patient_id)
    call = calls.reschedule(who, visit.visit_id, slot.slot_id)
    return _maybe_with_versions(desk, visit, call)


def _maybe_with_versions(desk: Desk, visit: Visit, call: Call) -> Call:
    if not desk.is_lucky(0.3):
        return call
    versions = desk.luck.choice([(visit.version,), (visit.version,), (visit.version + 1,), ()])
    if visit.version > 1 and desk.is_lucky(0.3):
        versions = (visit.version - 1,)
    return replace(call, versions=versions)


def create_slot(desk: Desk) -> Call:
    provider_id = desk.luck.choice(sorted(desk.book.providers))
    brands = sorted(desk.book.providers[provider_id])
    marks = desk.luck.randint(-1, 30)
    # From a mark of the day, so that slots of several steps meet and overlap.
    midnight = desk.book.now.replace(hour=0, minute=0, second=0)
    passed = (desk.book.now - midnight) // SLOT_GRID
    starts_at = midnight + (passed + marks) * SLOT_GRID + TICK / 2
    ends_at = starts_at + desk.luck.choice([1, 1, 2, 3]) * SLOT_GRID
    who = desk.person(desk.luck.choice(brands))
    return calls.create_slot(who, provider_id, starts_at, ends_at)


def _delete_slot(desk: Desk) -> Call | None:
    slot = desk.slot()
    if slot is None:
        return None
    provider_id = "prv_kim" if desk.is_lucky(0.05) else slot.provider_id
    return calls.delete_slot(desk.person(slot.brand_id), provider_id, slot.slot_id)


def _take_seat(desk: Desk) -> Call | None:
    rule = desk.luck.choice(desk.book.office_hours)
    since = desk.book.now - timedelta(hours=1)
    slot_at = desk.luck.choice(list(rule.sessions(since))[:5])
    if desk.is_lucky(0.04):
        slot_at += timedelta(minutes=1)
    patient_id = desk.patient(rule.brand_id)
    who = desk.person(rule.brand_id, patient_id)
    named = None if who.is_patient and desk.is_lucky(0.5) else patient_id
    return calls.take_seat(who, rule.coach_id, slot_at, named)


def _leave_seat(desk: Desk) -> Call | None:
    seat = desk.one_of(list(desk.book.seats.values())[-_VISITS_IN_SIGHT:])
    if seat is None:
        return None
    return calls.leave_seat(desk.person(seat.brand_id, seat.patient_id), seat.booking_id)


def _get(desk: Desk) -> Call | None:
    visit = desk.visit()
    if visit is None:
        return None
    return calls.get_visit(desk.person(visit.brand_id, visit.patient_id), visit.visit_id)


DRAWN: Mapping[Callable[[Desk], Call | None], int] = {
    _book: 20,
    _hold: 14,
    _changing("confirm", "held", "expired"): 9,
    _book_held: 5,
    _changing("cancel", "held", "booked"): 14,
    _reschedule: 14,
    _changing("check-in", "booked"): 6,
    _changing("complete", "booked", "checked_in"): 6,
    _changing("no-show", "booked"): 4,
    create_slot: 6,
    _delete_slot: 5,
    _take_seat: 12,
    _leave_seat: 7,
    _get: 4,
}


def call(desk: Desk, *, number: int = 0, is_keyed: bool = False) -> Call:
    """One call, mostly with a key of its own; with one surely, where it may go unanswered."""
    ahead = sum(s.starts_at > desk.book.now and not s.is_deleted for s in desk.book.slots.values())
    drawn = None
    if ahead < _SLOTS_AHEAD_MIN and desk.is_lucky(0.5):
        drawn = create_slot(desk)
    while drawn is None:
        (draw,) = desk.luck.choices(list(DRAWN), weights=list(DRAWN.values()))
        drawn = draw(desk)
    return keyed(desk, drawn, number) if is_keyed or desk.is_lucky(0.7) else drawn


def keyed(desk: Desk, drawn: Call, number: int) -> Call:
    return calls.with_key(drawn, f"k-{desk.step}-{number}")
