"""One client of a race: what it tries next, and what it does when nobody answers."""

import asyncio
import random
from collections.abc import Callable, Iterator

from msgspec import structs

from bookwell.prove.board import Board, Known
from bookwell.prove.calls import Door
from bookwell.prove.history import Attempt, Operation

# Of each hundred calls so many. Ends and takes are balanced such that most slots are taken most of
# the time, because a free slot is nothing to race for.
WEIGHTS = {
    Operation.BOOK: 32,
    Operation.HOLD: 15,
    Operation.CONFIRM: 7,
    Operation.BOOK_HELD: 5,
    Operation.RESCHEDULE: 11,
    Operation.CANCEL: 13,
    Operation.READ: 5,
    Operation.BOOK_SEAT: 8,
    Operation.CANCEL_SEAT: 4,
}
# So often somebody aims at a visit that has ended.
LATE_SHARE = 0.1
# A hold nobody takes up ends by itself. Few are left like that: a patient may hold five at once.
ABANDONED_SHARE = 0.15
ABANDONED_MAX = 2
# After a lost call, the share of clients that try again at once; the others leave it for the end.
RETRY_SHARE = 0.5
PAUSE_SECONDS = (0.05, 0.4)


class Client:
    """Draws from the race's seed and its own number."""

    def __init__(self, number: int, seed: int, board: Board, door: Door) -> None:
        self.attempts: list[Attempt] = []
        self._number = number
        self._drawn = random.Random(f"client {number} of {seed}")  # noqa: S311 - repeatable, not secret
        self._board = board
        self._door = door
        self._patient_id = board.patients[number % len(board.patients)]
        self._abandoned = 0

    async def run(self, until: float, numbers: Iterator[int], brand_id: str) -> None:
        """Call and call again, until so many seconds after the race began."""
        while self._door.seconds < until:
            number = next(numbers)
            attempt = self._next(number, f"{brand_id}-{number}")
            attempt, wait = await self._door.call(attempt)
            if attempt.answer is None:
                attempt = await self._bear_the_loss(attempt, until)
            self.attempts.append(attempt)
            self._board.learn(attempt)
            self._perhaps_abandon(attempt)
            if wait:
                await asyncio.sleep(max(0.0, min(wait, until - self._door.seconds)))

    async def _bear_the_loss(self, attempt: Attempt, until: float) -> Attempt:
        """Wait a little; some try again with their key until somebody answers."""
        tries_again = attempt.key is not None and self._drawn.random() < RETRY_SHARE
        while True:
            await asyncio.sleep(self._drawn.uniform(*PAUSE_SECONDS))
            if not tries_again or attempt.resolved or self._door.seconds >= until:
                return attempt
            attempt, _ = await self._door.call_again(attempt)

    def _perhaps_abandon(self, attempt: Attempt) -> None:
        answer = attempt.outcome
        if (
            attempt.operation is Operation.HOLD
            and answer is not None
            and answer.id is not None
            and self._abandoned < ABANDONED_MAX
            and self._drawn.random() < ABANDONED_SHARE
        ):
            self._abandoned += 1
            self._board.abandon(answer.id)

    def _next(self, number: int, key: str) -> Attempt:
        (operation,) = self._drawn.choices(list(WEIGHTS), list(WEIGHTS.values()))
        attempt = _AIMS[operation](self, self._blank(number, operation, key))
        # Where there is nothing to change yet, there is something to take.
        return attempt or self._take(self._blank(number, Operation.BOOK, key))

    def _blank(self, number: int, operation: Operation, key: str) -> Attempt:
        return Attempt(
            number=number,
            client=self._number,
            operation=operation,
            key=None if operation is Operation.READ else key,
            called_at=self._door.seconds,
        )

    def _take(self, attempt: Attempt) -> Attempt:
        slot_id = self._drawn.choice(self._board.slots)
        return structs.replace(attempt, slot_id=slot_id, patient_id=self._patient_id)

    def _take_seat(self, attempt: Attempt) -> Attempt:
        session = self._drawn.choice(self._board.sessions)
        return structs.replace(
            attempt,
            coach_id=session.coach_id,
            slot_at=session.slot_at,
            patient_id=self._drawn.choice(self._board.patients),
        )

    def _leave_seat(self, attempt: Attempt) -> Attempt | None:
        booking_id = self._board.seat(self._drawn)
        return structs.replace(attempt, booking_id=booking_id) if booking_id else None

    def _confirm(self, attempt: Attempt) -> Attempt | None:
        return _at(attempt, self._late() or self._board.held(self._drawn))

    def _book_held(self, attempt: Attempt) -> Attempt | None:
        held = self._board.held(self._drawn)
        aimed = _at(attempt, held)
        return structs.replace(aimed, slot_id=held.slot_id) if aimed and held else None

    def _reschedule(self, attempt: Attempt) -> Attempt | None:
        known = self._late() or self._board.booked(self._drawn)
        aimed = _at(attempt, known)
        if aimed is None or known is None:
            return None
        slot_id = self._drawn.choice(self._board.near(known.slot_id))
        return structs.replace(aimed, slot_id=slot_id)

    def _end(self, attempt: Attempt) -> Attempt | None:
        return _at(attempt, self._late() or self._board.active(self._drawn))

    def _late(self) -> Known | None:
        is_late = self._drawn.random() < LATE_SHARE
        return self._board.ended(self._drawn) if is_late else None


def _at(attempt: Attempt, known: Known | None) -> Attempt | None:
    """The attempt, aimed at this visit; None where there is none."""
    if known is None:
        return None
    return structs.replace(attempt, visit_id=known.visit_id, patient_id=known.patient_id)


_AIMS: dict[Operation, Callable[[Client, Attempt], Attempt | None]] = {
    Operation.BOOK: Client._take,  # noqa: SLF001 - the table is part of the class
    Operation.HOLD: Client._take,  # noqa: SLF001 - as above
    Operation.CONFIRM: Client._confirm,  # noqa: SLF001 - as above
    Operation.BOOK_HELD: Client._book_held,  # noqa: SLF001 - as above
    Operation.RESCHEDULE: Client._reschedule,  # noqa: SLF001 - as above
    Operation.CANCEL: Client._end,  # noqa: SLF001 - as above
    Operation.READ: Client._end,  # noqa: SLF001 - as above
    Operation.BOOK_SEAT: Client._take_seat,  # noqa: SLF001 - as above
    Operation.CANCEL_SEAT: Client._leave_seat,  # noqa: SLF001 - as above
}
