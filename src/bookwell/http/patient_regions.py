"""The routes of where patients are."""

from datetime import UTC, datetime
from typing import Annotated

from litestar import Response, get, put
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType, field

from bookwell.domain.callers import ADMIN_SCOPE
from bookwell.domain.licences import STAYS_MAX, PatientRegions, Stay
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.fields import Id, Instant, Region, checked_instant, or_none
from bookwell.http.routes import PathId, operation, refusals
from bookwell.usecases import patient_regions


class PatientRegion(Struct, kw_only=True):
    """The patient is in `region` from one instant until another; absent or null is no bound."""

    region: Region
    from_: Instant | None = field(name="from", default=None)
    until: Instant | None = None


class PatientRegionsBody(Struct, kw_only=True):
    """Where a patient is and when, earliest first; at other times nobody knows."""

    id: str
    regions: list[PatientRegion]


class SetPatientRegions(Struct, kw_only=True):
    """All of where the patient is; none of them overlaps another."""

    regions: Annotated[list[PatientRegion], Meta(max_length=STAYS_MAX)]
    brand_id: Id | UnsetType = UNSET


def patient_regions_body(known: PatientRegions) -> PatientRegionsBody:
    regions = [
        PatientRegion(region=stay.region, from_=stay.starts_at, until=stay.ends_at)
        for stay in known.stays
    ]
    return PatientRegionsBody(id=known.patient_id, regions=regions)


@put(
    "/v1/admin/patients/{id:str}/regions",
    **operation("set_patient_regions", "Say where a patient is", tag="licences", scope=ADMIN_SCOPE),
    response_description="Where the patient is",
    responses=refusals({404: "Not found"}),
)
async def set_patient_regions(
    request: AnyRequest, patient_id: PathId, data: JSONBody[SetPatientRegions]
) -> Response[PatientRegionsBody]:
    """Say where the patient is and when, in place of what was said before."""
    stays = [
        Stay(
            region=each.region,
            starts_at=_bound(each.from_, f"regions[{number}].from"),
            ends_at=_bound(each.until, f"regions[{number}].until"),
        )
        for number, each in enumerate(data.regions)
    ]
    call = await call_of(request, brand_id=or_none(data.brand_id))
    said = patient_regions.set_patient_regions(database_of(request), call, patient_id, stays)
    return await answer(said, PatientRegions, patient_regions_body)


@get(
    "/v1/admin/patients/{id:str}/regions",
    **operation("get_patient_regions", "Get where a patient is", tag="licences", scope=ADMIN_SCOPE),
    response_description="Where the patient is",
    responses=refusals({404: "Not found"}),
)
async def get_patient_regions(request: AnyRequest, patient_id: PathId) -> PatientRegionsBody:
    """Where the patient is and when, earliest first."""
    known = await patient_regions.get_patient_regions(
        database_of(request), await call_of(request), patient_id
    )
    return patient_regions_body(known)


def _bound(instant: datetime | None, field_name: str) -> datetime | None:
    return None if instant is None else checked_instant(instant, field_name).astimezone(UTC)


ROUTES = [set_patient_regions, get_patient_regions]
