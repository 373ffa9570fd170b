"""Where a brand wants its events sent: endpoints, their secrets, and what they want to hear of.

Sources: Standard Webhooks 1.0 (the secret); docs/decisions/0029-webhooks.md.
"""

import base64
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from bookwell.domain.envelopes import Format
from bookwell.domain.errors import InvalidInput
from bookwell.domain.events import EVENTS

# As Standard Webhooks has it: the prefix, and base64 of 24 to 64 bytes.
SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, no secret
SECRET_BYTES = 32

EVERY_TYPE = "*"
# Each event of a brand becomes a row for each of its endpoints; a platform has a handful.
ENDPOINTS_MAX = 20

# For how long the secret before is still good; a week is long enough to change it anywhere.
OVERLAP_MINUTES_DEFAULT = 24 * 60
OVERLAP_MINUTES_MAX = 7 * 24 * 60

# What one replay may look at, and what it may send: a transaction of about a second.
REPLAY_SPAN_MAX = 100_000
REPLAY_DELIVERIES_MAX = 10_000


class DisabledBecause(StrEnum):
    """Why nothing is sent to an endpoint: its receiver answered 410, or staff said so."""

    GONE = "gone"
    STAFF = "staff"


class DeliveryStatus(StrEnum):
    """What became of a delivery.

    It waits or is under way; a 2xx came; three days were not enough; or its endpoint was deleted
    first.
    """

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    ABANDONED = "abandoned"


class WebhookEndpoint(Struct, frozen=True, kw_only=True):
    """A receiver of a brand's events; its secrets are kept apart.

    `version` counts what was said of it, and not what its receiver does: `paused_until` (it asked
    us to wait), `failing_since` (nothing has been taken since then). `previous_secret_until` is set
    while the secret before the last rotation is good too.
    """

    endpoint_id: str
    brand_id: str
    url: str
    event_types: tuple[str, ...]
    format: Format
    created_at: datetime
    updated_at: datetime
    version: int
    disabled_at: datetime | None = None
    disabled_because: DisabledBecause | None = None
    deleted_at: datetime | None = None
    paused_until: datetime | None = None
    failing_since: datetime | None = None
    previous_secret_until: datetime | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether anything is sent there."""
        return self.disabled_at is None and self.deleted_at is None

    @property
    def host(self) -> str:
        """Scheme, host and port of the URL; what comes after them may be a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


class EndpointFields(Struct, frozen=True, kw_only=True):
    """What is to be another of an endpoint; None stays."""

    url: str | None = None
    event_types: tuple[str, ...] | None = None
    format: Format | None = None
    is_enabled: bool | None = None

    def of(self, before: WebhookEndpoint) -> "EndpointFields":
        """All of them, as they are of the endpoint after this change."""
        return EndpointFields(
            url=before.url if self.url is None else self.url,
            event_types=before.event_types if self.event_types is None else self.event_types,
            format=before.format if self.format is None else self.format,
            is_enabled=before.is_enabled if self.is_enabled is None else self.is_enabled,
        )

    @property
    def names(self) -> list[str]:
        """Those that are not None."""
        return [name for name in self.__struct_fields__ if getattr(self, name) is not None]


class Secrets(NamedTuple):
    """What an endpoint's deliveries are signed with; `previous` only while it is still good."""

    current: str
    previous: str | None = None

    def __repr__(self) -> str:
        return "Secrets(…)"


class DeliveryAttempt(Struct, frozen=True, kw_only=True):
    """One try. Without an `http_status` no answer came; `cause` says in a code what went wrong."""

    attempt: int
    attempted_at: datetime
    duration_ms: int
    http_status: int | None
    cause: str | None


class Delivery(Struct, frozen=True, kw_only=True):
    """One event on its way to one endpoint; `attempts` are those on record, first to last.

    `attempt_count` is one more while one is being made. `position` is the event's place in its
    brand's log, None for a test.
    """

    delivery_no: int
    event_id: str
    event_type: str
    entity_id: str
    position: int | None
    status: DeliveryStatus
    created_at: datetime
    settled_at: datetime | None
    next_attempt_at: datetime | None
    attempt_count: int
    attempts: tuple[DeliveryAttempt, ...]


class Stretch(Struct, frozen=True, kw_only=True):
    """Which of a brand's events are to be sent again; what is None or empty sets no bound.

    Positions are after and through, instants (of when it occurred) from and until, as they are said
    everywhere. With `only_failed` those that the endpoint has taken, or that are on their way to
    it, are left out: what failed, and what was never sent to it.
    """

    after_position: int | None = None
    through_position: int | None = None
    occurred_from: datetime | None = None
    occurred_until: datetime | None = None
    event_types: tuple[str, ...] = ()
    only_failed: bool = False


def secret_of(random_bytes: bytes) -> str:
    """The secret as its receiver gets it."""
    return SECRET_PREFIX + base64.b64encode(random_bytes).decode()


def checked_event_types(event_types: Sequence[str]) -> tuple[str, ...]:
    """The types as an endpoint keeps them: `*` alone, or names of events, each once.

    Raises:
        InvalidInput: None is named, one twice, one that does not exist, or `*` beside others. The
            field is the place, such as `event_types[2]`.
    """
    if not event_types:
        raise InvalidInput(
            'event_types must name at least one type, or be ["*"].', field="event_types"
        )
    if EVERY_TYPE in event_types and len(event_types) > 1:
        place = f"event_types[{event_types.index(EVERY_TYPE)}]"
        raise InvalidInput(f"{place}: * stands alone, because it is every type.", field=place)
    for index, event_type in enumerate(event_types):
        place = f"event_types[{index}]"
        if event_type != EVERY_TYPE and event_type not in EVENTS:
            raise InvalidInput(f"{place} is no type of event.", field=place)
        if event_type in event_types[:index]:
            raise InvalidInput(f"{place} is named twice.", field=place)
    return tuple(event_types)
