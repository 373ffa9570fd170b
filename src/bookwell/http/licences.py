"""The routes of licences, and of the visits that none of them covers."""

from datetime import date, datetime
from typing import Annotated, Any

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Struct, UnsetType, to_builtins

from bookwell.domain.callers import ADMIN_SCOPE
from bookwell.domain.ids import VISIBLE
from bookwell.domain.licences import (
    Licence,
    LicenceChange,
    VisitAtRisk,
)
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.fields import Id, Region, ZoneName, checked_day, or_none, read_instant
from bookwell.http.paging import (
    LIMIT_DEFAULT,
    Cursor,
    Limit,
    read_id_cursor,
    read_timed_cursor,
    write_cursor,
)
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.visit_types import BrandOfCaller
from bookwell.usecases import licences
from bookwell.usecases.paging import FAR_PAST

_TAG = "licences"


class LicenceBody(Struct, kw_only=True):
    """A provider may see the brand's patients who are in `region`.

    From the first of `valid_from` to the last of `valid_until`, days of `time_zone`; null is no
    bound.
    """

    id: str
    brand_id: str
    provider_id: str
    region: str
    valid_from: date | None
    valid_until: date | None
    time_zone: str
    created_at: datetime


class LicenceList(Struct, kw_only=True):
    """A page of licences, oldest first."""

    licences: list[LicenceBody]
    next_cursor: str | UnsetType = UNSET


class VisitAtRiskBody(Struct, kw_only=True):
    """A visit ahead that no licence covers. `region` is where the patient is, null if unknown."""

    id: str
    provider_id: str
    patient_id: str
    visit_type: str
    region: str | None
    start_time: datetime


class VisitAtRiskList(Struct, kw_only=True):
    """A page of visits that no licence covers, earliest first."""

    visits: list[VisitAtRiskBody]
    next_cursor: str | UnsetType = UNSET


class LicenceChangeBody(LicenceBody, kw_only=True):
    """A licence as it is now, or was, and the provider's visits ahead that no licence covers.

    Where there is a `next_cursor`, GET /v1/licences/at-risk goes on with it, for this provider.
    """

    visits_at_risk: list[VisitAtRiskBody]
    next_cursor: str | UnsetType = UNSET


class AddLicence(Struct, kw_only=True):
    """Where a provider may see patients: ISO 3166, such as DE, DE-BE or US-NY.

    Both days are included; absent is no bound. UTC unless a zone is named.
    """

    region: Region
    valid_from: date | UnsetType | None = UNSET
    valid_until: date | UnsetType | None = UNSET
    time_zone: ZoneName = "UTC"
    brand_id: Id | UnsetType = UNSET


class ChangeLicence(Struct, kw_only=True):
    """What is absent stays; a day that is null is no bound any more."""

    region: Region | UnsetType = UNSET
    valid_from: date | UnsetType | None = UNSET
    valid_until: date | UnsetType | None = UNSET
    time_zone: ZoneName | UnsetType = UNSET
    brand_id: Id | UnsetType = UNSET


def licence_body(licence: Licence) -> LicenceBody:
    return LicenceBody(**_facts_of(licence))


def licence_change_body(change: LicenceChange) -> LicenceChangeBody:
    visits = [visit_at_risk_body(visit) for visit in change.visits_at_risk]
    body = LicenceChangeBody(**_facts_of(change.licence), visits_at_risk=visits)
    if change.has_more:
        last = change.visits_at_risk[-1]
        body.next_cursor = write_cursor((last.starts_at, last.visit_id))
    return body


def visit_at_risk_body(visit: VisitAtRisk) -> VisitAtRiskBody:
    return VisitAtRiskBody(
        id=visit.visit_id,
        provider_id=visit.provider_id,
        patient_id=visit.patient_id,
        visit_type=visit.visit_type,
        region=visit.region,
        start_time=visit.starts_at,
    )


def _facts_of(licence: Licence) -> dict[str, Any]:
    return {
        "id": licence.licence_id,
        "brand_id": licence.brand_id,
        "provider_id": licence.provider_id,
        "region": licence.region,
        "valid_from": licence.valid_from,
        "valid_until": licence.valid_until,
        "time_zone": licence.time_zone,
        "created_at": licence.created_at,
    }


