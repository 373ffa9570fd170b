"""Say where a brand's events are to be sent, and with which secret they are signed."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from bookwell.domain.callers import Call
from bookwell.domain.envelopes import Format
from bookwell.domain.errors import (
    IdempotencyKeyMismatch,
    TooManyWebhookEndpoints,
    VersionMismatch,
)
from bookwell.domain.webhooks import (
    ENDPOINTS_MAX,
    EndpointFields,
    WebhookEndpoint,
    checked_event_types,
)
from bookwell.gateways.outbound import Outbound
from bookwell.storage import catalog, idempotency, journal, webhook_queues, webhooks
from bookwell.storage.database import Database
from bookwell.storage.idempotency import Replayed
from bookwell.storage.journal import Entry
from bookwell.storage.statements import AnyConnection
from bookwell.storage.told_once import hash_of
from bookwell.storage.webhook_queues import WebhookQueue
from bookwell.usecases.paging import Page


class ToldSecret(Struct, frozen=True, kw_only=True):
    """An endpoint and its new secret; `is_replay` where its key had led to it before."""

    endpoint: WebhookEndpoint
    secret: str
    is_replay: bool = False

    def __repr__(self) -> str:
        return f"ToldSecret({self.endpoint.endpoint_id})"


class KeptEndpoint(Struct, frozen=True, kw_only=True):
    """What is remembered for an idempotency key: the endpoint, and of its secret only the hash.

    The salt is here so that the key, used again when it is forgotten, brings no old secret back.
    """

    endpoint: WebhookEndpoint
    secret_hash: str
    salt: str


async def add_endpoint(
    database: Database,
    outbound: Outbound,
    call: Call,
    *,
    url: str,
    event_types: Sequence[str],
    form: Format,
    bearer: str | None = None,
) -> ToldSecret:
    """Send the brand's events of these types there from now on, signed with a new secret.

    The secret is told once. Under an idempotency key it is derived from `bearer`, the caller's own
    token, and derived again to answer a repeated call; without a key it is random.

    Raises:
        InvalidInput: The URL may not be sent to, or a type does not exist; the field is named.
        NotFound: There is no such brand.
        TooManyWebhookEndpoints: The brand has as many as it may.
        IdempotencyKeyMismatch: The key was used with another token of this caller, or for another
            request.
    """
    outbound.check(url)
    types = checked_event_types(event_types)
    secret, salt = _new_secret(call, bearer)
    try:
        async with database.transaction(call) as connection:
            await catalog.get_brand(connection, call.brand_id)
            await webhooks.lock(connection, call.brand_id)
            if await webhooks.count(connection, call.brand_id) >= ENDPOINTS_MAX:
                raise TooManyWebhookEndpoints(endpoints_max=ENDPOINTS_MAX)
            added = await webhooks.add(
                connection,
                secret,
                brand_id=call.brand_id,
                url=url,
                event_types=types,
                form=form,
            )
            await _record_secret(connection, call, "created", added, secret, salt)
    except Replayed as before:
        return _told_again(before, call, bearer)
    return ToldSecret(endpoint=added, secret=secret)


async def rotate_secret(
    database: Database,
    call: Call,
    endpoint_id: str,
    *,
    overlap_minutes: int,
    bearer: str | None = None,
    versions: Sequence[int] | None = None,
) -> ToldSecret:
    """Give the endpoint another secret; the one it has is good for so many minutes more.

    Rotated during an overlap, the overlap begins anew with the secret that was current until now,
    and the one before it is good no more: never more than two are.

    Raises:
        NotFound: The brand has no such endpoint, or deleted it.
        VersionMismatch: It has changed since the versions named.
        IdempotencyKeyMismatch: As `add_endpoint`.
    """
    secret, salt = _new_secret(call, bearer)
    try:
        async with database.transaction(call) as connection:
            before = await _behind_lock(connection, call, endpoint_id, versions)
            rotated = await webhooks.rotate_secret(
                connection, before, secret, overlap_minutes=overlap_minutes
            )
            await _record_secret(connection, call, "secret_rotated", rotated, secret, salt)
    except Replayed as replayed:
        return _told_again(replayed, call, bearer)
    return ToldSecret(endpoint=rotated, secret=secret)


async def list_endpoints(
    database: Database, call: Call, *, include_deleted: bool, after_id: str | None, limit: int
) -> Page[WebhookEndpoint]:
    """A page of the brand's endpoints, oldest first, without their secrets.

    Raises:
        NotFound: There is no such brand.
    """
    async with database.reading() as connection:
        await catalog.get_brand(connection, call.brand_id)
        found = await webhooks.list_by_id(
            connection,
            brand_id=call.brand_id,
            include_deleted=include_deleted,
            after_id=after_id or "",
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda each: (each.endpoint_id,))


async def list_queues(
    database: Database, call: Call, *, include_deleted: bool, after_id: str | None, limit: int
) -> Page[WebhookQueue]:
    """As `list_endpoints`, each with what waits for it."""
    page = await list_endpoints(
        database, call, include_deleted=include_deleted, after_id=after_id, limit=limit
    )
    async with database.reading() as connection:
        queues = await webhook_queues.of_endpoints(
            connection, brand_id=call.brand_id, endpoints=page.items
        )
    return Page(items=queues, next_key=page.next_key)


async def get_endpoint(database: Database, call: Call, endpoint_id: str) -> WebhookEndpoint:
    """The brand's endpoint, also a deleted one; NotFound otherwise."""
    async with database.reading() as connection:
        return await webhooks.get(connection, brand_id=call.brand_id, endpoint_id=endpoint_id)


