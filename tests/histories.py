"""Histories made by hand: who called when, and what they were told."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from bookwell.prove.aftermath import Aftermath, FoundJournal, FoundSeat, FoundSession, FoundVisit
from bookwell.prove.history import (
    Answer,
    Attempt,
    History,
    OfferedSession,
    OfferedSlot,
    Operation,
    World,
)

DAY = datetime(2030, 1, 7, 9, tzinfo=UTC)
KIM, LEE, COACH = "prv_kim", "prv_lee", "coach_jo"
TEN = DAY + timedelta(hours=1)


def slot(name: str, provider_id: str, begins: int, ends: int) -> OfferedSlot:
    """From so many minutes past nine to so many."""
    return OfferedSlot(
        slot_id=name,
        provider_id=provider_id,
        starts_at=DAY + timedelta(minutes=begins),
        ends_at=DAY + timedelta(minutes=ends),
    )


WORLD = World(
    brand_id="prove-test",
    began_at=DAY - timedelta(days=7),
    slots=[
        slot("first_half", KIM, 0, 30),
        slot("second_half", KIM, 30, 60),
        slot("whole", KIM, 0, 60),
        slot("later", KIM, 60, 90),
        slot("of_lee", LEE, 0, 30),
    ],
    sessions=[OfferedSession(coach_id=COACH, slot_at=TEN, capacity=2)],
    patients=["pat_ada", "pat_bob", "pat_eve"],
)

WON = {
    Operation.BOOK: (201, "booked"),
    Operation.HOLD: (201, "held"),
    Operation.CONFIRM: (200, "booked"),
    Operation.BOOK_HELD: (201, "booked"),
    Operation.RESCHEDULE: (200, "booked"),
    Operation.CANCEL: (200, "cancelled"),
}


class Told:
    """Collects attempts; times are seconds since the race began."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self._numbers = count(1)

    def add(self, operation: Operation, at: tuple[float, float | None], **facts: Any) -> Attempt:
        """A call from one time to another, None for never answered; `answer` is what it said."""
        answer = facts.pop("answer", None)
        number = next(self._numbers)
        attempt = Attempt(
            number=number,
            client=number,
            operation=operation,
            key=None if operation is Operation.READ else f"key-{number}",
            patient_id=facts.pop("patient_id", "pat_ada"),
            called_at=at[0],
            answer=None if at[1] is None else Answer(at=at[1], **answer),
            lost_at=at[0] + 1 if at[1] is None else None,
            lost_because="ReadError" if at[1] is None else None,
            **facts,
        )
        self.attempts.append(attempt)
        return attempt

    def won(
        self,
        operation: Operation,
        at: tuple[float, float],
        visit_id: str,
        slot_id: str,
        *,
        version: int = 1,
        hold_seconds: float | None = None,
        patient_id: str = "pat_ada",
    ) -> Attempt:
        """A change of a visit that was acknowledged."""
        status, state = WON[operation]
        takes = operation in (Operation.BOOK, Operation.HOLD)
        names_slot = takes or operation in (Operation.RESCHEDULE, Operation.BOOK_HELD)
        return self.add(
            operation,
            at,
            slot_id=slot_id if names_slot else None,
            visit_id=None if takes else visit_id,
            patient_id=patient_id,
            answer={
                "status": status,
                "id": visit_id,
                "state": state,
                "slot_id": slot_id,
                "version": version,
                "hold_seconds": hold_seconds,
            },
        )

    def refused(
        self,
        operation: Operation,
        at: tuple[float, float],
        error: str,
        *,
        status: int = 409,
        **aims: Any,
    ) -> Attempt:
        return self.add(operation, at, answer={"status": status, "error": error}, **aims)

    def read(
        self, at: tuple[float, float], visit_id: str, state: str, slot_id: str, version: int
    ) -> Attempt:
        said = {"status": 200, "id": visit_id, "state": state}
        return self.add(
            Operation.READ,
            at,
            visit_id=visit_id,
            answer={**said, "slot_id": slot_id, "version": version},
        )

    def seated(self, at: tuple[float, float], booking_id: str, patient_id: str) -> Attempt:
        return self.add(
            Operation.BOOK_SEAT,
            at,
            coach_id=COACH,
            slot_at=TEN,
            patient_id=patient_id,
            answer={"status": 201, "id": booking_id, "state": "booked"},
        )

    def left(self, at: tuple[float, float], booking_id: str) -> Attempt:
        return self.add(
            Operation.CANCEL_SEAT,
            at,
            booking_id=booking_id,
            patient_id=None,
            answer={"status": 200, "id": booking_id, "state": "cancelled"},
        )

    @property
    def history(self) -> History:
        return History(world=WORLD, attempts=sorted(self.attempts, key=lambda a: a.called_at))


def found_visit(visit_id: str, slot_id: str, status: str, version: int, **more: str) -> FoundVisit:
    (offered,) = [each for each in WORLD.slots if each.slot_id == slot_id]
    return FoundVisit(
        visit_id=visit_id,
        provider_id=offered.provider_id,
        slot_id=slot_id,
        patient_id=more.get("patient_id", "pat_ada"),
        status=status,
        version=version,
        starts_at=offered.starts_at,
        ends_at=offered.ends_at,
    )


def found(
    *visits: FoundVisit,
    overlaps: list[tuple[str, str]] | None = None,
    sessions: list[FoundSession] | None = None,
    seats: list[FoundSeat] | None = None,
    journal: list[FoundJournal] | None = None,
) -> Aftermath:
    return Aftermath(
        visits=list(visits),
        overlaps=overlaps or [],
        sessions=sessions or [],
        seats=seats,
        journal=journal,
    )
