"""The routes of calendars: feeds and their addresses, what an address opens, one visit's file."""

import re
from datetime import datetime
from typing import Annotated

from litestar import Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import UNSET, Struct, UnsetType

from bookwell.domain.calendars import CalendarFeed, FeedOwner, OwnerKind
from bookwell.domain.errors import InvalidInput, NotFound
from bookwell.domain.ids import VISIBLE
from bookwell.http import ics
from bookwell.http.admin import BrandOf
from bookwell.http.calls import (
    AnyRequest,
    answer,
    call_of,
    database_of,
    etag,
    versions_wanted,
)
from bookwell.http.errors import ErrorBody
from bookwell.http.fields import Id, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_id_cursor, write_cursor
from bookwell.http.plugged import plugged_into
from bookwell.http.routes import PathId, operation, refusals
from bookwell.usecases import calendars
from bookwell.usecases.calendars import FeedAddress

# Whoever has a feed's address reads the calendar, for as long as it lives; so to make one takes the
# right to change visits and to read them.
SCOPE = "manage:visits"
TAG = "calendars"

# An entity tag, weak or not, as RFC 9110 section 8.8.3 writes it; a comma may stand in it.
_TAG = re.compile(r'(?:^|(?<=[, \t]))(?:W/)?("[^"]*")(?=[ \t]*(?:,|$))')
_FILE = re.compile(r"([A-Za-z0-9_-]{43})\.ics")
# A client may look at its own copy for a minute. The address is a secret, so nobody is to name it
# to others, or to list it.
_FEED_HEADERS = {
    "Cache-Control": "private, max-age=60",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_CALENDAR_REFUSALS = {400: "Validation error", 404: "No such calendar", 503: "Try again"}
_OWNERS = ", ".join(f"{kind}_id" for kind in OwnerKind)

OwnerFilter = Annotated[
    str | None, QueryParameter(pattern=VISIBLE, description="Only this owner's; one of the three.")
]


class OwnerBody(Struct, kw_only=True):
    """Whose calendar it is."""

    kind: OwnerKind
    id: str


class CalendarFeedBody(Struct, kw_only=True):
    """A calendar feed. `version` is also its ETag. `url` is told when it is new, and only then."""

    id: str
    brand_id: str
    owner: OwnerBody
    created_at: datetime
    rotated_at: datetime | None
    revoked_at: datetime | None
    version: int
    url: str | UnsetType = UNSET


class CalendarFeedList(Struct, kw_only=True):
    """A page of calendar feeds."""

    calendar_feeds: list[CalendarFeedBody]
    next_cursor: str | UnsetType = UNSET


class CreateCalendarFeed(Struct, kw_only=True):
    """Whose calendar: exactly one of the three is named."""

    brand_id: Id | UnsetType = UNSET
    provider_id: Id | UnsetType = UNSET
    coach_id: Id | UnsetType = UNSET
    patient_id: Id | UnsetType = UNSET


def feed_body(feed: CalendarFeed, url: str | UnsetType = UNSET) -> CalendarFeedBody:
    return CalendarFeedBody(
        id=feed.feed_id,
        brand_id=feed.brand_id,
        owner=OwnerBody(kind=feed.owner.kind, id=feed.owner.owner_id),
        created_at=feed.created_at,
        rotated_at=feed.rotated_at,
        revoked_at=feed.revoked_at,
        version=feed.version,
        url=url,
    )


@post(
    "/v1/calendar-feeds",
    **operation("create_calendar_feed", "Get a calendar's address", tag=TAG, scope=SCOPE),
    response_description="Calendar feed created",
    responses=refusals({404: "Not found", 409: "As many as there may be"}),
)
async def create_calendar_feed(
    request: AnyRequest, data: JSONBody[CreateCalendarFeed]
) -> Response[CalendarFeedBody]:
    """Get a private address of somebody's calendar. It is told in this answer only.

    Calendars with seats in office hours (a coach's, a patient's) also need `read:bookings`.
    """
    owner = _owner_of(or_none(data.provider_id), or_none(data.coach_id), or_none(data.patient_id))
    if owner is None:
        raise InvalidInput(f"One of {_OWNERS} is required.", field="provider_id")
    created = await calendars.create_feed(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        owner,
        bearer=_bearer_of(request),
    )
    return _told(request, created, status_code=201)


@get(
    "/v1/calendar-feeds",
    **operation("list_calendar_feeds", "List calendar feeds", tag=TAG, scope="read:visits"),
    response_description="List of calendar feeds",
    responses=refusals({404: "Brand not found"}),
)
async def list_calendar_feeds(
    request: AnyRequest,
    brand_id: BrandOf = None,
    provider_id: OwnerFilter = None,
    coach_id: OwnerFilter = None,
    patient_id: OwnerFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> CalendarFeedList:
    """The brand's calendar feeds, or one owner's, without addresses. A patient sees their own."""
    page = await calendars.list_feeds(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        owner=_owner_of(provider_id, coach_id, patient_id),
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return CalendarFeedList(
        calendar_feeds=[feed_body(feed) for feed in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@post(
    "/v1/calendar-feeds/{id:str}/rotate",
    **operation("rotate_calendar_feed", "Change a calendar's address", tag=TAG, scope=SCOPE),
    status_code=200,
    response_description="Calendar feed rotated",
    responses=refusals({404: "Not found", 412: "It has changed since"}),
)
async def rotate_calendar_feed(request: AnyRequest, feed_id: PathId) -> Response[CalendarFeedBody]:
    """Give the feed another address. The old one opens nothing any more, at once."""
    rotated = await calendars.rotate_feed(
        database_of(request),
        await call_of(request),
        feed_id,
        bearer=_bearer_of(request),
        versions=versions_wanted(request),
    )
    return _told(request, rotated, status_code=200)


@delete(
    "/v1/calendar-feeds/{id:str}",
    **operation("revoke_calendar_feed", "Revoke a calendar's address", tag=TAG, scope=SCOPE),
    status_code=200,
    response_description="Calendar feed revoked",
    responses=refusals({404: "Not found", 412: "It has changed since"}),
)
async def revoke_calendar_feed(request: AnyRequest, feed_id: PathId) -> Response[CalendarFeedBody]:
    """End the feed. Its address opens nothing any more, at once."""
    revoked = calendars.revoke_feed(
        database_of(request), await call_of(request), feed_id, versions=versions_wanted(request)
    )
    return await answer(revoked, CalendarFeed, feed_body)


@get(
    "/calendars/{file:str}",
    operation_id="read_calendar",
    summary="Read a calendar",
    tags=[TAG],
    security=[],
    media_type=ics.MEDIA_TYPE,
    response_description="The calendar",
    responses={
        304: ResponseSpec(None, description="Not modified", generate_examples=False),
        **{
            status: ResponseSpec(ErrorBody, description=title, generate_examples=False)
            for status, title in _CALENDAR_REFUSALS.items()
        },
    },
)
async def read_calendar(
    request: AnyRequest,
    file_name: Annotated[
        str, PathParameter(name="file", description="What a feed's `url` ends in.")
    ],
) -> Response[bytes | None]:
    """The calendar that this address opens (RFC 5545). The address is all it takes."""
    named = _FILE.fullmatch(file_name)
    if named is None:
        raise NotFound
    calendar = await calendars.read_feed(database_of(request), named[1])
    join_url = plugged_into(request.app).join_url
    headers = {**_FEED_HEADERS, "ETag": ics.etag_of(calendar, join_url)}
    if _is_known(request, headers["ETag"]):
        return Response(None, status_code=304, headers=headers)
    return Response(await ics.write(calendar, join_url), media_type=ics.MEDIA_TYPE, headers=headers)


@get(
    "/v1/visits/{id:str}/calendar.ics",
    **operation("get_visit_calendar", "Get a visit's calendar file", tag=TAG, scope="read:visits"),
    media_type=ics.MEDIA_TYPE,
    response_description="The calendar",
    responses=refusals({404: "Not found"}),
)
async def get_visit_calendar(request: AnyRequest, visit_id: PathId) -> Response[bytes]:
    """The visit as a file that a calendar takes in (RFC 5545), with nothing of it but times."""
    calendar = await calendars.read_visit(database_of(request), await call_of(request), visit_id)
    written = await ics.write(calendar, plugged_into(request.app).join_url)
    headers = {"Content-Disposition": 'attachment; filename="visit.ics"'}
    return Response(written, media_type=ics.MEDIA_TYPE, headers=headers)


def _owner_of(
    provider_id: str | None, coach_id: str | None, patient_id: str | None
) -> FeedOwner | None:
    """The one owner that is named, None where none is; InvalidInput where several are."""
    ids = zip(OwnerKind, (provider_id, coach_id, patient_id), strict=True)
    named = [FeedOwner(kind=kind, owner_id=each) for kind, each in ids if each is not None]
    if len(named) > 1:
        raise InvalidInput(f"Only one of {_OWNERS} may be named.", field=f"{named[1].kind}_id")
    return named[0] if named else None


def _told(
    request: AnyRequest, told: FeedAddress, *, status_code: int
) -> Response[CalendarFeedBody]:
    headers = {"ETag": etag(told.feed.version)}
    if told.is_replay:
        headers["Idempotency-Replayed"] = "true"
    root = plugged_into(request.app).public_url or str(request.base_url)
    url = f"{root.rstrip('/')}/calendars/{told.secret}.ics"
    return Response(feed_body(told.feed, url), status_code=status_code, headers=headers)


def _bearer_of(request: AnyRequest) -> str:
    # The guard let nothing but one well-formed `Bearer …` through.
    return request.headers["Authorization"].split()[1]


def _is_known(request: AnyRequest, tag: str) -> bool:
    """Whether If-None-Match names this tag (RFC 9110 section 13.1.2, compared weakly)."""
    # A list may stand in several lines (section 5.3).
    header = ",".join(request.headers.getall("If-None-Match", []))
    return header.strip() == "*" or tag in _TAG.findall(header)


ROUTES = [
    create_calendar_feed,
    list_calendar_feeds,
    rotate_calendar_feed,
    revoke_calendar_feed,
    read_calendar,
    get_visit_calendar,
]