async def change_endpoint(
    database: Database,
    outbound: Outbound,
    call: Call,
    endpoint_id: str,
    fields: EndpointFields,
    *,
    versions: Sequence[int] | None = None,
) -> WebhookEndpoint:
    """Replace what the fields name.

    While it is disabled, nothing is sent and no new deliveries are made; those that wait go on
    waiting. Enabled again, or at another URL, it starts afresh: what waits is due at once. What is
    said but is so already changes nothing, nor the version.

    Raises:
        InvalidInput: As `add_endpoint`.
        NotFound: The brand has no such endpoint, or deleted it.
        VersionMismatch: It has changed since the versions named.
    """
    if fields.url is not None:
        outbound.check(fields.url)
    if fields.event_types is not None:
        checked_event_types(fields.event_types)
    return await _change(database, call, endpoint_id, fields, versions)


async def set_enabled(
    database: Database, call: Call, endpoint_id: str, *, is_enabled: bool
) -> WebhookEndpoint:
    """Send there again, or nothing more for now; as `change_endpoint`."""
    return await _change(database, call, endpoint_id, EndpointFields(is_enabled=is_enabled), None)


async def _change(
    database: Database,
    call: Call,
    endpoint_id: str,
    fields: EndpointFields,
    versions: Sequence[int] | None,
) -> WebhookEndpoint:
    async with database.transaction(call) as connection:
        before = await _behind_lock(connection, call, endpoint_id, versions)
        if fields.of(before) == EndpointFields().of(before):
            await idempotency.remember(connection, call, before)
            return before
        changed = await webhooks.change(connection, before, fields.of(before))
        entry = _entry("changed", changed, fields=fields.names, is_enabled=changed.is_enabled)
        await journal.record(connection, call, entry, answer=changed)
    return changed


async def delete_endpoint(
    database: Database, call: Call, endpoint_id: str, *, versions: Sequence[int] | None = None
) -> WebhookEndpoint:
    """Send nothing there any more. Its secrets are gone, and what waited is abandoned.

    What is just being sent may still arrive. Safe to repeat.

    Raises:
        NotFound: The brand never had it.
        VersionMismatch: It has changed since the versions named.
    """
    async with database.transaction(call) as connection:
        await webhooks.lock(connection, call.brand_id)
        before = await webhooks.get(connection, brand_id=call.brand_id, endpoint_id=endpoint_id)
        _check_version(before, versions)
        if before.deleted_at is not None:
            await idempotency.remember(connection, call, before)
            return before
        deleted = await webhooks.delete(connection, before)
        await journal.record(connection, call, _entry("deleted", deleted), answer=deleted)
    return deleted


async def _behind_lock(
    connection: AnyConnection, call: Call, endpoint_id: str, versions: Sequence[int] | None
) -> WebhookEndpoint:
    await webhooks.lock(connection, call.brand_id)
    found = await webhooks.get(
        connection, brand_id=call.brand_id, endpoint_id=endpoint_id, is_live=True
    )
    _check_version(found, versions)
    return found


def _check_version(endpoint: WebhookEndpoint, versions: Sequence[int] | None) -> None:
    if versions is not None and endpoint.version not in versions:
        raise VersionMismatch


def _new_secret(call: Call, bearer: str | None) -> tuple[str, str]:
    """A secret and its salt; without a key it is random, and the salt is nothing's."""
    salt = webhooks.new_salt()
    if call.key is None:
        return webhooks.new_secret(), salt
    assert bearer is not None, "only a caller with a token of their own sends a key"
    return webhooks.derived_secret(call, bearer=bearer, salt=salt), salt


async def _record_secret(
    connection: AnyConnection,
    call: Call,
    verb: str,
    endpoint: WebhookEndpoint,
    secret: str,
    salt: str,
) -> None:
    kept = KeptEndpoint(endpoint=endpoint, secret_hash=hash_of(secret).hex(), salt=salt)
    await journal.record(connection, call, _entry(verb, endpoint), answer=kept)


def _told_again(before: Replayed, call: Call, bearer: str | None) -> ToldSecret:
    kept = msgspec.json.decode(before.answer, type=KeptEndpoint)
    assert bearer is not None, "see _new_secret"
    secret = webhooks.derived_secret(call, bearer=bearer, salt=kept.salt)
    if kept.secret_hash != hash_of(secret).hex():
        raise IdempotencyKeyMismatch(
            "This idempotency key was used with another bearer token of yours."
        ) from before
    return ToldSecret(endpoint=kept.endpoint, secret=secret, is_replay=True)


def _entry(verb: str, endpoint: WebhookEndpoint, **details: object) -> Entry:
    """The audit's words for a change of an endpoint; never its URL, which may hold a password."""
    return Entry(
        event_type=f"webhook_endpoint.{verb}",
        entity_type="webhook_endpoint",
        entity_id=endpoint.endpoint_id,
        details={"version": endpoint.version, **details},
    )
