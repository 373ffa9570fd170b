"""The routes of visit types."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.callers import ADMIN_SCOPE
from bookwell.domain.ids import VISIBLE
from bookwell.domain.visit_types import (
    CURRENCY,
    LIMITS,
    BookedBy,
    Modality,
    Period,
    ProviderVisitType,
    Terms,
    VisitType,
)
from bookwell.http import fields
from bookwell.http.calls import (
    AnyRequest,
    answer,
    call_of,
    database_of,
    etag,
    versions_wanted,
)
from bookwell.http.fields import Id, Name, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_id_cursor, write_cursor
from bookwell.http.routes import operation, refusals
from bookwell.usecases import visit_types
from bookwell.usecases.paging import Page

TAG = "visit types"

VisitTypeInPath = Annotated[str, PathParameter(name="visit_type")]
BrandOfCaller = Annotated[str, QueryParameter(description="The caller's brand.")]


def _within(field: str) -> Meta:
    least, most = LIMITS[field]
    # Of a field that may be absent, Litestar's document forgets a `ge` of 0.
    return Meta(ge=least, le=most) if least else Meta(gt=-1, le=most)


_Duration = Annotated[int, _within("duration_minutes")]
_Grid = Annotated[int, _within("grid_minutes")]
_Buffer = Annotated[int, _within("buffer_before_minutes")]
_Notice = Annotated[int, _within("notice_minutes")]
_Horizon = Annotated[int, _within("horizon_days")]
_Cap = Annotated[int, _within("patient_cap")]
_Policy = Annotated[int, _within("cancel_late_minutes")]


class Price(Struct, kw_only=True):
    """An amount in the currency's smallest unit (ISO 4217): 2500 EUR is 25 euros."""

    amount_minor: Annotated[int, _within("late_cancel_price_minor")]
    currency: Annotated[str, Meta(min_length=3, max_length=3, pattern=CURRENCY)]


class TermsFields(Struct, kw_only=True):
    """The terms of a visit type, as far as a body names them."""

    duration_minutes: _Duration | UnsetType = UNSET
    buffer_before_minutes: _Buffer | UnsetType = UNSET
    buffer_after_minutes: _Buffer | UnsetType = UNSET
    grid_minutes: _Grid | UnsetType = UNSET
    notice_minutes: _Notice | UnsetType = UNSET
    horizon_days: _Horizon | UnsetType = UNSET
    modality: Modality | UnsetType = UNSET
    booked_by: BookedBy | UnsetType = UNSET
    licence_required: bool | UnsetType = UNSET
    time_zone: fields.ZoneName | UnsetType = UNSET
    patient_cap: _Cap | UnsetType | None = UNSET
    patient_cap_period: Period | UnsetType = UNSET
    provider_day_cap: _Cap | UnsetType | None = UNSET
    cancel_late_minutes: _Policy | UnsetType = UNSET
    cancel_cutoff_minutes: _Policy | UnsetType = UNSET
    reschedule_late_minutes: _Policy | UnsetType = UNSET
    reschedule_cutoff_minutes: _Policy | UnsetType = UNSET
    late_cancel_price: Price | UnsetType | None = UNSET


class AddVisitType(TermsFields, kw_only=True):
    """A new visit type. `id` is the word that visits name it by.

    Starts lie `grid_minutes` apart, or back to back. A cancellation is late from
    `cancel_late_minutes` before the start on, and refused from `cancel_cutoff_minutes` on; the same
    for a reschedule. A cap that is absent or null is none. Days and periods are those of
    `time_zone`, UTC unless named.
    """

    id: fields.VisitType
    name: Name
    duration_minutes: _Duration
    brand_id: Id | UnsetType = UNSET


class ChangeVisitType(TermsFields, kw_only=True):
    """What is absent stays."""

    name: Name | UnsetType = UNSET
    brand_id: Id | UnsetType = UNSET


class VisitTypeBody(Struct, kw_only=True):
    """A visit type. With `provider_id` it is as for that provider; `overridden` names what differs.

    `retired_at` is null while visits of the type may be booked.
    """

    id: str
    brand_id: str
    name: str
    provider_id: str | UnsetType = UNSET
    overridden: list[str] | UnsetType = UNSET
    is_offered: bool
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    grid_minutes: int
    notice_minutes: int
    horizon_days: int
    modality: Modality
    booked_by: BookedBy
    licence_required: bool
    time_zone: str
    patient_cap: int | None
    patient_cap_period: Period
    provider_day_cap: int | None
    cancel_late_minutes: int
    cancel_cutoff_minutes: int
    reschedule_late_minutes: int
    reschedule_cutoff_minutes: int
    late_cancel_price: Price | None
    created_at: datetime
    updated_at: datetime
    version: int
    retired_at: datetime | None


class VisitTypeList(Struct, kw_only=True):
    """A page of visit types, by id."""

    visit_types: list[VisitTypeBody]
    next_cursor: str | UnsetType = UNSET


def visit_type_body(visit_type: VisitType, terms: Terms | None = None) -> VisitTypeBody:
    """The visit type with its own terms, or with these."""
    terms = terms or visit_type.terms
    said = msgspec.structs.asdict(terms)
    price, currency = said.pop("late_cancel_price_minor"), said.pop("late_cancel_currency")
    return VisitTypeBody(
        id=visit_type.visit_type,
        brand_id=visit_type.brand_id,
        name=visit_type.name,
        **said,
        late_cancel_price=None if price is None else Price(amount_minor=price, currency=currency),
        created_at=visit_type.created_at,
        updated_at=visit_type.updated_at,
        version=visit_type.version,
        retired_at=visit_type.retired_at,
    )


