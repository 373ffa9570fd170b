"""`bookwell webhooks`: whether receivers take what they are sent, and what to do where they don't.

Of an endpoint's URL the scheme, the host and the port are shown, never its path or its query: many
receivers put a secret there.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from bookwell.cli.listing import PAGE_ROWS, each_page, show
from bookwell.cli.opened import brand_calls, on_database
from bookwell.cli.options import AsJson, DatabaseUrl, DataDir, as_brand, as_id
from bookwell.domain.callers import Call
from bookwell.domain.errors import NotFound
from bookwell.domain.webhooks import (
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    Stretch,
    WebhookEndpoint,
)
from bookwell.storage.database import Database
from bookwell.storage.webhook_queues import WebhookQueue
from bookwell.usecases import replays
from bookwell.usecases import webhooks as usecases
from bookwell.usecases.paging import Page

webhooks = typer.Typer(help="Where events are sent, what came of it, and sending them again.")

Result = TypeVar("Result")

# What `POST …/replay` takes too; no log goes as far.
POSITION_MAX = 2**53 - 1
LIMIT_DEFAULT = 20

EndpointId = Annotated[
    str, typer.Argument(metavar="ENDPOINT_ID", parser=as_id, help="The endpoint's id (whe_…).")
]


@webhooks.command("list")
def list_(
    *,
    brand: Annotated[
        str | None,
        typer.Argument(metavar="BRAND", parser=as_brand, help="The brand's id; else every brand."),
    ] = None,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Also those that were deleted.")
    ] = False,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """List webhook endpoints: how each is doing, and what waits for it.

    Of its URL the host is shown: the rest may be a secret of the receiver.
    """

    async def all_of_them(database: Database) -> AsyncIterator[list[WebhookQueue]]:
        # One table: a brand has a handful.
        yield [
            each
            for call in await brand_calls(database, brand)
            async for page in each_page(_asking(database, call, include_deleted=deleted))
            for each in page
        ]

    async def work(database: Database) -> None:
        columns = (
            *("id", "brand_id", "host", "state", "pending_count", "oldest_pending_seconds"),
            "last_delivered_at",
        )
        await show(all_of_them(database), _describe, columns=columns, as_json=as_json)

    on_database(database_url, data_dir, work)


@webhooks.command("deliveries")
def list_deliveries(
    endpoint_id: EndpointId,
    *,
    status: Annotated[
        DeliveryStatus | None, typer.Option(help="Only deliveries in this status.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="COUNT", help="Of so many deliveries.")
    ] = LIMIT_DEFAULT,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """List attempts to deliver to an endpoint, of the newest deliveries first.

    A delivery that was not tried yet has a line of its own.
    """

    async def list_attempts(database: Database, call: Call) -> None:
        newest = _newest(database, call, endpoint_id, status=status, limit=limit)
        columns = (
            *("attempted_at", "event_type", "status", "http_status", "cause", "attempt"),
            "duration_ms",
        )
        await show(newest, _describe_attempt, columns=columns, as_json=as_json)

    _on_endpoint(endpoint_id, database_url, data_dir, list_attempts)


@webhooks.command("replay", epilog="Example: bookwell webhooks replay whe_… --after 1200")
def replay(
    endpoint_id: EndpointId,
    *,
    after: Annotated[
        int,
        typer.Option(min=0, max=POSITION_MAX, metavar="POSITION", help="Events after this one."),
    ],
    through: Annotated[
        int | None,
        typer.Option(
            min=0, max=POSITION_MAX, metavar="POSITION", help="The last one; the log's end."
        ),
    ] = None,
    only_failed: Annotated[
        bool,
        typer.Option("--only-failed", help="Not what was taken, nor what is on its way."),
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Send an endpoint a stretch of the log again, with the ids that events have.

    Positions are those of `bookwell events`.
    """
    stretch = Stretch(after_position=after, through_position=through, only_failed=only_failed)

    async def send(database: Database, call: Call) -> replays.Replay:
        return await replays.replay(database, call, endpoint_id, stretch)

    done = _on_endpoint(endpoint_id, database_url, data_dir, send)
    typer.echo(
        f"Deliveries made: {done.delivery_count}, of events after {done.after_position} and "
        f"through {done.through_position}."
    )


