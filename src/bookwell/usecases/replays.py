"""Look at what was sent to a webhook endpoint, send a stretch of the log again, send a test."""

import asyncio
from datetime import timedelta

from msgspec import Struct

from bookwell.domain.callers import Call
from bookwell.domain.errors import EventsGone, InvalidInput, NotFound, WebhookEndpointDisabled
from bookwell.domain.webhooks import (
    REPLAY_DELIVERIES_MAX,
    REPLAY_SPAN_MAX,
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    Secrets,
    Stretch,
    WebhookEndpoint,
    checked_event_types,
)
from bookwell.gateways.outbound import Outbound
from bookwell.storage import event_log, idempotency, journal, replays, webhooks
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.storage.statements import AnyConnection
from bookwell.usecases.attempts import attempt_test
from bookwell.usecases.paging import Page

# A twin of a test that is under way looks this often whether it is over.
TWIN_LOOKS_SECONDS = 0.1
# Besides the post itself, what a test takes on a busy machine; a twin waits no longer for it.
TEST_MARGIN = timedelta(seconds=4)


class Replay(Struct, frozen=True, kw_only=True):
    """So many new deliveries were made, of events after one position and through another."""

    endpoint_id: str
    delivery_count: int
    after_position: int
    through_position: int


class SentTest(Struct, frozen=True, kw_only=True):
    """What came of a test delivery."""

    endpoint_id: str
    event_id: str
    attempt: DeliveryAttempt


async def list_deliveries(
    database: Database,
    call: Call,
    endpoint_id: str,
    *,
    status: DeliveryStatus | None = None,
    event_type: str | None = None,
    visit_id: str | None = None,
    before_no: int | None,
    limit: int,
) -> Page[Delivery]:
    """A page of the deliveries to the brand's endpoint, also to a deleted one, newest first.

    `visit_id` may as well be the id of whatever else an event is about.

    Raises:
        NotFound: The brand never had such an endpoint.
    """
    async with database.reading() as connection:
        endpoint = await webhooks.get(connection, brand_id=call.brand_id, endpoint_id=endpoint_id)
        found = await replays.list_deliveries(
            connection,
            endpoint,
            status=status,
            event_type=event_type,
            entity_id=visit_id,
            before_no=replays.NEWEST if before_no is None else before_no,
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda each: (str(each.delivery_no),))


async def replay(database: Database, call: Call, endpoint_id: str, stretch: Stretch) -> Replay:
    """Send the endpoint these events again, each visit's in their order, with the ids they have.

    Without types they are those that the endpoint wants. What stands in the log when this is asked
    is all there is; later events come by themselves.

    Raises:
        InvalidInput: A type does not exist, the stretch ends before it begins, or these are too
            many at once; then the sentence says where to split.
        NotFound: The brand has no such endpoint, or deleted it.
        WebhookEndpointDisabled: It is to be enabled first.
        EventsGone: The stretch begins with events that are not kept any more.
    """
    if stretch.event_types:
        checked_event_types(stretch.event_types)
    _check_order(stretch)
    async with database.transaction(call) as connection:
        # Else it could be deleted meanwhile, and nobody would give up what is made here.
        await webhooks.lock(connection, call.brand_id)
        endpoint = await webhooks.get(
            connection, brand_id=call.brand_id, endpoint_id=endpoint_id, is_live=True
        )
        if not endpoint.is_enabled:
            raise WebhookEndpointDisabled(disabled_because=endpoint.disabled_because)
        after, through = await _bounds_of(connection, call, stretch)
        made = await replays.replay(
            connection, endpoint, stretch, after_position=after, through_position=through
        )
        if made.event_count > REPLAY_DELIVERIES_MAX:
            raise _too_many(f"{REPLAY_DELIVERIES_MAX:,} events are sent", made.last_allowed)
        done = Replay(
            endpoint_id=endpoint_id,
            delivery_count=made.event_count,
            after_position=after,
            through_position=through,
        )
        await journal.record(connection, call, _replayed_entry(done, stretch), answer=done)
    return done