def provider_visit_type_body(found: ProviderVisitType) -> VisitTypeBody:
    body = visit_type_body(found.visit_type, found.terms)
    body.provider_id = found.provider_id
    names = {name.replace("_minor", "").replace("_currency", "_price") for name in found.fields}
    body.overridden = sorted(names)
    return body


def terms_fields(body: TermsFields) -> dict[str, Any]:
    """The fields of the terms that a body names, as the domain has them."""
    said = msgspec.to_builtins(body)
    named = {name: said[name] for name in Terms.__struct_fields__ if name in said}
    if "late_cancel_price" in said:
        price = said["late_cancel_price"] or {}
        named["late_cancel_price_minor"] = price.get("amount_minor")
        named["late_cancel_currency"] = price.get("currency")
    return named


@get(
    "/v1/visit-types",
    **operation("list_visit_types", "List a brand's visit types", tag=TAG, scope="read:slots"),
    response_description="List of visit types",
    responses=refusals({404: "Provider not found"}),
)
async def list_visit_types(
    request: AnyRequest,
    brand_id: BrandOfCaller,
    provider_id: Annotated[
        str | None,
        QueryParameter(pattern=VISIBLE, description="As they are for this provider."),
    ] = None,
    *,
    include_retired: Annotated[
        bool, QueryParameter(description="Also those that no visit can be booked as any more.")
    ] = False,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> VisitTypeList:
    """The brand's visit types, by id."""
    call = await call_of(request, brand_id=brand_id)
    asked: dict[str, Any] = {
        "include_retired": include_retired,
        "after_id": read_id_cursor(cursor),
        "limit": limit,
    }
    if provider_id is not None:
        return visit_types_as_for_provider(
            await visit_types.list_provider_visit_types(
                database_of(request), call, provider_id, **asked
            )
        )
    page = await visit_types.list_visit_types(database_of(request), call, **asked)
    return VisitTypeList(
        visit_types=[visit_type_body(each) for each in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@get(
    "/v1/visit-types/{visit_type:str}",
    **operation("get_visit_type", "Get a visit type", tag=TAG, scope="read:slots"),
    response_description="The visit type",
    responses=refusals({404: "Not found"}),
)
async def get_visit_type(
    request: AnyRequest, visit_type: VisitTypeInPath, brand_id: BrandOfCaller
) -> Response[VisitTypeBody]:
    """One visit type, also a retired one, with its version as ETag."""
    found = await visit_types.get_visit_type(
        database_of(request), await call_of(request, brand_id=brand_id), visit_type
    )
    return Response(visit_type_body(found), headers={"ETag": etag(found.version)})


@post(
    "/v1/visit-types",
    **operation("add_visit_type", "Add a visit type", tag=TAG, scope=ADMIN_SCOPE),
    response_description="Visit type added",
    responses=refusals({404: "Brand not found", 409: "Id taken"}),
)
async def add_visit_type(
    request: AnyRequest, data: JSONBody[AddVisitType]
) -> Response[VisitTypeBody]:
    """Add a visit type; one that was retired is back, with these terms.

    With its first, the brand takes visits of the types it has, and of no others.
    """
    added = visit_types.add_visit_type(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        data.id,
        name=data.name,
        fields=terms_fields(data),
    )
    return await answer(added, VisitType, visit_type_body, status_code=201)


@patch(
    "/v1/visit-types/{visit_type:str}",
    **operation("change_visit_type", "Change a visit type", tag=TAG, scope=ADMIN_SCOPE),
    response_description="Visit type changed",
    responses=refusals({404: "Not found", 412: "It has changed since"}),
)
async def change_visit_type(
    request: AnyRequest, visit_type: VisitTypeInPath, data: JSONBody[ChangeVisitType]
) -> Response[VisitTypeBody]:
    """Change its name or its terms. Visits keep the terms they were booked under."""
    changed = visit_types.change_visit_type(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        visit_type,
        name=or_none(data.name),
        fields=terms_fields(data),
        versions=versions_wanted(request),
    )
    return await answer(changed, VisitType, visit_type_body)


@delete(
    "/v1/visit-types/{visit_type:str}",
    **operation("retire_visit_type", "Retire a visit type", tag=TAG, scope=ADMIN_SCOPE),
    status_code=200,
    response_description="Visit type retired",
    responses=refusals({404: "Not found", 412: "It has changed since"}),
)
async def retire_visit_type(
    request: AnyRequest, visit_type: VisitTypeInPath
) -> Response[VisitTypeBody]:
    """Take no new visits of this type. Those that are booked stay; safe to repeat."""
    retired = visit_types.retire_visit_type(
        database_of(request),
        await call_of(request),
        visit_type,
        versions=versions_wanted(request),
    )
    return await answer(retired, VisitType, visit_type_body)


def visit_types_as_for_provider(page: Page[ProviderVisitType]) -> VisitTypeList:
    return VisitTypeList(
        visit_types=[provider_visit_type_body(each) for each in page.items],
        next_cursor=write_cursor(page.next_key),
    )


ROUTES = [
    list_visit_types,
    get_visit_type,
    add_visit_type,
    change_visit_type,
    retire_visit_type,
]