@webhooks.command("enable")
def enable(
    endpoint_id: EndpointId, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Send an endpoint events again, and what waits for it at once.

    What happened while it was disabled is for `bookwell webhooks replay`.
    """
    _set_enabled(endpoint_id, database_url, data_dir, is_enabled=True)
    typer.echo(f"Enabled {endpoint_id}.")


@webhooks.command("disable")
def disable(
    endpoint_id: EndpointId, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Send an endpoint nothing until it is enabled again.

    What waits for it goes on waiting; later events are not kept for it.
    """
    _set_enabled(endpoint_id, database_url, data_dir, is_enabled=False)
    typer.echo(f"Disabled {endpoint_id}.")


def _set_enabled(
    endpoint_id: str, database_url: DatabaseUrl, data_dir: DataDir, *, is_enabled: bool
) -> None:
    async def change(database: Database, call: Call) -> WebhookEndpoint:
        return await usecases.set_enabled(database, call, endpoint_id, is_enabled=is_enabled)

    _on_endpoint(endpoint_id, database_url, data_dir, change)


def _on_endpoint(
    endpoint_id: str,
    database_url: DatabaseUrl,
    data_dir: DataDir,
    work: Callable[[Database, Call], Awaitable[Result]],
) -> Result:
    """Do this for the brand whose endpoint it is. Raises NotFound where it is no brand's."""

    async def find_and_work(database: Database) -> Result:
        for call in await brand_calls(database, None):
            try:
                await usecases.get_endpoint(database, call, endpoint_id)
            except NotFound:
                continue
            return await work(database, call)
        raise NotFound(f"There is no endpoint {endpoint_id}; see `bookwell webhooks list`.")

    return on_database(database_url, data_dir, find_and_work)


def _asking(
    database: Database, call: Call, *, include_deleted: bool
) -> Callable[[str | None, int], Awaitable[Page[WebhookQueue]]]:
    return lambda after_id, limit: usecases.list_queues(
        database, call, include_deleted=include_deleted, after_id=after_id, limit=limit
    )


async def _newest(
    database: Database,
    call: Call,
    endpoint_id: str,
    *,
    status: DeliveryStatus | None,
    limit: int,
) -> AsyncIterator[list[tuple[Delivery, DeliveryAttempt | None]]]:
    """The newest deliveries with each of their attempts, the last one first."""
    before_no, left = None, limit
    while True:
        page = await replays.list_deliveries(
            database,
            call,
            endpoint_id,
            status=status,
            before_no=before_no,
            limit=min(left, PAGE_ROWS),
        )
        yield [
            (delivery, attempt)
            for delivery in page.items
            for attempt in (*reversed(delivery.attempts),) or (None,)
        ]
        left -= len(page.items)
        if page.next_key is None or left == 0:
            return
        before_no = int(str(page.next_key[0]))


def _describe(queue: WebhookQueue) -> dict[str, Any]:
    endpoint = queue.endpoint
    return {
        "id": endpoint.endpoint_id,
        "brand_id": endpoint.brand_id,
        "host": endpoint.host,
        "event_types": endpoint.event_types,
        "format": endpoint.format,
        "state": _state_of(endpoint),
        "disabled_at": endpoint.disabled_at,
        "paused_until": endpoint.paused_until,
        "failing_since": endpoint.failing_since,
        "pending_count": queue.pending_count,
        "oldest_pending_seconds": queue.oldest_pending_seconds,
        "last_delivered_at": queue.last_delivered_at,
        "previous_secret_until": endpoint.previous_secret_until,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
        "deleted_at": endpoint.deleted_at,
        "version": endpoint.version,
    }


def _state_of(endpoint: WebhookEndpoint) -> str:
    if endpoint.deleted_at is not None:
        return "deleted"
    if endpoint.disabled_because is not None:
        return f"disabled ({endpoint.disabled_because})"
    if endpoint.paused_until is not None:
        return "paused"
    return "enabled" if endpoint.failing_since is None else "failing"


def _describe_attempt(tried: tuple[Delivery, DeliveryAttempt | None]) -> dict[str, Any]:
    delivery, attempt = tried
    return {
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "position": delivery.position,
        "status": delivery.status,
        "created_at": delivery.created_at,
        "next_attempt_at": delivery.next_attempt_at,
        "attempt": attempt and attempt.attempt,
        "attempted_at": attempt and attempt.attempted_at,
        "duration_ms": attempt and attempt.duration_ms,
        "http_status": attempt and attempt.http_status,
        "cause": attempt and attempt.cause,
    }