async def send_test(
    database: Database, outbound: Outbound, call: Call, endpoint_id: str
) -> SentTest:
    """Send the endpoint, enabled or not, one signed event of no meaning now; say what came of it.

    Nothing is locked while it is under way. A twin with the same key waits for the one that was
    first, and is told what came of that; it sends its own only if the first one died of it.

    Raises:
        NotFound: The brand has no such endpoint, or deleted it.
    """
    endpoint, secrets = await _test_alone(database, outbound, call, endpoint_id)
    tested = await attempt_test(database, outbound, endpoint, secrets)
    result = SentTest(endpoint_id=endpoint_id, event_id=tested.event_id, attempt=tested.attempt)
    async with database.transaction(call) as connection:
        await idempotency.unclaim(connection, call)
        await journal.record(connection, call, _tested_entry(endpoint, result), answer=result)
    return result


async def _test_alone(
    database: Database, outbound: Outbound, call: Call, endpoint_id: str
) -> tuple[WebhookEndpoint, Secrets]:
    """The endpoint and its secrets, once no twin of this call is at it."""
    lease = outbound.post_takes_at_most + TEST_MARGIN
    while True:
        async with database.statement(call) as connection:
            is_first = await idempotency.claim(connection, call, lease=lease)
            endpoint = await webhooks.get(
                connection, brand_id=call.brand_id, endpoint_id=endpoint_id, is_live=True
            )
            secrets = await webhooks.secrets_of(
                connection, brand_id=call.brand_id, endpoint_id=endpoint_id
            )
            if secrets is None:
                raise NotFound(webhooks.NO_SUCH_ENDPOINT)
            if is_first:
                return endpoint, secrets
        await asyncio.sleep(TWIN_LOOKS_SECONDS)


def _check_order(stretch: Stretch) -> None:
    """Refuse a stretch that ends before it begins."""
    after, through = stretch.after_position, stretch.through_position
    if after is not None and through is not None and through < after:
        raise InvalidInput(
            "through_position must not be below after_position.", field="through_position"
        )
    begins, ends = stretch.occurred_from, stretch.occurred_until
    if begins is not None and ends is not None and ends <= begins:
        raise InvalidInput("until must be after from.", field="until")


async def _bounds_of(connection: AnyConnection, call: Call, stretch: Stretch) -> tuple[int, int]:
    """After which position and through which one the stretch goes, not more than are looked at."""
    # Else an old event could go between this look and the last, and would be missing in between.
    state = await event_log.hold(connection, brand_id=call.brand_id)
    after, through = state.kept_from - 1, state.last_position
    if stretch.after_position is not None:
        if stretch.after_position < after:
            raise EventsGone(kept_from=state.kept_from)
        after = stretch.after_position
    if stretch.through_position is not None:
        through = min(through, stretch.through_position)
    if stretch.occurred_from is not None or stretch.occurred_until is not None:
        days = await replays.positions_of(
            connection,
            brand_id=call.brand_id,
            occurred_from=stretch.occurred_from,
            occurred_until=stretch.occurred_until,
        )
        first, last = days or (1, 0)
        after, through = max(after, first - 1), min(through, last)
    through = max(after, through)
    if through - after > REPLAY_SPAN_MAX:
        raise _too_many(f"{REPLAY_SPAN_MAX:,} positions are looked at", after + REPLAY_SPAN_MAX)
    return after, through


def _too_many(limit: str, split_at: int | None) -> InvalidInput:
    return InvalidInput(
        f"At most {limit} in one replay. Ask for it with through_position {split_at} first, and "
        f"then again with after_position {split_at}.",
        field="through_position",
    )


def _replayed_entry(done: Replay, stretch: Stretch) -> Entry:
    return Entry(
        event_type="webhook_endpoint.replayed",
        entity_type="webhook_endpoint",
        entity_id=done.endpoint_id,
        details={
            "after_position": done.after_position,
            "through_position": done.through_position,
            "only_failed": stretch.only_failed,
            "delivery_count": done.delivery_count,
        },
    )


def _tested_entry(endpoint: WebhookEndpoint, result: SentTest) -> Entry:
    return Entry(
        event_type="webhook_endpoint.tested",
        entity_type="webhook_endpoint",
        entity_id=endpoint.endpoint_id,
        details={"is_delivered": result.attempt.cause is None},
    )