@post(
    "/v1/providers/{id:str}/licences",
    **operation("add_licence", "Add a licence", tag=_TAG, scope=ADMIN_SCOPE),
    response_description="Licence added",
    responses=refusals({404: "Provider not found"}),
)
async def add_licence(
    request: AnyRequest, provider_id: PathId, data: JSONBody[AddLicence]
) -> Response[LicenceBody]:
    """Let a provider see the brand's patients who are in this region.

    A provider with a licence sees patients where one covers them, and nowhere else.
    """
    call = await call_of(request, brand_id=or_none(data.brand_id))
    wanted = Licence(
        licence_id="",
        brand_id=call.brand_id,
        provider_id=provider_id,
        region=data.region,
        valid_from=checked_day(data.valid_from, "valid_from"),
        valid_until=checked_day(data.valid_until, "valid_until"),
        time_zone=data.time_zone,
        created_at=FAR_PAST,
    )
    added = licences.add_licence(database_of(request), call, provider_id, wanted)
    return await answer(added, Licence, licence_body, status_code=201)


@get(
    "/v1/providers/{id:str}/licences",
    **operation("list_licences", "List a provider's licences", tag=_TAG, scope="read:slots"),
    response_description="List of licences",
    responses=refusals({404: "Provider not found"}),
)
async def list_licences(
    request: AnyRequest,
    provider_id: PathId,
    brand_id: BrandOfCaller,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> LicenceList:
    """The provider's licences for the brand, oldest first. For staff and services."""
    page = await licences.list_licences(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        provider_id,
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return LicenceList(
        licences=[licence_body(licence) for licence in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@patch(
    "/v1/providers/{id:str}/licences/{licence_id:str}",
    **operation("change_licence", "Change a licence", tag=_TAG, scope=ADMIN_SCOPE),
    response_description="Licence changed",
    responses=refusals({404: "Not found"}),
)
async def change_licence(
    request: AnyRequest,
    provider_id: PathId,
    licence_id: FromPath[str],
    data: JSONBody[ChangeLicence],
) -> Response[LicenceChangeBody]:
    """Change a licence. The answer names the visits ahead that none covers now."""
    fields: dict[str, Any] = {
        name: getattr(data, name) for name in to_builtins(data) if name != "brand_id"
    }
    for name in ("valid_from", "valid_until"):
        if name in fields:
            fields[name] = checked_day(fields[name], name)
    changed = licences.change_licence(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        provider_id,
        licence_id,
        fields,
    )
    return await answer(changed, LicenceChange, licence_change_body)


@delete(
    "/v1/providers/{id:str}/licences/{licence_id:str}",
    **operation("delete_licence", "Delete a licence", tag=_TAG, scope=ADMIN_SCOPE),
    status_code=200,
    response_description="Licence deleted",
    responses=refusals({404: "Not found"}),
)
async def delete_licence(
    request: AnyRequest, provider_id: PathId, licence_id: FromPath[str]
) -> Response[LicenceChangeBody]:
    """Take a licence away. The answer names the visits ahead that none covers now."""
    deleted = licences.delete_licence(
        database_of(request), await call_of(request), provider_id, licence_id
    )
    return await answer(deleted, LicenceChange, licence_change_body)


@get(
    "/v1/licences/at-risk",
    **operation(
        "list_visits_at_risk", "List visits without a licence", tag=_TAG, scope="read:visits"
    ),
    response_description="List of visits",
    responses=refusals({404: "Provider not found"}),
)
async def list_visits_at_risk(
    request: AnyRequest,
    brand_id: BrandOfCaller,
    provider_id: Annotated[
        str | None, QueryParameter(pattern=VISIBLE, description="Only this provider's.")
    ] = None,
    before: Annotated[
        str | None,
        QueryParameter(
            description="Only those that begin before this instant.",
            schema_extra={"format": "date-time"},
        ),
    ] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> VisitAtRiskList:
    """The visits ahead that no licence will cover at their time. For staff and services."""
    page = await licences.list_visits_at_risk(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        provider_id=provider_id,
        before=read_instant(before, "before") if before is not None else None,
        after=read_timed_cursor(cursor),
        limit=limit,
    )
    return VisitAtRiskList(
        visits=[visit_at_risk_body(visit) for visit in page.items],
        next_cursor=write_cursor(page.next_key),
    )


ROUTES = [
    add_licence,
    list_licences,
    change_licence,
    delete_licence,
    list_visits_at_risk,
]
