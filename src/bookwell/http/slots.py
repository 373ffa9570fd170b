"""The routes of slots."""

from datetime import datetime
from typing import Annotated

from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.errors import InvalidInput
from bookwell.domain.slots import SERIES_SLOTS_MAX, Slot, SlotSeries
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.fields import Id, Instant, checked_instant, read_instant
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_timed_cursor, write_cursor
from bookwell.http.routes import PathId, operation, refusals
from bookwell.usecases import slot_series, slots

# SERIES_SLOTS_MAX times, with microseconds, offsets and indentation, are 710 KB. The limit of the
# other routes (BOOKWELL_BODY_BYTES_MAX) is for one thing at a time.
SERIES_BYTES_MAX = 1_048_576

_INSTANT = {"format": "date-time"}
# Texts, because Litestar would take the number 1 for a second after the epoch.
From = Annotated[
    str | None,
    QueryParameter(
        name="from",
        description="Only what starts at this instant or later.",
        schema_extra=_INSTANT,
    ),
]
Until = Annotated[
    str | None,
    QueryParameter(
        name="to", description="Only what starts before this instant.", schema_extra=_INSTANT
    ),
]


class SlotBody(Struct, kw_only=True):
    """A slot. `booked` says that the provider no longer has this time, in whatever brand.

    `rule_id` is the rule of a schedule that it comes of, and null where it was posted by hand.
    """

    id: str
    provider_id: str
    brand_id: str
    start_time: datetime
    end_time: datetime
    booked: bool
    created_at: datetime
    rule_id: str | None


class SlotList(Struct, kw_only=True):
    """A page of slots, earliest first."""

    slots: list[SlotBody]
    next_cursor: str | UnsetType = UNSET


class CreateSlot(Struct, kw_only=True):
    """A time to offer: at most 24 hours, not in the past."""

    brand_id: Id
    start_time: Instant
    end_time: Instant


class OfferedTime(Struct, kw_only=True):
    """One of many times to offer: at most 24 hours, not in the past."""

    start_time: Instant
    end_time: Instant


class CreateSlots(Struct, kw_only=True):
    """Times to offer together."""

    brand_id: Id
    slots: Annotated[list[OfferedTime], Meta(min_length=1, max_length=SERIES_SLOTS_MAX)]


class SlotSeriesBody(Struct, kw_only=True):
    """The new slots, in the order asked."""

    slots: list[SlotBody]


def slot_body(slot: Slot) -> SlotBody:
    return SlotBody(
        id=slot.slot_id,
        provider_id=slot.provider_id,
        brand_id=slot.brand_id,
        start_time=slot.starts_at,
        end_time=slot.ends_at,
        booked=slot.booked,
        created_at=slot.created_at,
        rule_id=slot.rule_id,
    )


def series_body(series: SlotSeries) -> SlotSeriesBody:
    return SlotSeriesBody(slots=[slot_body(slot) for slot in series.slots])


def window(from_: str | None, to: str | None) -> tuple[datetime | None, datetime | None]:
    """The query's `from` and `to`, read and checked.

    Raises:
        InvalidInput: One of them is no instant, or nothing lies between them.
    """
    from_at = read_instant(from_, "from") if from_ is not None else None
    until_at = read_instant(to, "to") if to is not None else None
    if from_at is not None and until_at is not None and until_at <= from_at:
        raise InvalidInput("to must be after from.", field="to")
    return from_at, until_at


@post(
    "/v1/providers/{id:str}/slots",
    **operation("create_slot", "Offer a slot", tag="slots", scope="write:slots"),
    response_description="Slot created",
    responses=refusals({400: "Validation error", 404: "Provider not found"}),
)
async def create_slot(
    request: AnyRequest,
    provider_id: PathId,
    data: JSONBody[CreateSlot],
) -> Response[SlotBody]:
    """Offer a provider's time for the brand. Offers may overlap; bookings never do."""
    created = slots.create_slot(
        database_of(request),
        await call_of(request, brand_id=data.brand_id),
        provider_id,
        starts_at=checked_instant(data.start_time, "start_time"),
        ends_at=checked_instant(data.end_time, "end_time"),
    )
    return await answer(created, Slot, slot_body, status_code=201)


@post(
    "/v1/providers/{id:str}/slots/bulk",
    **operation("create_slots", "Offer many slots", tag="slots", scope="write:slots"),
    request_max_body_size=SERIES_BYTES_MAX,
    response_description="Slots created",
    responses=refusals({400: "Validation error", 404: "Provider not found"}),
)
async def create_slots(
    request: AnyRequest,
    provider_id: PathId,
    data: JSONBody[CreateSlots],
) -> Response[SlotSeriesBody]:
    """Offer many of a provider's times for the brand: all of them, or none."""
    times = [
        (
            checked_instant(time.start_time, f"slots[{number}].start_time"),
            checked_instant(time.end_time, f"slots[{number}].end_time"),
        )
        for number, time in enumerate(data.slots)
    ]
    call = await call_of(request, brand_id=data.brand_id)
    created = slot_series.create_slots(database_of(request), call, provider_id, times)
    return await answer(created, SlotSeries, series_body, status_code=201)


@get(
    "/v1/providers/{id:str}/slots",
    **operation("list_slots", "List a provider's slots", tag="slots", scope="read:slots"),
    response_description="List of slots",
    responses=refusals({404: "Provider not found"}),
)
async def list_slots(
    request: AnyRequest,
    provider_id: PathId,
    brand_id: Annotated[str, QueryParameter(description="The caller's brand.")],
    from_: From = None,
    to: Until = None,
    booked: Annotated[
        bool | None,
        QueryParameter(description="Only slots whose time is taken, or only the free ones."),
    ] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> SlotList:
    """The provider's slots for the brand, earliest first."""
    from_at, until_at = window(from_, to)
    page = await slots.list_slots(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        provider_id,
        from_at=from_at,
        until_at=until_at,
        booked=booked,
        after=read_timed_cursor(cursor),
        limit=limit,
    )
    return SlotList(
        slots=[slot_body(slot) for slot in page.items], next_cursor=write_cursor(page.next_key)
    )


@delete(
    "/v1/providers/{id:str}/slots/{slot_id:str}",
    **operation("delete_slot", "Take a slot back", tag="slots", scope="write:slots"),
    status_code=200,
    response_description="Slot deleted",
    responses=refusals({404: "Not found", 412: "Cannot delete a booked slot"}),
)
async def delete_slot(
    request: AnyRequest,
    provider_id: PathId,
    slot_id: FromPath[str],
) -> Response[SlotBody]:
    """Take an offer back, unless its time is taken."""
    deleted = slots.delete_slot(database_of(request), await call_of(request), provider_id, slot_id)
    return await answer(deleted, Slot, slot_body)


ROUTES = [create_slot, create_slots, list_slots, delete_slot]
