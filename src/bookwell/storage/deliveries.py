"""Deliveries of events to webhook endpoints, in PostgreSQL: who sends which, and what came of it.

Any number of workers share them. One that is taken is its worker's until the lease ends, and the
worker renews it while it is at it; what comes of an attempt counts only as long as it is theirs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from asyncpg import Record
from msgspec import Struct

from bookwell.domain.envelopes import Format, LoggedEvent
from bookwell.domain.ids import REQUEST, new_id
from bookwell.domain.retries import TRIED_FOR
from bookwell.domain.webhooks import Secrets
from bookwell.domain.windows import ROOM_AT_FIRST
from bookwell.storage.statements import AnyConnection, statement

# A worker that was killed leaves its deliveries to the others after this long.
LEASE = timedelta(seconds=6)
# Those in line behind one that is under way are looked at again after this; usually they are called
# when it is over.
BEHIND_FOR = timedelta(seconds=0.5)
# Besides those there is room for, so many are looked at: some may be in line behind another.
SLACK = 16
# What has not been taken by a receiver for this long was delayed for the receiver's sake.
RECOVERED_AFTER = timedelta(seconds=30)
PULLED_MAX = 1000

_claim = statement("claim_deliveries")
_renew = statement("renew_deliveries")
_finish = statement("finish_deliveries")
_pull_forward = statement("pull_deliveries_forward")
_start_test = statement("start_test_delivery")
_finish_test = statement("finish_test_delivery")


class Sending(Struct, frozen=True, kw_only=True):
    """One attempt that this worker is to make. `event` is None where it is kept no more."""

    delivery_no: int
    attempt: int
    endpoint_id: str
    url: str
    form: Format
    secrets: Secrets
    event: LoggedEvent | None


class Outcome(NamedTuple):
    """What came of an attempt.

    `outcome` is `delivered`, `failed`, or `given_up` where there is nothing to try again. `wait` is
    the time until the next try, `pause` how long the receiver asked us to send it nothing at all.
    """

    delivery_no: int
    attempt: int
    outcome: str
    http_status: int | None
    cause: str | None
    duration_ms: int
    wait: timedelta
    pause: timedelta | None


async def claim(
    connection: AnyConnection, *, worker_id: str, rooms: Mapping[str, int], row_limit: int
) -> list[Sending]:
    """Take deliveries that are due; `rooms` says for how many more an endpoint has room."""
    rows = await _claim.rows(
        connection,
        worker_id=worker_id,
        endpoint_ids=list(rooms),
        rooms=list(rooms.values()),
        room_at_first=ROOM_AT_FIRST,
        row_limit=row_limit,
        slack=SLACK,
        lease=LEASE,
        behind_for=BEHIND_FOR,
    )
    return [_sending_from(row) for row in rows]


async def renew(
    connection: AnyConnection, *, worker_id: str, delivery_nos: Sequence[int]
) -> set[int]:
    """Keep these for another lease; answers those that are still this worker's."""
    rows = await _renew.rows(
        connection, worker_id=worker_id, delivery_nos=delivery_nos, lease=LEASE
    )
    return {row["delivery_no"] for row in rows}


async def finish(
    connection: AnyConnection, *, worker_id: str, outcomes: Sequence[Outcome]
) -> list[str]:
    """Write down what came of attempts that are still this worker's; others change nothing.

    Answers the endpoints that take deliveries again after a long time.
    """
    columns = [list(column) for column in zip(*outcomes, strict=True)]
    names = ("delivery_nos", "attempts", "outcomes", "http_statuses", "causes", "durations_ms")
    rows = await _finish.rows(
        connection,
        worker_id=worker_id,
        **dict(zip((*names, "waits", "pauses"), columns, strict=True)),
        tried_for=TRIED_FOR,
        recovered_after=RECOVERED_AFTER,
        request_id=new_id(REQUEST),
    )
    return [row["endpoint_id"] for row in rows]


async def pull_forward(connection: AnyConnection, endpoint_id: str) -> int:
    """Make the next waiting ones of the endpoint due; answers how many, PULLED_MAX at most."""
    count: int = await _pull_forward.value(
        connection, endpoint_id=endpoint_id, row_limit=PULLED_MAX
    )
    return count


async def start_test(
    connection: AnyConnection, *, brand_id: str, endpoint_id: str, event_id: str, event_type: str
) -> int | None:
    """Put a test on record, as one that failed so far; None where there is no such endpoint."""
    row = await _start_test.row(
        connection,
        brand_id=brand_id,
        endpoint_id=endpoint_id,
        event_id=event_id,
        event_type=event_type,
    )
    return None if row is None else row["delivery_no"]


async def finish_test(
    connection: AnyConnection,
    *,
    brand_id: str,
    delivery_no: int,
    http_status: int | None,
    cause: str | None,
    duration_ms: int,
) -> None:
    """Write down what came of a test: delivered where there is no `cause`."""
    await _finish_test.run(
        connection,
        brand_id=brand_id,
        delivery_no=delivery_no,
        is_delivered=cause is None,
        http_status=http_status,
        cause=cause,
        duration_ms=duration_ms,
    )


def _sending_from(row: Record) -> Sending:
    return Sending(
        delivery_no=row["delivery_no"],
        attempt=row["attempts"],
        endpoint_id=row["endpoint_id"],
        url=row["url"],
        form=Format(row["format"]),
        secrets=Secrets(row["secret"], row["previous_secret"]),
        event=_event_from(row),
    )


def _event_from(row: Record) -> LoggedEvent | None:
    occurred_at: datetime | None = row["occurred_at"]
    if occurred_at is None:
        return None
    return LoggedEvent(
        event_id=row["event_id"],
        event_type=row["event_type"],
        brand_id=row["brand_id"],
        entity_id=row["entity_id"],
        sequence=row["sequence"],
        position=row["position"],
        occurred_at=occurred_at,
        data=msgspec.Raw(row["data"].encode()),
    )
