"""What waits for webhook endpoints, and when they last took something, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from bookwell.domain.webhooks import WebhookEndpoint
from bookwell.storage.statements import AnyConnection, statement

_list_webhook_queues = statement("list_webhook_queues")


class WebhookQueue(Struct, frozen=True, kw_only=True):
    """An endpoint, how many deliveries wait for it, and for how long the oldest of them has.

    `last_delivered_at` is when it last took something, a test too; None where nothing is on record.
    """

    endpoint: WebhookEndpoint
    pending_count: int
    oldest_pending_seconds: int | None
    last_delivered_at: datetime | None


async def of_endpoints(
    connection: AnyConnection, *, brand_id: str, endpoints: Sequence[WebhookEndpoint]
) -> list[WebhookQueue]:
    """The queues of the brand's endpoints, in the order of these."""
    rows = await _list_webhook_queues.rows(
        connection, brand_id=brand_id, endpoint_ids=[each.endpoint_id for each in endpoints]
    )
    known = {row["endpoint_id"]: row for row in rows}
    return [
        WebhookQueue(
            endpoint=each,
            pending_count=known[each.endpoint_id]["pending_count"],
            oldest_pending_seconds=known[each.endpoint_id]["oldest_pending_seconds"],
            last_delivered_at=known[each.endpoint_id]["last_delivered_at"],
        )
        for each in endpoints
    ]
