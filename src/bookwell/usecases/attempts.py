"""One attempt to deliver one event: written, signed, posted, and what that means.

2xx is a delivery. Everything else is a failure and is tried again: a redirect too, which is never
followed, because whoever can bend one would get what is meant for somebody else.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from bookwell.chance import CHANCE
from bookwell.domain.envelopes import LoggedEvent, written
from bookwell.domain.errors import NotFound
from bookwell.domain.ids import EVENT, new_id
from bookwell.domain.retries import wait_after
from bookwell.domain.signatures import Message, sign
from bookwell.domain.webhooks import DeliveryAttempt, Secrets, WebhookEndpoint
from bookwell.gateways.dialing import OutboundFailed
from bookwell.gateways.outbound import INTERRUPTED, Answer, Outbound
from bookwell.storage import deliveries
from bookwell.storage.database import Database
from bookwell.storage.deliveries import Outcome, Sending
from bookwell.storage.webhooks import NO_SUCH_ENDPOINT

# The type of an event that stands in no log: somebody wanted to see whether it arrives.
TEST_EVENT_TYPE = "booking.webhook_endpoint.test.v1"

_ASKS_TO_WAIT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Tested(NamedTuple):
    """A test delivery, and what came of it."""

    delivery_no: int
    event_id: str
    attempt: DeliveryAttempt


class _Result(NamedTuple):
    http_status: int | None
    cause: str | None
    duration_ms: int
    pause: timedelta | None = None


async def attempt(outbound: Outbound, sending: Sending, *, is_ours: Callable[[], bool]) -> Outcome:
    """Post a delivery once, and say what came of it.

    `is_ours` is asked right before it is sent: a process that stood still may have lost its lease.
    """
    if sending.event is None:
        return Outcome(
            sending.delivery_no,
            sending.attempt,
            "given_up",
            None,
            "event_gone",
            0,
            timedelta(),
            None,
        )
    message = Message(
        event_id=sending.event.event_id,
        event_type=sending.event.event_type,
        attempt=sending.attempt,
        form=sending.form,
        body=written(sending.event, sending.form),
    )
    result = await _post(outbound, sending.url, message, sending.secrets, is_wanted=is_ours)
    wait = _wait_after(sending.attempt, result)
    return Outcome(
        delivery_no=sending.delivery_no,
        attempt=sending.attempt,
        outcome="delivered" if result.cause is None else "failed",
        http_status=result.http_status,
        cause=result.cause,
        duration_ms=result.duration_ms,
        wait=wait if result.pause is None else max(wait, result.pause),
        pause=result.pause,
    )


def broken_off(sending: Sending, began: float, *, cause: str) -> Outcome:
    """An attempt that we did not end, begun at `began` by the monotonic clock."""
    duration_ms = round((time.monotonic() - began) * 1000)
    return Outcome(
        delivery_no=sending.delivery_no,
        attempt=sending.attempt,
        outcome="failed",
        http_status=None,
        cause=cause,
        duration_ms=duration_ms,
        wait=_wait_after(sending.attempt, _Result(None, cause, duration_ms)),
        pause=None,
    )


async def attempt_test(
    database: Database, outbound: Outbound, endpoint: WebhookEndpoint, secrets: Secrets
) -> Tested:
    """Send an event of no meaning to the endpoint now, once, and put on record what came of it.

    Raises:
        NotFound: The endpoint was deleted meanwhile.
    """
    now = datetime.now(UTC)
    event = LoggedEvent(
        event_id=new_id(EVENT),
        event_type=TEST_EVENT_TYPE,
        brand_id=endpoint.brand_id,
        entity_id=endpoint.endpoint_id,
        sequence=1,
        # Places in the log begin with 1.
        position=0,
        occurred_at=now,
        data=msgspec.Raw(msgspec.json.encode({"endpoint_id": endpoint.endpoint_id})),
    )
    async with database.reading() as connection:
        delivery_no = await deliveries.start_test(
            connection,
            brand_id=endpoint.brand_id,
            endpoint_id=endpoint.endpoint_id,
            event_id=event.event_id,
            event_type=event.event_type,
        )
    if delivery_no is None:
        raise NotFound(NO_SUCH_ENDPOINT)
    body = written(event, endpoint.format)
    message = Message(event.event_id, event.event_type, 1, endpoint.format, body)
    result = await _post(outbound, endpoint.url, message, secrets)
    async with database.reading() as connection:
        await deliveries.finish_test(
            connection,
            brand_id=endpoint.brand_id,
            delivery_no=delivery_no,
            http_status=result.http_status,
            cause=result.cause,
            duration_ms=result.duration_ms,
        )
    return Tested(
        delivery_no,
        event.event_id,
        DeliveryAttempt(
            attempt=1,
            attempted_at=now,
            duration_ms=result.duration_ms,
            http_status=result.http_status,
            cause=result.cause,
        ),
    )


async def _post(
    outbound: Outbound,
    url: str,
    message: Message,
    secrets: Secrets,
    *,
    is_wanted: Callable[[], bool] = lambda: True,
) -> _Result:
    began = time.monotonic()
    headers = sign(
        message, current=secrets.current, previous=secrets.previous, sent_at=datetime.now(UTC)
    )
    try:
        answer = await outbound.post(url, headers=headers, body=message.body, is_wanted=is_wanted)
    except OutboundFailed as failure:
        return _Result(None, failure.cause, round((time.monotonic() - began) * 1000))
    pause = answer.retry_after if answer.status in _ASKS_TO_WAIT else None
    return _Result(answer.status, _cause_of(answer), answer.duration_ms, pause)


def _cause_of(answer: Answer) -> str | None:
    """Why this answer is no delivery; None where it is one."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the class of statuses that mean success
        return None
    if answer.status == HTTPStatus.GONE:
        return "gone"
    return "redirect" if 300 <= answer.status < 400 else "status"  # noqa: PLR2004 - as above


def _wait_after(number: int, result: _Result) -> timedelta:
    if result.cause == INTERRUPTED:
        return timedelta(0)
    took = timedelta(milliseconds=result.duration_ms)
    return wait_after(number, chance=CHANCE.random(), took=took)
