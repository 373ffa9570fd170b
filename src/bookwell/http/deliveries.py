"""The routes of deliveries: what was sent to a webhook endpoint, once more, and as a test."""

from datetime import datetime
from typing import Annotated

from litestar import Response, get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType, field

from bookwell.domain.callers import ADMIN_SCOPE
from bookwell.domain.ids import VISIBLE
from bookwell.domain.webhooks import Delivery, DeliveryAttempt, DeliveryStatus, Stretch
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.events import POSITION_MAX
from bookwell.http.fields import Instant, checked_instant
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_place_cursor, write_cursor
from bookwell.http.plugged import plugged_into
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.webhooks import TAG, EventTypes
from bookwell.usecases import replays
from bookwell.usecases.replays import Replay, SentTest

# Of a field that may be absent, Litestar's document forgets a `ge` of 0.
_Position = Annotated[int, Meta(gt=-1, le=POSITION_MAX)]


class AttemptBody(Struct, kw_only=True):
    """One try. Without an `http_status` no answer came; `cause` says in a code what went wrong.

    It is null where the receiver took the event.
    """

    attempt: int
    attempted_at: datetime
    duration_ms: int
    http_status: int | None
    cause: str | None


class DeliveryBody(Struct, kw_only=True):
    """One event on its way to the endpoint, with every attempt so far.

    `pending`: `next_attempt_at` is when it is tried next. `delivered`: the receiver took it.
    `failed`: it was tried for three days. `abandoned`: the endpoint was deleted first. `position`
    is the event's place in the log, null for a test.
    """

    event_id: str
    event_type: str
    position: int | None
    status: DeliveryStatus
    created_at: datetime
    settled_at: datetime | None
    next_attempt_at: datetime | None
    attempt_count: int
    attempts: list[AttemptBody]


class DeliveryList(Struct, kw_only=True):
    """A page of deliveries, newest first."""

    deliveries: list[DeliveryBody]
    next_cursor: str | UnsetType = UNSET


class ReplayEvents(Struct, kw_only=True):
    """Which stretch of the log: by position, by when it occurred, or by both.

    Without bounds it is all that is kept. `only_failed` leaves out what the endpoint has taken and
    what is on its way to it; what was never sent to it counts as failed. Without `event_types` they
    are those the endpoint wants.
    """

    after_position: _Position | UnsetType = UNSET
    through_position: _Position | UnsetType = UNSET
    from_: Instant | UnsetType = field(name="from", default=UNSET)
    until: Instant | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    only_failed: bool = False


class ReplayBody(Struct, kw_only=True):
    """So many deliveries were made, of events after one position and through the other."""

    delivery_count: int
    after_position: int
    through_position: int


class WebhookTestBody(Struct, kw_only=True):
    """What came of the test: `is_delivered`, and the attempt as the deliveries have it."""

    event_id: str
    is_delivered: bool
    attempted_at: datetime
    duration_ms: int
    http_status: int | None
    cause: str | None


def attempt_body(attempt: DeliveryAttempt) -> AttemptBody:
    return AttemptBody(
        attempt=attempt.attempt,
        attempted_at=attempt.attempted_at,
        duration_ms=attempt.duration_ms,
        http_status=attempt.http_status,
        cause=attempt.cause,
    )


def delivery_body(delivery: Delivery) -> DeliveryBody:
    return DeliveryBody(
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        position=delivery.position,
        status=delivery.status,
        created_at=delivery.created_at,
        settled_at=delivery.settled_at,
        next_attempt_at=delivery.next_attempt_at,
        attempt_count=delivery.attempt_count,
        attempts=[attempt_body(each) for each in delivery.attempts],
    )


def replay_body(replay: Replay) -> ReplayBody:
    return ReplayBody(
        delivery_count=replay.delivery_count,
        after_position=replay.after_position,
        through_position=replay.through_position,
    )


