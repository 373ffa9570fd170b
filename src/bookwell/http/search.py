"""The route that finds open times."""

from datetime import datetime
from typing import Annotated

from litestar import get
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import QueryParameter
from msgspec import UNSET, Struct, UnsetType

from bookwell.domain.ids import VISIBLE, VISIT_TYPE
from bookwell.domain.office_hours import Weekday
from bookwell.domain.search import PROVIDERS_MAX, OpenSlot, PartOfDay
from bookwell.domain.wall_time import zone_named
from bookwell.http.calls import AnyRequest, call_of, database_of
from bookwell.http.fields import Id, read_instant
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_timed_cursor, write_cursor
from bookwell.http.routes import operation, refusals
from bookwell.http.slots import From, Until
from bookwell.usecases import search
from bookwell.usecases.search import SearchAsked

WantedType = Annotated[
    str | None,
    QueryParameter(
        pattern=VISIT_TYPE,
        description="What the visit is to be; without it, only rules that need no type are asked.",
    ),
]
WantedPatient = Annotated[
    str | None,
    QueryParameter(
        pattern=VISIBLE,
        description="Whose visit it is to be: their licence region and caps count. "
        "A patient asks for themselves.",
    ),
]
MovedVisit = Annotated[
    str | None,
    QueryParameter(
        pattern=VISIBLE,
        description="A visit that is to be moved: its own time counts as free, "
        "and its patient and type are the defaults.",
    ),
]
Providers = Annotated[
    list[Id] | None,
    QueryParameter(
        max_items=PROVIDERS_MAX,
        # Litestar says nothing of what an item must be like.
        schema_extra={"items": Schema(type=OpenAPIType.STRING, pattern=VISIBLE)},
        description="Only these providers'; may be repeated. Who is unknown has no slots.",
    ),
]
TimeZone = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        description="The IANA zone of `local_start`, `weekday` and `part_of_day`; "
        "without it, that of the provider's schedule, or UTC.",
    ),
]


class OpenSlotBody(Struct, kw_only=True):
    """A slot that may be booked. `local_start` is `start_time` on a wall clock in `time_zone`.

    `rule_id` is the rule of the schedule it comes of; null for a slot posted by hand.
    """

    id: str
    provider_id: str
    brand_id: str
    start_time: datetime
    end_time: datetime
    local_start: datetime
    time_zone: str
    rule_id: str | None


class OpenSlotList(Struct, kw_only=True):
    """A page of open slots, earliest first.

    `next_available` is the first one after the window, where there is none in it.
    """

    slots: list[OpenSlotBody]
    next_available: OpenSlotBody | None
    next_cursor: str | UnsetType = UNSET


def open_slot_body(slot: OpenSlot, brand_id: str) -> OpenSlotBody:
    return OpenSlotBody(
        id=slot.slot_id,
        provider_id=slot.provider_id,
        brand_id=brand_id,
        start_time=slot.starts_at,
        end_time=slot.ends_at,
        local_start=slot.local_start,
        time_zone=slot.time_zone,
        rule_id=slot.rule_id,
    )


@get(
    "/v1/slots",
    **operation("find_slots", "Find open slots", tag="slots", scope="read:slots"),
    response_description="List of open slots",
    responses=refusals({404: "None of the providers found, or not the visit to move"}),
)
async def find_slots(  # noqa: PLR0913, PLR0917 - each is one of the query
    request: AnyRequest,
    brand_id: Annotated[str, QueryParameter(description="The caller's brand.")],
    visit_type: WantedType = None,
    from_: From = None,
    to: Until = None,
    provider_id: Providers = None,
    time_zone: TimeZone = None,
    weekday: Annotated[
        list[Weekday] | None,
        QueryParameter(description="Only what begins on these days; may be repeated."),
    ] = None,
    part_of_day: Annotated[
        list[PartOfDay] | None,
        QueryParameter(
            description="Only what begins in the morning (6 to 12), afternoon (12 to 17), "
            "evening (17 to 22) or night (22 to 6); may be repeated."
        ),
    ] = None,
    patient_id: WantedPatient = None,
    reschedule_of: MovedVisit = None,
    first_available: Annotated[
        bool, QueryParameter(description="Of each provider only the first slot.")
    ] = False,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> OpenSlotList:
    """The slots that may be booked, earliest first: from now on and for 30 days, if not said else.

    Every booking rule has been asked: hours, time off, notice, horizon, licence, caps, holds, the
    provider's visits in whatever brand, and the time kept free around them. At most 366 days.
    """
    if time_zone is not None:
        zone_named(time_zone)
    call = await call_of(request, brand_id=brand_id)
    offered = await search.find_slots(
        database_of(request),
        call,
        SearchAsked(
            visit_type=visit_type,
            patient_id=patient_id,
            reschedule_of=reschedule_of,
            provider_ids=None if provider_id is None else tuple(dict.fromkeys(provider_id)),
            from_at=read_instant(from_, "from") if from_ is not None else None,
            until_at=read_instant(to, "to") if to is not None else None,
            time_zone=time_zone,
            weekdays=frozenset(weekday or ()),
            parts=frozenset(part_of_day or ()),
            is_first_of_each=first_available,
        ),
        after=read_timed_cursor(cursor),
        limit=limit,
    )
    following = offered.next_available
    return OpenSlotList(
        slots=[open_slot_body(slot, call.brand_id) for slot in offered.page.items],
        next_available=open_slot_body(following, call.brand_id) if following else None,
        next_cursor=write_cursor(offered.page.next_key),
    )


ROUTES = [find_slots]
