"""The routes of the log of events."""

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from litestar import get
from litestar.params import QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.callers import EVENTS_SCOPE
from bookwell.domain.envelopes import EventBody, body_of
from bookwell.domain.events import EVENTS
from bookwell.domain.ids import VISIBLE
from bookwell.http.calls import AnyRequest, call_of, database_of
from bookwell.http.fields import checked_day
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_place_cursor, write_cursor
from bookwell.http.routes import operation, refusals
from bookwell.usecases import events

TAG = "events"
# What a number of JavaScript's can count to; no log will.
POSITION_MAX = 2**53 - 1

if TYPE_CHECKING:  # an Enum that is made of names is none to a type checker
    EventType = StrEnum
else:
    EventType = StrEnum("EventType", {name: name for name in EVENTS})

After = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=POSITION_MAX,
        schema_extra={"minimum": 0},  # Litestar takes this 0 for none
        description="The place in the log to go on from: the `next_after` of the page before. "
        "Without it, from the oldest event that is kept.",
    ),
]
EventTypes = Annotated[
    list[EventType] | None,
    QueryParameter(name="type", description="Only events of these types; may be repeated."),
]


class EventList(Struct, kw_only=True):
    """A page of events in the order of the log.

    `next_after` is the place up to which the log was read for it: go on from there, now or later.
    `next_cursor` is there while more of the log is there to be read.
    """

    events: list[EventBody]
    next_after: Annotated[int, Meta(ge=0)]
    next_cursor: str | UnsetType = UNSET


class EventDigest(Struct, kw_only=True):
    """A day of the log (UTC, by `occurred_at`).

    `hash` is the SHA-256 of the ids of the day's events, in ascending order of their bytes, each
    followed by a line feed. Once `is_over`, all of it stays as it is until the day is too old to be
    kept. Positions are null where there are no events.
    """

    brand_id: str
    day: date
    event_count: int
    counts: dict[str, int]
    first_position: int | None
    last_position: int | None
    hash: str
    is_over: bool


@get(
    "/v1/events",
    **operation("list_events", "Read the log of events", tag=TAG, scope=EVENTS_SCOPE),
    response_description="List of events",
    responses=refusals({404: "Brand not found", 410: "Some of these events are not kept any more"}),
)
async def list_events(
    request: AnyRequest,
    after: After = None,
    type_: EventTypes = None,
    visit_id: Annotated[
        str | None, QueryParameter(pattern=VISIBLE, description="Only events of this visit.")
    ] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> EventList:
    """The brand's events after a place in its log, in order. A patient sees their own.

    Whoever goes on with `next_after` gets each event once and misses none. With `type` a page looks
    at a bounded stretch of the log, so it may be short or empty while `next_after` moves on.
    """
    from_cursor = read_place_cursor(cursor)
    page = await events.read_events(
        database_of(request),
        await call_of(request),
        after=after if from_cursor is None else from_cursor,
        event_types=type_,
        visit_id=visit_id,
        limit=limit,
        field="after" if from_cursor is None else "cursor",
    )
    has_more = page.read_to < page.state.last_position
    return EventList(
        events=[body_of(event) for event in page.events],
        next_after=page.read_to,
        next_cursor=write_cursor((str(page.read_to),)) if has_more else UNSET,
    )


@get(
    "/v1/events/digest",
    **operation("get_event_digest", "Compare a day of the log", tag=TAG, scope=EVENTS_SCOPE),
    response_description="The day, counted and hashed",
    responses=refusals(
        {404: "Brand not found", 410: "The day is not kept any more, or not all of it"}
    ),
)
async def get_event_digest(
    request: AnyRequest,
    day: Annotated[date, QueryParameter(description="The day, in UTC, such as 2027-03-28.")],
) -> EventDigest:
    """How many events the brand has of a day, and a hash of their ids. For staff and services."""
    checked_day(day, "day")
    call = await call_of(request)
    found = await events.read_day(database_of(request), call, day)
    return EventDigest(
        brand_id=call.brand_id,
        day=day,
        event_count=found.event_count,
        counts=found.counts,
        first_position=found.first_position,
        last_position=found.last_position,
        hash=found.hash,
        is_over=found.is_over,
    )


ROUTES = [list_events, get_event_digest]
