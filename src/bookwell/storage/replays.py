"""What was sent to a webhook endpoint, and sending a stretch of the log again, in PostgreSQL."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import msgspec
from asyncpg import Record

from bookwell.domain.webhooks import (
    REPLAY_DELIVERIES_MAX,
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    Stretch,
    WebhookEndpoint,
)
from bookwell.storage.event_log import EVENTS_CHANNEL
from bookwell.storage.statements import AnyConnection, statement

_list_deliveries = statement("list_deliveries")
_find_span_of_days = statement("find_span_of_days")
_replay_events = statement("replay_events")

# More than any number of a delivery.
NEWEST = 2**63 - 1
_attempts = msgspec.json.Decoder(tuple[DeliveryAttempt, ...])


class Counted(NamedTuple):
    """How many events a stretch has, one more than allowed for too many; then nothing was done.

    `last_allowed` is the position up to which they are not too many, None where there are none.
    """

    event_count: int
    last_allowed: int | None


async def list_deliveries(
    connection: AnyConnection,
    endpoint: WebhookEndpoint,
    *,
    status: DeliveryStatus | None,
    event_type: str | None,
    entity_id: str | None,
    before_no: int,
    row_limit: int,
) -> list[Delivery]:
    """Deliveries to the endpoint, newest first, from the one before `before_no` on."""
    rows = await _list_deliveries.rows(
        connection,
        brand_id=endpoint.brand_id,
        endpoint_id=endpoint.endpoint_id,
        status=status,
        event_type=event_type,
        entity_id=entity_id,
        before_no=before_no,
        row_limit=row_limit,
    )
    return [_delivery_from(row) for row in rows]


async def positions_of(
    connection: AnyConnection,
    *,
    brand_id: str,
    occurred_from: datetime | None,
    occurred_until: datetime | None,
) -> tuple[int, int] | None:
    """The first and the last position of the days (UTC) between these; None without an event."""
    last = None if occurred_until is None else occurred_until - timedelta(microseconds=1)
    row = await _find_span_of_days.row(
        connection,
        brand_id=brand_id,
        first_day=_day_of(occurred_from),
        last_day=_day_of(last),
    )
    assert row is not None, "an aggregate answers a row"
    if row["first_position"] is None:
        return None
    return row["first_position"], row["last_position"]


async def replay(
    connection: AnyConnection,
    endpoint: WebhookEndpoint,
    stretch: Stretch,
    *,
    after_position: int,
    through_position: int,
) -> Counted:
    """Make new deliveries of these events, in the order of the log, unless they are too many.

    The stretch's own positions are not looked at, but these.
    """
    row = await _replay_events.row(
        connection,
        brand_id=endpoint.brand_id,
        endpoint_id=endpoint.endpoint_id,
        after_position=after_position,
        through_position=through_position,
        occurred_from=stretch.occurred_from,
        occurred_until=stretch.occurred_until,
        event_types=list(stretch.event_types or endpoint.event_types),
        only_failed=stretch.only_failed,
        deliveries_max=REPLAY_DELIVERIES_MAX,
        channel=EVENTS_CHANNEL,
    )
    assert row is not None, "an aggregate answers a row"
    return Counted(row["event_count"], row["last_allowed"])


def _day_of(instant: datetime | None) -> date | None:
    return None if instant is None else instant.astimezone(UTC).date()


def _delivery_from(row: Record) -> Delivery:
    return msgspec.convert({**row, "attempts": _attempts.decode(row["attempts"])}, Delivery)
