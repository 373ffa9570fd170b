"""The record of a run: what was committed, and what each listener was told.

All times are seconds since the run began, by this process's own clock. Ids and hashes only: no
secret stands in it.
"""

from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from bookwell.prove.history import Attempt

EVERY_TYPE = "*"
STANDARD, CLOUD_EVENTS = "standard", "cloudevents"


class Conduct(StrEnum):
    """What a receiver does with a request; the value is how a report names it."""

    TAKES = "200"
    FAILS = "500"
    IS_BUSY = "503 and Retry-After"
    HANGS = "no answer"
    BREAKS_EARLY = "reset before its end"
    BREAKS_LATE = "reset after its end"
    CUTS = "half an answer"
    REDIRECTS = "307"


class Endpoint(Struct, frozen=True, kw_only=True):
    """A webhook endpoint of the run."""

    endpoint_id: str
    name: str
    brand_id: str
    event_types: tuple[str, ...]
    format: str

    def wants(self, event: "Committed") -> bool:
        """Whether the event must come here."""
        return event.brand_id == self.brand_id and self.wants_type(event.event_type)

    def wants_type(self, event_type: str) -> bool:
        """Whether events of this type are asked for."""
        return EVERY_TYPE in self.event_types or event_type in self.event_types


class Committed(Struct, frozen=True, kw_only=True):
    """An event as its row in the database stands."""

    event_id: str
    event_type: str
    brand_id: str
    entity_id: str
    sequence: int
    position: int | None
    occurred_at: datetime
    fingerprint: str


class Received(Struct, frozen=True, kw_only=True):
    """A request that came to an endpoint's receiver, and what that did with it.

    `signed_by` and `loop_signed_by` are the numbers of those secrets of the endpoint, 0 the first,
    by which the webhook-signature and the X-Loop-Signature verify. Of a body that was not read
    nothing is known.
    """

    endpoint_id: str
    at: float
    event_id: str
    attempt: int
    conduct: Conduct
    body_hash: str | None = None
    fingerprint: str | None = None
    signed_by: tuple[int, ...] = ()
    loop_signed_by: tuple[int, ...] = ()
    # What its headers say that its body does not, as a sentence.
    contradiction: str | None = None

    @property
    def is_taken(self) -> bool:
        """Whether it was answered with 2xx."""
        return self.conduct is Conduct.TAKES

    @property
    def is_whole(self) -> bool:
        """Whether the body was read."""
        return self.body_hash is not None


class Heard(Struct, frozen=True, kw_only=True):
    """An event that a reader of a brand's log or live stream got."""

    brand_id: str
    at: float
    position: int
    event_id: str
    fingerprint: str


class Rotation(Struct, frozen=True, kw_only=True):
    """An endpoint's secret was replaced; the one before stayed good to the end of the run."""

    endpoint_id: str
    began_at: float
    answered_at: float


class Digest(Struct, frozen=True, kw_only=True):
    """What the service says of a brand's day."""

    brand_id: str
    day: date
    event_count: int
    hash: str


class Drained(Struct, frozen=True, kw_only=True):
    """When the last fault was, and when everything had left; None where it never had."""

    last_fault_at: float
    drained_at: float | None
    # Deliveries that the service still means to make.
    pending: int

    @property
    def seconds(self) -> float | None:
        return None if self.drained_at is None else max(0.0, self.drained_at - self.last_fault_at)


class Record(Struct, frozen=True, kw_only=True):
    """A whole run."""

    began_at: datetime
    brands: tuple[str, ...]
    endpoints: list[Endpoint]
    attempts: list[Attempt]
    committed: list[Committed]
    received: list[Received]
    followed: list[Heard]
    streamed: list[Heard]
    digests: list[Digest]
    rotations: list[Rotation]
    # Requests to where a receiver had redirected, and to where nobody was named at all.
    strayed: int
    kills: int
    database_version: str
    drained: Drained


def write_record(path: Path, record: Record) -> None:
    """Write it as one JSON object a line, each under the name of what it is. Raises OSError."""
    many = ("attempts", "committed", "received", "followed", "streamed")
    head = {name: getattr(record, name) for name in record.__struct_fields__ if name not in many}
    with path.open("wb") as file:
        file.write(msgspec.json.encode({"run": head}) + b"\n")
        for name in many:
            for line in getattr(record, name):
                file.write(msgspec.json.encode({name: line}) + b"\n")
