"""The book as it must be: plain values, no database. Beside each answer stands what it may be."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from simulation.services import Answer

TAKES_TIME = frozenset({"held", "booked", "checked_in"})
# Live holds of a patient and brand, and how long one lasts: what the services are told.
HOLDS_MAX = 3
HOLD = timedelta(minutes=15)


@dataclass(frozen=True)
class Slot:
    slot_id: str
    brand_id: str
    provider_id: str
    starts_at: datetime
    ends_at: datetime
    is_deleted: bool = False

    @property
    def facts(self) -> tuple[str, ...]:
        return ("slot.created", "slot.deleted") if self.is_deleted else ("slot.created",)


@dataclass(frozen=True)
class Visit:
    """`facts` are its events so far, in short; there are as many as its version says."""

    visit_id: str
    brand_id: str
    patient_id: str
    provider_id: str
    slot_id: str
    starts_at: datetime
    ends_at: datetime
    status: str
    facts: tuple[str, ...]
    hold_expires_at: datetime | None = None

    @property
    def version(self) -> int:
        return len(self.facts)

    def changed(self, fact: str, status: str, **more: Any) -> "Visit":
        changed: Visit = replace(
            self, status=status, facts=(*self.facts, fact), hold_expires_at=None, **more
        )
        return changed

    def seen_at(self, now: datetime) -> "Visit":
        """A hold past its time is expired for everybody, whether or not anybody wrote it down."""
        if self.status == "held" and self.hold_expires_at and self.hold_expires_at <= now:
            return replace(self, status="expired", facts=(*self.facts, "visit.expired"))
        return self

    @property
    def fields(self) -> dict[str, object]:
        """What an answer shows of it."""
        return {
            "id": self.visit_id,
            "brand_id": self.brand_id,
            "patient_id": self.patient_id,
            "provider_id": self.provider_id,
            "slot_id": self.slot_id,
            "status": self.status,
            "version": self.version,
            "start_time": said(self.starts_at),
            "end_time": said(self.ends_at),
        }


@dataclass(frozen=True)
class OfficeHour:
    """Sessions of so many minutes, one after the other, from this time after midnight, every day."""

    brand_id: str
    coach_id: str
    opens: timedelta
    minutes: int
    capacity: int

    def sessions(self, after: datetime) -> Iterator[datetime]:
        """The starts of those that begin after this instant, for two days."""
        length = timedelta(minutes=self.minutes)
        midnight = datetime(after.year, after.month, after.day, tzinfo=UTC)
        for day in (midnight, midnight + timedelta(days=1)):
            starts_at = day + self.opens
            while starts_at + length < day + timedelta(days=1):
                if starts_at > after:
                    yield starts_at
                starts_at += length


@dataclass(frozen=True)
class Seat:
    """A patient's place in a session of office hours."""

    booking_id: str
    brand_id: str
    coach_id: str
    patient_id: str
    slot_at: datetime
    ends_at: datetime
    status: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Remembered:
    """What an idempotency key led to, and of which request."""

    fingerprint: tuple[str, str]
    answer: Answer


@dataclass(frozen=True)
class Book:
    """Everything at one moment. A change makes a new one, so that orders can be tried."""

    now: datetime
    providers: Mapping[str, frozenset[str]]  # the brands each clinician works for
    office_hours: tuple[OfficeHour, ...]
    patients: Mapping[str, frozenset[str]]  # by brand
    slots: Mapping[str, Slot] = field(default_factory=dict)
    visits: Mapping[str, Visit] = field(default_factory=dict)
    seats: Mapping[str, Seat] = field(default_factory=dict)
    keys: Mapping[tuple[str, ...], Remembered] = field(default_factory=dict)
    just_deleted: frozenset[str] = frozenset()  # slots, in this step

    def visit(self, visit_id: str) -> Visit | None:
        """The visit as readers see it now."""
        kept = self.visits.get(visit_id)
        return kept.seen_at(self.now) if kept else None

    @property
    def visits_now(self) -> list[Visit]:
        return [visit.seen_at(self.now) for visit in self.visits.values()]

    def slot(self, slot_id: object, brand_id: str) -> Slot | None:
        """The brand's slot, unless it is deleted."""
        slot = self.slots.get(str(slot_id))
        return slot if slot and slot.brand_id == brand_id and not slot.is_deleted else None

    def is_taken(self, slot: Slot, *, but: str | None = None) -> bool:
        """Whether the provider no longer has the slot's time; the visit `but` is not counted."""
        return any(
            v.provider_id == slot.provider_id
            and v.starts_at < slot.ends_at
            and slot.starts_at < v.ends_at
            and v.visit_id != but
            and v.seen_at(self.now).status in TAKES_TIME
            for v in self.visits.values()
            if v.status in TAKES_TIME
        )

    def live_holds(self, brand_id: str, patient_id: object) -> int:
        return sum(
            v.status == "held" and v.brand_id == brand_id and v.patient_id == patient_id
            for v in self.visits_now
        )

    def seats_at(self, coach_id: str, slot_at: datetime, brand_id: str) -> list[Seat]:
        """Who sits in that session."""
        return [
            s
            for s in self.seats.values()
            if (s.coach_id, s.slot_at, s.brand_id, s.status)
            == (coach_id, slot_at, brand_id, "booked")
        ]

    def coach_is_elsewhere(self, rule: OfficeHour, slot_at: datetime) -> bool:
        """Whether somebody sits with the coach in another session that overlaps this one."""
        ends_at = slot_at + timedelta(minutes=rule.minutes)
        return any(
            s.coach_id == rule.coach_id
            and s.status == "booked"
            and (s.brand_id, s.slot_at) != (rule.brand_id, slot_at)
            and s.slot_at < ends_at
            and slot_at < s.ends_at
            for s in self.seats.values()
        )

    def with_slot(self, slot: Slot) -> "Book":
        return replace(self, slots={**self.slots, slot.slot_id: slot})

    def without_slot(self, slot: Slot) -> "Book":
        deleted = self.with_slot(replace(slot, is_deleted=True))
        return replace(deleted, just_deleted=self.just_deleted | {slot.slot_id})

    def with_visit(self, visit: Visit) -> "Book":
        return replace(self, visits={**self.visits, visit.visit_id: visit})

    def with_seat(self, seat: Seat) -> "Book":
        return replace(self, seats={**self.seats, seat.booking_id: seat})

    def with_key(self, place: tuple[str, ...], remembered: Remembered) -> "Book":
        return replace(self, keys={**self.keys, place: remembered})


def said(instant: datetime) -> str:
    """The instant as the API writes it."""
    return instant.isoformat().replace("+00:00", "Z")


def read(text: object) -> datetime:
    return datetime.fromisoformat(str(text))


def differences(shown: Mapping[str, Any], wanted: Mapping[str, object]) -> Iterable[str]:
    """Where what is shown is not what it must be."""
    for name, value in wanted.items():
        if shown.get(name) != value:
            yield f"{name} is {shown.get(name)!r} and must be {value!r}"
