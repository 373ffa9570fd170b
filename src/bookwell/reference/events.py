"""`events.md`: every fact that leaves through the outbox."""

import json
from datetime import datetime
from typing import get_type_hints

from msgspec import Struct

from bookwell.domain.events import EVENTS
from bookwell.http.openapi_webhooks import HEADERS
from bookwell.reference.markdown import anchor, code, fence, page, prose, table

_INTRODUCTION = """\
A change and its event are written in one transaction: neither is ever there without the other. An
event carries ids and times, and never what somebody wrote. It is read with `GET /v1/events`
([follow-events.md](../how-to/follow-events.md)), and is the same on the stream, in a webhook and on
the bus. The schemas of the whole bodies stand in the OpenAPI document's `webhooks`."""

_BODY = """\
## The body

The fields of every event; `data` is the fact itself, as the sections below have it.

| Field | Type | Meaning |
| --- | --- | --- |
| `id` | text | The event. It is the same wherever and however often the event comes. |
| `type` | text | What happened: one of those above. |
| `occurred_at` | instant | When. |
| `brand_id` | text | Whose it is. |
| `sequence` | number | 1, 2, 3, … for the thing it is about, without a gap. |
| `position` | number | Its place in the brand's log: 1, 2, 3, … without a gap. |
| `data` | object | The fact. |

The `sequence` of a visit's or a schedule's event is the thing's version. A test of a webhook has
the `position` 0: it is not in the log.

As a CloudEvent (1.0, JSON) an event has `specversion`, `id`, `source` (`/brands/` and the brand),
`type`, `subject` (the id of the thing it is about), `time`, `datacontenttype`, `data`, and the
extensions `brandid`, `sequence` and `entitysequence`. There `sequence` is the position in the log
in 19 digits, so that text sorts as numbers do, and `entitysequence` is what `sequence` is above."""

_PROMISES = """\
## Promises

- **Complete.** An event is in the log exactly when its change is committed, and it gets its place
  after that. Who has read up to a place has everything up to there: nothing appears below it later.
- **In order.** The events of one visit (slot, booking, schedule) have ascending positions, and the
  `sequence` has no gap. Between things the order of the log is about that of the commits.
- **Once in the log, at least once elsewhere.** A webhook and the bus may repeat an event after a
  failure, with the same `id`. Throw away what you have by `id`, or by `sequence` per thing.
- **Never changed.** An event stays as it was written. After `BOOKWELL_EVENTS_KEPT_DAYS` it is
  deleted, oldest first; asking for what is gone is 410
  [`events_gone`](errors.md#events_gone). What is still to be delivered or published is kept longer.
- **Growing.** A later version may add fields and types. A field is neither removed nor renamed:
  that would be a `.v2`. Ignore what you do not know."""

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
    "due_at": ("When it was due, outside the patient's quiet hours.", "2026-03-01T09:00:00Z"),
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
    return page(
        "Events",
        "`domain/events.py`",
        _INTRODUCTION,
        overview,
        _BODY,
        _PROMISES,
        "## The headers of a webhook",
        table(["Header", "Meaning"], ([code(name), text] for name, text in HEADERS.items())),
        *sections,
    )


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
