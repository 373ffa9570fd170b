"""What an event says, as one hash that does not depend on how it was written.

Both formats of a body are read here by their documentation, not by the service's own code.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

Json = dict[str, Any]


class NotAnEvent(Exception):
    """Says in one sentence what a body lacks."""


def read_body(body: bytes) -> Json:
    """The event in either format, with the fields of the standard one.

    Raises:
        NotAnEvent: It is no JSON object, or a field is missing or of another type.
    """
    try:
        said = msgspec.json.decode(body, type=Json)
    except msgspec.DecodeError as error:
        raise NotAnEvent(f"the body is no JSON object: {error}") from error
    return event_of(said)


def event_of(said: Json) -> Json:
    """As `read_body`, of what has been decoded already."""
    is_cloud_event = "specversion" in said
    try:
        return {
            "id": str(said["id"]),
            "type": str(said["type"]),
            "brand_id": str(said["brandid" if is_cloud_event else "brand_id"]),
            "sequence": int(said["entitysequence" if is_cloud_event else "sequence"]),
            # A CloudEvents sequence puts the events of one source, our brand, in order.
            "position": int(said["sequence" if is_cloud_event else "position"]),
            "occurred_at": instant(said["time" if is_cloud_event else "occurred_at"]),
            "data": said["data"],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise NotAnEvent(f"the body lacks {error}") from error


def fingerprint(event: Json) -> str:
    """A hash of everything in it."""
    written = msgspec.json.encode(event, order="sorted")
    return hashlib.sha256(written).hexdigest()


def instant(said: str | datetime) -> str:
    """An instant to the microsecond, in UTC, always written in the same way."""
    at = datetime.fromisoformat(said) if isinstance(said, str) else said
    return at.astimezone(UTC).isoformat(timespec="microseconds")
