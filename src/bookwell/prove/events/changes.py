"""The clients of a run: each leads visits through their lives, so that there is much to tell.

They do not race each other. A visit is moved again and again before it ends, because only a visit
with many events shows whether they come in their order.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from itertools import count

from msgspec import structs

from bookwell.prove.calls import Door
from bookwell.prove.events.arrangement import Arranged
from bookwell.prove.history import Attempt, Operation

# What is tried, of each hundred; where there is nothing to try it on, something is booked.
WEIGHTS = {
    Operation.BOOK: 16,
    Operation.HOLD: 10,
    Operation.CONFIRM: 9,
    Operation.RESCHEDULE: 36,
    Operation.CANCEL: 9,
    Operation.CHECK_IN: 5,
    Operation.COMPLETE: 4,
    Operation.BOOK_SEAT: 6,
    Operation.CANCEL_SEAT: 5,
}
# A client has no more visits going at once; with more of them each would be moved less often.
GOING_MAX = 5
# Slots that are kept for moves: visits that took place never give theirs back.
SPARE_SLOTS = 8
# Nobody answers while both workers are dead.
PAUSE_SECONDS = (0.05, 0.3)
PATIENCE_SECONDS = 90.0


class Turns:
    """So many changes, spread evenly over so many seconds."""

    def __init__(self, changes: int, seconds: float, seconds_now: Callable[[], float]) -> None:
        self._numbers = count(1)
        self._changes = changes
        self._pause = seconds / changes
        self._now = seconds_now

    async def next(self) -> int | None:
        """The number of the next change, when its time has come; None after the last."""
        number = next(self._numbers)
        if number > self._changes:
            return None
        await asyncio.sleep(max(0.0, (number - 1) * self._pause - self._now()))
        return number


class Changer:
    """One client; draws from the run's seed and its own number."""

    def __init__(self, brand: Arranged, client: int, seed: int, door: Door) -> None:
        self.attempts: list[Attempt] = []
        self._brand = brand
        self._client = client
        self._door = door
        self._drawn = random.Random(f"changes {client} of {brand.brand_id[:9]} of {seed}")  # noqa: S311 - repeatable, not secret
        self._free = deque(brand.slots[client])
        # By state, the slot of each visit; of seats nothing is kept but which are taken.
        self._visits: dict[str, dict[str, str]] = {"held": {}, "booked": {}, "checked_in": {}}
        self._seats: list[str] = []

    async def run(self, turns: Turns) -> None:
        """Change something at each turn."""
        while (number := await turns.next()) is not None:
            attempt = await self._until_answered(self._next(number))
            self.attempts.append(attempt)
            self._learn(attempt)

    async def _until_answered(self, attempt: Attempt) -> Attempt:
        """Make the call, and again with its key until somebody says what became of it."""
        attempt, _ = await self._door.call(attempt)
        deadline = self._door.seconds + PATIENCE_SECONDS
        while attempt.outcome is None and self._door.seconds < deadline:
            await asyncio.sleep(self._drawn.uniform(*PAUSE_SECONDS))
            attempt, _ = await self._door.call_again(attempt)
        return attempt

    def _next(self, number: int) -> Attempt:
        (operation,) = self._drawn.choices(list(WEIGHTS), list(WEIGHTS.values()))
        blank = Attempt(
            number=number,
            client=self._client,
            operation=operation,
            key=f"{self._brand.brand_id}-{number}",
            called_at=self._door.seconds,
        )
        return self._aimed(blank) or self._take(structs.replace(blank, operation=Operation.BOOK))

    def _aimed(self, blank: Attempt) -> Attempt | None:
        """The attempt with something to do it to; None where there is nothing."""
        operation = blank.operation
        if operation in (Operation.BOOK, Operation.HOLD):
            return self._take(blank) if self._may_take() else self._end(blank)
        if operation is Operation.BOOK_SEAT:
            return self._take_seat(blank)
        if operation is Operation.CANCEL_SEAT:
            return structs.replace(blank, booking_id=self._seats[0]) if self._seats else None
        if operation is Operation.RESCHEDULE:
            aimed = self._at_one(blank, "booked")
            return aimed and structs.replace(aimed, slot_id=self._free[0])
        state = {Operation.CONFIRM: "held", Operation.COMPLETE: "checked_in"}
        if operation is Operation.CHECK_IN and len(self._free) < SPARE_SLOTS:
            return None
        return self._at_one(blank, state.get(operation, "booked"))

    def _may_take(self) -> bool:
        going = sum(len(visits) for visits in self._visits.values())
        return going < GOING_MAX and len(self._free) > 1

    def _end(self, blank: Attempt) -> Attempt | None:
        """Rather than to take another, to end one."""
        for state, operation in (
            ("booked", Operation.CANCEL),
            ("held", Operation.CANCEL),
            ("checked_in", Operation.COMPLETE),
        ):
            if self._visits[state]:
                return self._at_one(structs.replace(blank, operation=operation), state)
        return None

    def _take(self, blank: Attempt) -> Attempt:
        patient_id = self._drawn.choice(self._brand.patients[self._client])
        return structs.replace(blank, slot_id=self._free[0], patient_id=patient_id)

    def _take_seat(self, blank: Attempt) -> Attempt:
        session = self._drawn.choice(self._brand.sessions)
        return structs.replace(
            blank,
            coach_id=session.coach_id,
            slot_at=session.slot_at,
            patient_id=self._drawn.choice(self._brand.patients[self._client]),
        )

    def _at_one(self, blank: Attempt, state: str) -> Attempt | None:
        visits = list(self._visits[state])
        return structs.replace(blank, visit_id=self._drawn.choice(visits)) if visits else None

    def _learn(self, attempt: Attempt) -> None:
        said = attempt.outcome
        if attempt.operation is Operation.BOOK_SEAT and attempt.is_won and said and said.id:
            self._seats.append(said.id)
        elif attempt.operation is Operation.CANCEL_SEAT:
            self._seats.remove(attempt.booking_id or "")
        elif said is not None and said.error is None and said.id and said.slot_id:
            self._give_back(said.id)
            if said.state in self._visits:
                self._visits[said.state][said.id] = said.slot_id
            if said.state in (*self._visits, "completed"):
                self._free = deque(slot for slot in self._free if slot != said.slot_id)
        elif attempt.visit_id is not None:
            # A hold that ended by itself.
            self._give_back(attempt.visit_id)
        else:
            # Its slot is still somebody's; another next time.
            self._free.rotate(-1)

    def _give_back(self, visit_id: str) -> None:
        """Its slot is free, unless it goes on there."""
        for visits in self._visits.values():
            slot_id = visits.pop(visit_id, None)
            if slot_id is not None:
                self._free.append(slot_id)
