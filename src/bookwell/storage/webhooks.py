"""Webhook endpoints and their secrets in PostgreSQL.

A secret is kept as it is, because everything that is sent is signed with it. Nobody reads one but
who signs: `secrets_of`.
"""

import secrets
from base64 import urlsafe_b64decode
from collections.abc import Sequence

import msgspec
from asyncpg import Record

from bookwell.domain.callers import Call
from bookwell.domain.envelopes import Format
from bookwell.domain.errors import NotFound
from bookwell.domain.ids import WEBHOOK_ENDPOINT, new_id
from bookwell.domain.webhooks import (
    SECRET_BYTES,
    EndpointFields,
    Secrets,
    WebhookEndpoint,
    secret_of,
)
from bookwell.storage.event_log import EVENTS_CHANNEL
from bookwell.storage.statements import AnyConnection, statement
from bookwell.storage.told_once import derived

_lock_webhook_endpoints = statement("lock_webhook_endpoints")
_count_webhook_endpoints = statement("count_webhook_endpoints")
_add_webhook_endpoint = statement("add_webhook_endpoint")
_list_webhook_endpoints = statement("list_webhook_endpoints")
_read_webhook_secrets = statement("read_webhook_secrets")
_change_webhook_endpoint = statement("change_webhook_endpoint")
_resume_deliveries = statement("resume_deliveries")
_rotate_webhook_secret = statement("rotate_webhook_secret")
_lock_webhook_endpoint = statement("lock_webhook_endpoint")
_abandon_deliveries = statement("abandon_deliveries")
_delete_webhook_endpoint = statement("delete_webhook_endpoint")

NO_SUCH_ENDPOINT = "There is no such webhook endpoint."


def new_secret() -> str:
    """A fresh signing secret with 256 random bits."""
    return secret_of(secrets.token_bytes(SECRET_BYTES))


def new_salt() -> str:
    return secrets.token_urlsafe(16)


def derived_secret(call: Call, *, bearer: str, salt: str) -> str:
    """The signing secret that this call's idempotency key and the salt stand for, each time."""
    text = derived(call, bearer=bearer, purpose=f"webhook secret {salt}")
    return secret_of(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


async def lock(connection: AnyConnection, brand_id: str) -> None:
    """Queue for the brand's endpoints; the lock is held until the transaction ends."""
    await _lock_webhook_endpoints.value(connection, brand_id=brand_id)


async def count(connection: AnyConnection, brand_id: str) -> int:
    """How many endpoints the brand has, without those that were deleted."""
    known: int = await _count_webhook_endpoints.value(connection, brand_id=brand_id)
    return known


async def get(
    connection: AnyConnection, *, brand_id: str, endpoint_id: str, is_live: bool = False
) -> WebhookEndpoint:
    """The brand's endpoint, deleted or not unless it must be live; NotFound otherwise."""
    row = await _list_webhook_endpoints.row(
        connection,
        brand_id=brand_id,
        endpoint_id=endpoint_id,
        include_deleted=not is_live,
        after_id="",
        row_limit=1,
    )
    if row is None:
        raise NotFound(NO_SUCH_ENDPOINT)
    return _endpoint_from(row)


async def list_by_id(
    connection: AnyConnection,
    *,
    brand_id: str,
    include_deleted: bool,
    after_id: str,
    row_limit: int,
) -> list[WebhookEndpoint]:
    rows = await _list_webhook_endpoints.rows(
        connection,
        brand_id=brand_id,
        endpoint_id=None,
        include_deleted=include_deleted,
        after_id=after_id,
        row_limit=row_limit,
    )
    return [_endpoint_from(row) for row in rows]


async def secrets_of(
    connection: AnyConnection, *, brand_id: str, endpoint_id: str
) -> Secrets | None:
    """What to sign with now; None once the endpoint was deleted."""
    row = await _read_webhook_secrets.row(connection, brand_id=brand_id, endpoint_id=endpoint_id)
    return None if row is None else Secrets(row["secret"], row["previous_secret"])


async def add(
    connection: AnyConnection,
    secret: str,
    *,
    brand_id: str,
    url: str,
    event_types: Sequence[str],
    form: Format,
) -> WebhookEndpoint:
    row = await _add_webhook_endpoint.row(
        connection,
        endpoint_id=new_id(WEBHOOK_ENDPOINT),
        brand_id=brand_id,
        url=url,
        event_types=list(event_types),
        format=form,
        secret=secret,
    )
    assert row is not None, "INSERT RETURNING answers a row"
    return _endpoint_from(row)


async def change(
    connection: AnyConnection, before: WebhookEndpoint, said: EndpointFields
) -> WebhookEndpoint:
    """The endpoint as it is said to be, with every field. The caller holds the brand's lock.

    Enabled again, or with another URL, it starts afresh: what waits is due at once.
    """
    assert said.event_types is not None, "every field is said"
    row = await _change_webhook_endpoint.row(
        connection,
        brand_id=before.brand_id,
        endpoint_id=before.endpoint_id,
        url=said.url,
        event_types=list(said.event_types),
        format=said.format,
        is_enabled=said.is_enabled,
    )
    assert row is not None, "it was read behind the brand's lock"
    if said.is_enabled and (said.url != before.url or not before.is_enabled):
        await _resume_deliveries.run(
            connection,
            brand_id=before.brand_id,
            endpoint_id=before.endpoint_id,
            channel=EVENTS_CHANNEL,
        )
    return _endpoint_from(row)


async def rotate_secret(
    connection: AnyConnection, before: WebhookEndpoint, secret: str, *, overlap_minutes: int
) -> WebhookEndpoint:
    """The endpoint with this secret; the one it had is good for the overlap, and none before it."""
    row = await _rotate_webhook_secret.row(
        connection,
        brand_id=before.brand_id,
        endpoint_id=before.endpoint_id,
        secret=secret,
        overlap_minutes=overlap_minutes,
    )
    assert row is not None, "it was read behind the brand's lock"
    return _endpoint_from(row)


async def delete(connection: AnyConnection, before: WebhookEndpoint) -> WebhookEndpoint:
    """The endpoint without its secrets, its pending deliveries abandoned."""
    named = {"brand_id": before.brand_id, "endpoint_id": before.endpoint_id}
    await _abandon_deliveries.run(connection, **named)
    await _lock_webhook_endpoint.value(connection, **named)
    # What came in between, as the last.
    await _abandon_deliveries.run(connection, **named)
    row = await _delete_webhook_endpoint.row(connection, **named)
    assert row is not None, "it was read behind the brand's lock"
    return _endpoint_from(row)


def _endpoint_from(row: Record) -> WebhookEndpoint:
    return msgspec.convert(dict(row), WebhookEndpoint)