def sent_test_body(result: SentTest) -> WebhookTestBody:
    attempt = result.attempt
    return WebhookTestBody(
        event_id=result.event_id,
        is_delivered=attempt.cause is None,
        attempted_at=attempt.attempted_at,
        duration_ms=attempt.duration_ms,
        http_status=attempt.http_status,
        cause=attempt.cause,
    )


@get(
    "/v1/webhook-endpoints/{id:str}/deliveries",
    **operation("list_deliveries", "List a webhook's deliveries", tag=TAG, scope=ADMIN_SCOPE),
    response_description="List of deliveries",
    responses=refusals({404: "Not found"}),
)
async def list_deliveries(
    request: AnyRequest,
    endpoint_id: PathId,
    status: Annotated[
        DeliveryStatus | None, QueryParameter(description="Only deliveries in this status.")
    ] = None,
    event_type: Annotated[
        str | None, QueryParameter(pattern=VISIBLE, description="Only events of this type.")
    ] = None,
    visit_id: Annotated[
        str | None, QueryParameter(pattern=VISIBLE, description="Only events of this visit.")
    ] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> DeliveryList:
    """What was sent to the endpoint and what waits for it, newest first, with every attempt."""
    page = await replays.list_deliveries(
        database_of(request),
        await call_of(request),
        endpoint_id,
        status=status,
        event_type=event_type,
        visit_id=visit_id,
        before_no=read_place_cursor(cursor),
        limit=limit,
    )
    return DeliveryList(
        deliveries=[delivery_body(each) for each in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@post(
    "/v1/webhook-endpoints/{id:str}/replay",
    **operation("replay_events", "Send events again", tag=TAG, scope=ADMIN_SCOPE),
    status_code=202,
    response_description="Deliveries made",
    responses=refusals(
        {404: "Not found", 410: "Some of these events are not kept any more", 412: "It is disabled"}
    ),
)
async def replay_events(
    request: AnyRequest, endpoint_id: PathId, data: JSONBody[ReplayEvents | None] = None
) -> Response[ReplayBody]:
    """Send the endpoint a stretch of the log again, each visit's events in their order.

    An event has the id it always had. At most 10,000 are sent, and 100,000 positions looked at, in
    one replay; more is refused, and the refusal says where to split.
    """
    asked = data or ReplayEvents()
    done = replays.replay(
        database_of(request), await call_of(request), endpoint_id, _stretch_of(asked)
    )
    return await answer(done, Replay, replay_body, status_code=202)


@post(
    "/v1/webhook-endpoints/{id:str}/test",
    **operation("test_webhook_endpoint", "Send a test event", tag=TAG, scope=ADMIN_SCOPE),
    status_code=200,
    response_description="What came of it",
    responses=refusals({404: "Not found"}),
)
async def test_webhook_endpoint(
    request: AnyRequest, endpoint_id: PathId
) -> Response[WebhookTestBody]:
    """Send the endpoint one signed event of the type `booking.webhook_endpoint.test.v1`, now.

    The answer says what came of it. It is not tried again, and goes to a disabled endpoint too.
    """
    tested = replays.send_test(
        database_of(request),
        plugged_into(request.app).outbound,
        await call_of(request),
        endpoint_id,
    )
    return await answer(tested, SentTest, sent_test_body)


def _stretch_of(asked: ReplayEvents) -> Stretch:
    return Stretch(
        after_position=None if asked.after_position is UNSET else asked.after_position,
        through_position=None if asked.through_position is UNSET else asked.through_position,
        occurred_from=None if asked.from_ is UNSET else checked_instant(asked.from_, "from"),
        occurred_until=None if asked.until is UNSET else checked_instant(asked.until, "until"),
        event_types=() if asked.event_types is UNSET else tuple(asked.event_types),
        only_failed=asked.only_failed,
    )


ROUTES = [list_deliveries, replay_events, test_webhook_endpoint]
