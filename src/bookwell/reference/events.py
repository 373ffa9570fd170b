"""`events.md`: every fact that leaves through the outbox."""

import json
from datetime import datetime
from typing import get_type_hints

from msgspec import Struct

from bookwell.domain.events import EVENTS
from bookwell.reference.markdown import anchor, code, fence, page, prose, table

_INTRODUCTION = """\
A change and its event are written in one transaction: neither is ever there without the other. An
event carries ids and times, and never what somebody wrote. In this version events lie in the table
`booking.event`; how to read them is in [follow-events.md](../how-to/follow-events.md).

`data` is the object below. Beside it a row has `event_no` (the order in which rows were given
numbers), `event_id`, `brand_id`, `event_type`, `entity_id` (the visit, slot or booking it is
about), `sequence` (1, 2, 3, … for each entity, without a gap; for a visit and for a schedule it is
its version) and `occurred_at`."""

# Each field of any event: what it means, and what it may look like.
FIELDS = {
    "visit_id": ("The visit.", "vis_01K6ZJ3V0N4W8Q2R5T7Y9B1D3F"),
    "booking_id": ("The office-hour booking.", "ohb_01K6ZJ5C2R7T9V1X3Z5B7D9F1H"),
    "slot_id": ("The slot.", "slt_01K6ZJ1Q9C8M7X5Z3P1H6G4E2A"),
    "office_hour_id": ("The weekly rule the session belongs to.", "ofh_01K6ZJ2A4C6E8G0J2M4P6R8T0V"),
    "patient_id": ("The patient.", "pat_ada"),
    "provider_id": ("The provider.", "prv_kim"),
    "coach_id": ("The coach.", "coach_jo"),
    "brand_id": ("The brand.", "loop"),
    "visit_type": ("The kind of visit, as it was booked.", "follow_up"),
    "status": ("The status it was imported in.", "completed"),
    "disruption_id": ("The disruption.", "dis_01K6ZJ7N4W8Q2R5T7Y9B1D3F5H"),
    "out_start": ("From when on the provider is out.", "2026-03-02T08:00:00Z"),
    "out_end": ("Until when.", "2026-03-03T18:00:00Z"),
    "visits_moved": ("How many visits moved.", 11),
    "visits_cancelled": ("How many were cancelled.", 3),
    "visits_left": ("How many were left for staff.", 2),
    "schedule_id": ("The schedule.", "sch_01K6ZJ8P5X9R3S6U8W0A2C4E6G"),
    "time_off_id": ("The time off.", "off_01K6ZJ9Q6Y0S4T7V9X1B3D5F7H"),
    "time_off_start": ("From when on the provider is away.", "2026-12-23T23:00:00Z"),
    "time_off_end": ("Until when.", "2026-12-26T23:00:00Z"),
    "slots_added": ("How many slots came of it.", 720),
    "slots_withdrawn": ("How many slots went with it.", 48),
    "changed_at": ("When this happened.", "2026-02-20T10:15:00Z"),
    "added_at": ("When this happened.", "2026-02-20T10:15:00Z"),
    "removed_at": ("When this happened.", "2026-02-21T08:00:00Z"),
    "slot_start": ("When its time begins.", "2026-03-02T09:00:00Z"),
    "slot_end": ("When its time ends.", "2026-03-02T09:30:00Z"),
    "old_slot_start": ("When its time began before the move.", "2026-03-02T09:00:00Z"),
    "new_slot_start": ("When its time begins now.", "2026-03-03T14:00:00Z"),
    "new_slot_end": ("When its time ends now.", "2026-03-03T14:30:00Z"),
    "slot_at": ("When the session begins.", "2026-03-02T16:00:00Z"),
    "duration_minutes": ("How long the session is.", 30),
    "hold_expires_at": ("Until when it is held.", "2026-02-20T08:20:30.123456Z"),
    "expired_at": ("When its time was over.", "2026-02-20T08:20:30.123456Z"),
    "created_at": ("When this happened.", "2026-02-20T08:15:30.123456Z"),
    "rescheduled_at": ("When this happened.", "2026-02-21T10:00:00.501220Z"),
    "cancelled_at": ("When this happened.", "2026-02-21T10:00:00.501220Z"),
    "checked_in_at": ("When this happened.", "2026-03-02T08:55:12.250031Z"),
    "completed_at": ("When this happened.", "2026-03-02T09:31:02.750644Z"),
    "no_show_at": ("When this happened.", "2026-03-02T09:20:00.125907Z"),
    "deleted_at": ("When this happened.", "2026-02-21T10:00:00.501220Z"),
    "offset_minutes": ("How many minutes before its start the reminder was asked for.", 1440),
    "due_at": ("When the reminder was due, outside the patient's quiet hours.", "2026-03-01T09:00:00Z"),
    "left_at": ("When this happened.", "2026-03-02T07:30:00.420110Z"),
    "committed_at": ("When this happened.", "2026-03-02T07:30:00.420110Z"),
}

# What the fields alone do not say.
NOTES = {
    "booking.visit.imported.v1": "`created_at` is when the clinic booked it, in its earlier book.",
    "booking.visit.held.v1": (
        "`visit_type` is `unspecified` as long as nobody has said it. What follows is "
        "`booking.visit.created.v1`, `booking.visit.cancelled.v1` or `booking.visit.expired.v1`."
    ),
    "booking.visit.expired.v1": (
        "It comes within seconds of `expired_at`, or when the next caller wants the time."
    ),
    "booking.visit.created.v1": (
        "Its `sequence` is 1, or 2 where the visit was held before. Then `created_at` is the "
        "visit's `updated_at`, because the visit itself was made when it was held."
    ),
    "booking.visit.left_for_staff.v1": (
        "The visit's time and status are as before; its provider is out then."
    ),
    "booking.visit.reminder_due.v1": (
        "One for each visit, start and offset. It takes a version of the visit; `updated_at` stays."
    ),
    "booking.disruption.committed.v1": (
        "Each visit has an event of its own besides, and so has the time off."
    ),
    "booking.visit.rescheduled.v1": "`provider_id` is the provider after the move.",
}

_TYPES = {str: "text", int: "number", datetime: "instant"}


def events_page() -> str:
    """The page.

    Raises:
        KeyError: A field of an event is not described in `FIELDS`.
    """
    overview = table(
        ["Event", "Meaning"],
        (
            [f"[{code(name)}](#{anchor(name)})", (fact.__doc__ or "").strip()]
            for name, fact in EVENTS.items()
        ),
    )
    sections = [_section(name, fact) for name, fact in EVENTS.items()]
    return page("Events", "`domain/events.py`", _INTRODUCTION, overview, *sections)


def _section(name: str, fact: type[Struct]) -> str:
    example = {field: FIELDS[field][1] for field in fact.__struct_fields__}
    hints = get_type_hints(fact)
    return "\n\n".join(
        [
            f"## {name}",
            prose(f"{(fact.__doc__ or '').strip()} {NOTES.get(name, '')}".strip()),
            table(
                ["Field", "Type", "Meaning"],
                (
                    [code(field), _TYPES[hints[field]], FIELDS[field][0]]
                    for field in fact.__struct_fields__
                ),
            ),
            fence("json", json.dumps(example, indent=2)),
        ]
    )
