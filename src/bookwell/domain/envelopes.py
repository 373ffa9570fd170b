"""An event as others get it: our own body, or a CloudEvent.

Sources: CONTRACT.md section 2, decision 13; CloudEvents 1.0.2 (specification and JSON format).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

CLOUD_EVENTS_VERSION = "1.0"
# As many as the largest place (a bigint) has, so that strings sort as the numbers do.
SEQUENCE_DIGITS = 19


class Format(StrEnum):
    """How the body of an event is written."""

    STANDARD = "standard"
    CLOUDEVENTS = "cloudevents"


CONTENT_TYPES = {
    Format.STANDARD: "application/json",
    Format.CLOUDEVENTS: "application/cloudevents+json",
}


class LoggedEvent(Struct, frozen=True, kw_only=True):
    """An event with its place in its brand's log.

    `position` counts the brand's events, `sequence` those of the visit (slot, booking, …)
    `entity_id`: 1, 2, 3, … each without a gap. `data` is the fact as `domain.events` has it.
    """

    event_id: str
    event_type: str
    brand_id: str
    entity_id: str
    sequence: int
    position: int
    occurred_at: datetime
    data: msgspec.Raw


class EventBody(Struct, kw_only=True):
    """An event: what happened, when, and its place among its brand's and its visit's.

    `position` counts the brand's events and `sequence` those of one visit (slot, booking,
    schedule, …): 1, 2, 3, … each without a gap. The same event always has the same `id`.
    """

    id: str
    type: str
    occurred_at: datetime
    brand_id: str
    sequence: int
    position: int
    data: Any


def body_of(event: LoggedEvent) -> EventBody:
    return EventBody(
        id=event.event_id,
        type=event.event_type,
        occurred_at=event.occurred_at,
        brand_id=event.brand_id,
        sequence=event.sequence,
        position=event.position,
        data=event.data,
    )


def cloud_event_of(event: LoggedEvent) -> dict[str, Any]:
    """The event in the JSON format of CloudEvents.

    The extension `sequence` puts the events of one `source` in order, when compared as strings:
    that is the place in the brand's log. The event's number among those of its visit (our own
    bodies' `sequence`) is `entitysequence`.
    """
    return {
        "specversion": CLOUD_EVENTS_VERSION,
        "id": event.event_id,
        "source": f"/brands/{event.brand_id}",
        "type": event.event_type,
        "subject": event.entity_id,
        "time": event.occurred_at,
        "datacontenttype": "application/json",
        "brandid": event.brand_id,
        "sequence": f"{event.position:0{SEQUENCE_DIGITS}d}",
        "entitysequence": event.sequence,
        "data": event.data,
    }


def written(event: LoggedEvent, form: Format) -> bytes:
    """The event as JSON; byte for byte the same each time, so that a signature can be repeated."""
    return msgspec.json.encode(
        cloud_event_of(event) if form is Format.CLOUDEVENTS else body_of(event)
    )
