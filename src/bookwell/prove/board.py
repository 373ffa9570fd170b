"""What the clients know of each other's visits and seats, so that they get in each other's way."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from bookwell.prove.history import Attempt, Operation, World

# Visits that have ended stay on the board this long (in further visits): whoever aims at one must
# hear why not.
ENDED_KEPT = 4


class Known(NamedTuple):
    """A visit as its last answer showed it."""

    visit_id: str
    patient_id: str
    slot_id: str


class Board:
    """Shared by all clients of a race; each draws from it with a random source of its own."""

    def __init__(self, world: World) -> None:
        self.slots: Sequence[str] = [slot.slot_id for slot in world.slots]
        pairs = _paired(world)
        self._near = {slot_id: pair for pair in pairs for slot_id in pair}
        self.sessions = world.sessions
        self.patients = world.patients
        self._held: dict[str, Known] = {}
        self._booked: dict[str, Known] = {}
        self._ended: list[Known] = []
        self._seats: dict[str, str] = {}

    def held(self, drawn: random.Random) -> Known | None:
        """A hold that may still be one."""
        return self._one_of(self._held, drawn)

    def booked(self, drawn: random.Random) -> Known | None:
        """A visit that may still be booked."""
        return self._one_of(self._booked, drawn)

    def active(self, drawn: random.Random) -> Known | None:
        """Either."""
        first, second = (self._held, self._booked)[:: drawn.choice((1, -1))]
        return self._one_of(first, drawn) or self._one_of(second, drawn)

    def ended(self, drawn: random.Random) -> Known | None:
        """One that has ended not long ago."""
        return drawn.choice(self._ended) if self._ended else None

    def near(self, slot_id: str) -> Sequence[str]:
        """Where a visit in this slot may be moved to: its provider's slots, and one other's."""
        return self._near[slot_id]

    def seat(self, drawn: random.Random) -> str | None:
        """A booking of a seat that may still be one."""
        return drawn.choice(list(self._seats)) if self._seats else None

    def learn(self, attempt: Attempt) -> None:
        """Take over what an answer said."""
        answer = attempt.outcome
        if answer is None or answer.id is None or answer.error is not None:
            if answer is not None and answer.error == "hold_expired":
                self._forget(attempt.visit_id or "")
            return
        if attempt.operation is Operation.BOOK_SEAT:
            self._seats[answer.id] = attempt.patient_id or ""
        elif attempt.operation is Operation.CANCEL_SEAT:
            self._seats.pop(answer.id, None)
        else:
            self._forget(answer.id)
            known = Known(answer.id, attempt.patient_id or "", answer.slot_id or "")
            if answer.state == "held":
                self._held[answer.id] = known
            elif answer.state == "booked":
                self._booked[answer.id] = known
            else:
                self._ended = [known, *self._ended][:ENDED_KEPT]

    def abandon(self, visit_id: str) -> None:
        """Leave a hold to its end."""
        self._forget(visit_id)

    def _forget(self, visit_id: str) -> None:
        self._held.pop(visit_id, None)
        self._booked.pop(visit_id, None)

    def _one_of(self, known: dict[str, Known], drawn: random.Random) -> Known | None:
        return known[drawn.choice(list(known))] if known else None


def _paired(world: World) -> list[list[str]]:
    """The slots of each two providers.

    Visits move within a pair only, so that the history falls into parts that share nothing.
    """
    providers = list(dict.fromkeys(slot.provider_id for slot in world.slots))
    return [
        [slot.slot_id for slot in world.slots if slot.provider_id in providers[first : first + 2]]
        for first in range(0, len(providers), 2)
    ]
