"""Calls that are made at once, at one target."""

from collections.abc import Callable

from simulation.book import Slot, Visit
from simulation.calls import Call
from simulation.steps import (
    Desk,
    book_slot,
    call,
    change_visit,
    hold_slot,
    keyed,
    move_visit,
)

_CHANGES = ["confirm", "cancel", "cancel", "check-in", "complete", "no-show"]
BURST_MAX = 8


def _at_a_slot(desk: Desk, size: int) -> list[Call]:
    """Bookings, holds and moves, all to one slot or to those that overlap it."""
    slot = desk.slot()
    if slot is None:
        return []
    rivals = [s for s in desk.book.slots.values() if _overlap(slot, s)] or [slot]
    return [_wants(desk, desk.luck.choice([slot, slot, *rivals])) for _ in range(size)]


def _wants(desk: Desk, slot: Slot) -> Call:
    visit = desk.visit("booked")
    if visit is not None and visit.brand_id == slot.brand_id and desk.is_lucky(0.25):
        return move_visit(desk, visit, slot)
    return hold_slot(desk, slot) if desk.is_lucky(0.3) else book_slot(desk, slot)


def _overlap(slot: Slot, other: Slot) -> bool:
    return (
        slot.provider_id == other.provider_id
        and not other.is_deleted
        and slot.starts_at < other.ends_at
        and other.starts_at < slot.ends_at
    )


def _at_a_visit(desk: Desk, size: int) -> list[Call]:
    """Everything that can be done to one visit, at once."""
    visit = desk.visit("held", "booked")
    return [] if visit is None else [_changes(desk, visit) for _ in range(size)]


def _changes(desk: Desk, visit: Visit) -> Call:
    slot = desk.slot()
    if slot is not None and desk.is_lucky(0.3):
        return move_visit(desk, visit, slot)
    return change_visit(desk, desk.luck.choice(_CHANGES), visit)


def _twins(desk: Desk, size: int) -> list[Call]:
    """One call with one key again and again, sometimes with another request under the same key."""
    twin = call(desk, is_keyed=True)
    twins = [twin] * size
    if desk.is_lucky(0.2):
        other = keyed(desk, call(desk, is_keyed=True), 0)
        if (other.who, other.route) == (twin.who, twin.route):
            twins[-1] = other
    return twins


def _crossing(desk: Desk, size: int) -> list[Call]:
    """Visits that move into each other's time, across providers."""
    booked = [visit for visit in desk.book.visits_now if visit.status == "booked"][-size:]
    slots = [desk.book.slots[visit.slot_id] for visit in booked]
    desk.luck.shuffle(slots)
    return [move_visit(desk, visit, slot) for visit, slot in zip(booked, slots, strict=True)]


def _anything(desk: Desk, size: int) -> list[Call]:
    return [call(desk) for _ in range(size)]


def _bookings(desk: Desk, size: int) -> list[Call]:
    """What fills a batch: bookings, holds and cancellations of different things."""
    wanted: list[Call] = []
    while len(wanted) < size:
        slot, visit = desk.slot(), desk.visit("held", "booked")
        if visit is not None and desk.is_lucky(0.3):
            wanted.append(change_visit(desk, "cancel", visit))
        elif slot is not None:
            wanted.append(_wants(desk, slot))
        else:
            wanted.append(call(desk))
    return wanted


_KINDS: list[Callable[[Desk, int], list[Call]]] = [
    _at_a_slot, _at_a_slot, _at_a_visit, _twins, _crossing, _anything, _bookings, _bookings,
]  # fmt: skip


def burst(desk: Desk, *, at_least: int = 2, is_keyed: bool = False) -> list[Call]:
    """Some calls to make at once; each with a key where any may go unanswered."""
    kind = desk.luck.choice(_KINDS)
    size = desk.luck.randint(at_least, BURST_MAX)
    drawn = kind(desk, size) or [call(desk)]
    return [
        keyed(desk, each, number) if each.key is None and (is_keyed or desk.is_lucky(0.5)) else each
        for number, each in enumerate(drawn, 1)
    ]
