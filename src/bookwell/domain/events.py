"""The facts that other systems may know (CONTRACT.md section 2, decision 13): ids and times only.

`EVENTS` is the whole list. The statements that write a visit's events build the same objects in
SQL; a test compares the two.
"""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct


class VisitHeld(Struct, frozen=True, kw_only=True):
    """A slot is reserved for a patient until `hold_expires_at`."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    slot_end: datetime
    visit_type: str
    hold_expires_at: datetime


class VisitExpired(Struct, frozen=True, kw_only=True):
    """A hold ran out before it was confirmed; its time is free again."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    expired_at: datetime


class VisitCreated(Struct, frozen=True, kw_only=True):
    """A visit was booked, at once or by confirming a hold; `created_at` is that instant."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    slot_end: datetime
    visit_type: str
    created_at: datetime


class VisitImported(Struct, frozen=True, kw_only=True):
    """A visit was taken over from a clinic's earlier book, in the status it had there."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    slot_end: datetime
    visit_type: str
    status: str
    created_at: datetime


class VisitRescheduled(Struct, frozen=True, kw_only=True):
    """A visit moved to another time, another provider, or both; it kept its id."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    old_slot_start: datetime
    new_slot_start: datetime
    new_slot_end: datetime
    rescheduled_at: datetime


class VisitCancelled(Struct, frozen=True, kw_only=True):
    """A visit was cancelled; its time is free again."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    cancelled_at: datetime


class VisitCheckedIn(Struct, frozen=True, kw_only=True):
    """The patient is there."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    checked_in_at: datetime


class VisitCompleted(Struct, frozen=True, kw_only=True):
    """The visit took place."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    completed_at: datetime


class VisitNoShow(Struct, frozen=True, kw_only=True):
    """The patient did not come."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    no_show_at: datetime


class VisitLeftForStaff(Struct, frozen=True, kw_only=True):
    """A visit's provider is out, and staff are to see to it; its time and status are as before."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    left_at: datetime


class VisitReminderDue(Struct, frozen=True, kw_only=True):
    """The patient is to be reminded of the visit now; its time and status are as before."""

    visit_id: str
    patient_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    offset_minutes: int
    due_at: datetime


class SlotCreated(Struct, frozen=True, kw_only=True):
    """A provider offers a time."""

    slot_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    slot_end: datetime
    created_at: datetime


class SlotDeleted(Struct, frozen=True, kw_only=True):
    """A provider no longer offers a time."""

    slot_id: str
    provider_id: str
    brand_id: str
    slot_start: datetime
    slot_end: datetime
    deleted_at: datetime


class ScheduleCreated(Struct, frozen=True, kw_only=True):
    """A provider has a new schedule; so many slots came of it."""

    schedule_id: str
    provider_id: str
    brand_id: str
    slots_added: int
    slots_withdrawn: int
    created_at: datetime


class ScheduleChanged(Struct, frozen=True, kw_only=True):
    """A provider's schedule is another; so many slots came of it, and so many went."""

    schedule_id: str
    provider_id: str
    brand_id: str
    slots_added: int
    slots_withdrawn: int
    changed_at: datetime


class ScheduleDeleted(Struct, frozen=True, kw_only=True):
    """A provider's schedule is gone, and its free slots with it."""

    schedule_id: str
    provider_id: str
    brand_id: str
    slots_added: int
    slots_withdrawn: int
    deleted_at: datetime


class TimeOffAdded(Struct, frozen=True, kw_only=True):
    """A provider is away, from one instant to another."""

    time_off_id: str
    provider_id: str
    brand_id: str
    time_off_start: datetime
    time_off_end: datetime
    slots_withdrawn: int
    added_at: datetime


class TimeOffRemoved(Struct, frozen=True, kw_only=True):
    """A provider is not away after all; the slots of that time are there again."""

    time_off_id: str
    provider_id: str
    brand_id: str
    time_off_start: datetime
    time_off_end: datetime
    slots_added: int
    removed_at: datetime


class DisruptionCommitted(Struct, frozen=True, kw_only=True):
    """A provider is out, and so many of their visits were moved, cancelled and left for staff."""

    disruption_id: str
    provider_id: str
    brand_id: str
    out_start: datetime
    out_end: datetime
    visits_moved: int
    visits_cancelled: int
    visits_left: int
    committed_at: datetime


class OfficeHourBookingCreated(Struct, frozen=True, kw_only=True):
    """A patient took a seat in a coach's office hour."""

    booking_id: str
    office_hour_id: str
    coach_id: str
    patient_id: str
    brand_id: str
    slot_at: datetime
    duration_minutes: int
    created_at: datetime


class OfficeHourBookingCancelled(Struct, frozen=True, kw_only=True):
    """A patient's seat is free again."""

    booking_id: str
    office_hour_id: str
    coach_id: str
    patient_id: str
    brand_id: str
    slot_at: datetime
    cancelled_at: datetime


EVENTS: dict[str, type[Struct]] = {
    "booking.visit.held.v1": VisitHeld,
    "booking.visit.expired.v1": VisitExpired,
    "booking.visit.created.v1": VisitCreated,
    "booking.visit.imported.v1": VisitImported,
    "booking.visit.rescheduled.v1": VisitRescheduled,
    "booking.visit.cancelled.v1": VisitCancelled,
    "booking.visit.checked_in.v1": VisitCheckedIn,
    "booking.visit.completed.v1": VisitCompleted,
    "booking.visit.no_show.v1": VisitNoShow,
    "booking.visit.left_for_staff.v1": VisitLeftForStaff,
    "booking.visit.reminder_due.v1": VisitReminderDue,
    "booking.slot.created.v1": SlotCreated,
    "booking.slot.deleted.v1": SlotDeleted,
    "booking.schedule.created.v1": ScheduleCreated,
    "booking.schedule.changed.v1": ScheduleChanged,
    "booking.schedule.deleted.v1": ScheduleDeleted,
    "booking.time_off.added.v1": TimeOffAdded,
    "booking.time_off.removed.v1": TimeOffRemoved,
    "booking.disruption.committed.v1": DisruptionCommitted,
    "booking.office_hour_booking.created.v1": OfficeHourBookingCreated,
    "booking.office_hour_booking.cancelled.v1": OfficeHourBookingCancelled,
}

_TYPE_OF = {fact: event_type for event_type, fact in EVENTS.items()}


def type_of(fact: Struct) -> str:
    """The `type` under which this fact leaves."""
    return _TYPE_OF[type(fact)]


def data_of(fact: Struct) -> dict[str, Any]:
    """The fact as the JSON object consumers get: instants in RFC 3339, UTC, `Z`."""
    data: dict[str, Any] = msgspec.to_builtins(fact)
    return data
