"""The routes of time off: when a provider is away from a brand."""

from datetime import date, datetime, time, timedelta
from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.errors import InvalidInput
from bookwell.domain.schedules import TimeOff
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.fields import Id, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_timed_cursor, write_cursor
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.schedules import TAG, BrandIfNamed, TimeZone, upkeep_of
from bookwell.usecases import time_off
from bookwell.usecases.time_off import Away

# A date such as 2026-12-24, or a wall time such as 2026-12-24T13:00.
_DayOrWallTime = Annotated[str, Meta(min_length=10, max_length=32)]
_DATE_LENGTH = len("2026-12-24")
_DAY = timedelta(days=1)
_MIDNIGHT = time(0)


class TimeOffBody(Struct, kw_only=True, rename={"from_": "from"}):
    """Time off: what was said, and the instants that it means.

    `from` and `until` are dates, both included, or wall times of the zone.
    """

    id: str
    brand_id: str
    provider_id: str
    from_: str
    until: str
    time_zone: str
    start_time: datetime
    end_time: datetime
    created_at: datetime


class TimeOffList(Struct, kw_only=True):
    """A page of time off, what ends first before others."""

    time_off: list[TimeOffBody]
    next_cursor: str | UnsetType = UNSET


class AddTimeOff(Struct, kw_only=True, rename={"from_": "from"}):
    """From when until when: dates, both included, or wall times such as `2026-12-24T13:00`.

    Without `time_zone` the zone is that of the provider's schedule.
    """

    brand_id: Id
    from_: _DayOrWallTime
    until: _DayOrWallTime
    time_zone: TimeZone | UnsetType = UNSET
    keep_visits: bool = False


def time_off_body(off: TimeOff) -> TimeOffBody:
    return TimeOffBody(
        id=off.time_off_id,
        brand_id=off.brand_id,
        provider_id=off.provider_id,
        from_=_said(off.wall_from, off.wall_from),
        until=_said(off.wall_until, off.wall_until - _DAY),
        time_zone=off.time_zone,
        start_time=off.starts_at,
        end_time=off.ends_at,
        created_at=off.created_at,
    )


@post(
    "/v1/providers/{id:str}/time-off",
    **operation("add_time_off", "Take time off", tag=TAG, scope="write:slots"),
    response_description="Time off added",
    responses=refusals({404: "Provider not found", 409: "Visits lie in that time"}),
)
async def add_time_off(
    request: AnyRequest, provider_id: PathId, data: JSONBody[AddTimeOff]
) -> Response[TimeOffBody]:
    """Say when the provider is away; their free slots of that time are gone at once."""
    away = Away(
        wall_from=_wall_time(data.from_, "from"),
        wall_until=_wall_time(data.until, "until", is_end=True),
        time_zone=or_none(data.time_zone),
    )
    added = time_off.add_time_off(
        database_of(request),
        await call_of(request, brand_id=data.brand_id),
        provider_id,
        away,
        upkeep_of(request, keep_visits=data.keep_visits),
    )
    return await answer(added, TimeOff, time_off_body, status_code=201)


@get(
    "/v1/providers/{id:str}/time-off",
    **operation("list_time_off", "List a provider's time off", tag=TAG, scope="read:slots"),
    response_description="List of time off",
    responses=refusals({404: "Provider not found"}),
)
async def list_time_off(
    request: AnyRequest,
    provider_id: PathId,
    brand_id: BrandIfNamed = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> TimeOffList:
    """When the provider is, was and will be away from the brand; what ends first before others."""
    page = await time_off.list_time_off(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        provider_id,
        after=read_timed_cursor(cursor),
        limit=limit,
    )
    return TimeOffList(
        time_off=[time_off_body(off) for off in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@delete(
    "/v1/providers/{id:str}/time-off/{time_off_id:str}",
    **operation("remove_time_off", "Take time off back", tag=TAG, scope="write:slots"),
    status_code=200,
    response_description="Time off removed",
    responses=refusals({404: "Time off not found"}),
)
async def remove_time_off(
    request: AnyRequest, provider_id: PathId, time_off_id: FromPath[str]
) -> Response[TimeOffBody]:
    """The provider is there after all: the schedule offers that time again."""
    removed = time_off.remove_time_off(
        database_of(request),
        await call_of(request),
        provider_id,
        time_off_id,
        upkeep_of(request, keep_visits=True),
    )
    return await answer(removed, TimeOff, time_off_body)


def _wall_time(text: str, field: str, *, is_end: bool = False) -> datetime:
    """The wall time that a text says; of a date its midnight, at the end of it for an end.

    Raises:
        InvalidInput: It is neither a date nor a wall time without an offset.
    """
    try:
        if len(text) == _DATE_LENGTH:
            midnight = datetime.combine(msgspec.convert(text, date), _MIDNIGHT)
            return midnight + _DAY if is_end else midnight
        wall = msgspec.convert(f"{text}:00" if text.count(":") == 1 else text, datetime)
    except (msgspec.ValidationError, OverflowError) as error:
        raise _no_wall_time(field) from error
    if wall.tzinfo is not None or wall.second or wall.microsecond:
        raise _no_wall_time(field)
    return wall


def _no_wall_time(field: str) -> InvalidInput:
    return InvalidInput(
        f"{field} must be a date such as 2026-12-24 or a wall time such as 2026-12-24T13:00.",
        field=field,
    )


def _said(wall: datetime, day: datetime) -> str:
    """As it would be said: the day where that is all, or the wall time to the minute."""
    return day.date().isoformat() if wall.time() == _MIDNIGHT else f"{wall:%Y-%m-%dT%H:%M}"


ROUTES = [add_time_off, list_time_off, remove_time_off]
