"""The routes of the catalogue, for `admin:booking`."""

from datetime import datetime
from typing import Annotated

from litestar import Response, get, post, put
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, Struct, UnsetType

from bookwell.domain.callers import ADMIN_SCOPE
from bookwell.domain.catalog import Brand, Patient, Provider, ProviderKind
from bookwell.http.auth import brand_of, caller_of
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.fields import Id, Name, Slug, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_id_cursor, write_cursor
from bookwell.http.plugged import plugged_into
from bookwell.http.routes import PathId, operation, refusals
from bookwell.usecases import catalog

BrandOf = Annotated[
    str | None,
    QueryParameter(
        description="The brand; needed only where neither token nor X-Brand-Id names one."
    ),
]


class BrandBody(Struct, kw_only=True):
    """A brand."""

    id: str
    name: str
    created_at: datetime


class BrandList(Struct, kw_only=True):
    """A page of brands."""

    brands: list[BrandBody]
    next_cursor: str | UnsetType = UNSET


class AddBrand(Struct, kw_only=True):
    """A new brand; its id is a slug."""

    id: Slug
    name: Name


class ProviderBody(Struct, kw_only=True):
    """A provider as the brand knows them."""

    id: str
    brand_id: str
    kind: ProviderKind
    name: str
    created_at: datetime


class ProviderList(Struct, kw_only=True):
    """A page of providers."""

    providers: list[ProviderBody]
    next_cursor: str | UnsetType = UNSET


class AddProvider(Struct, kw_only=True):
    """A provider for the brand; an id that is known already is the same person."""

    id: Id
    name: Name
    kind: ProviderKind = ProviderKind.CLINICIAN
    brand_id: Id | UnsetType = UNSET


class PatientBody(Struct, kw_only=True):
    """A patient; `subject` is the `sub` of their own tokens."""

    id: str
    brand_id: str
    subject: str | None
    created_at: datetime


class PatientList(Struct, kw_only=True):
    """A page of patients."""

    patients: list[PatientBody]
    next_cursor: str | UnsetType = UNSET


class AddPatient(Struct, kw_only=True):
    """A patient for the brand."""

    id: Id
    subject: Id | UnsetType | None = UNSET
    brand_id: Id | UnsetType = UNSET


class LinkPatient(Struct, kw_only=True):
    """Whose tokens are the patient's own: a `sub`, or null for nobody's."""

    subject: Id | None


def brand_body(brand: Brand) -> BrandBody:
    return BrandBody(id=brand.brand_id, name=brand.name, created_at=brand.created_at)


def provider_body(provider: Provider) -> ProviderBody:
    return ProviderBody(
        id=provider.provider_id,
        brand_id=provider.brand_id,
        kind=provider.kind,
        name=provider.name,
        created_at=provider.created_at,
    )


def patient_body(patient: Patient) -> PatientBody:
    return PatientBody(
        id=patient.patient_id,
        brand_id=patient.brand_id,
        subject=patient.subject,
        created_at=patient.created_at,
    )


@post(
    "/v1/admin/brands",
    **operation("add_brand", "Add a brand", tag="admin", scope=ADMIN_SCOPE),
    response_description="Brand created",
    responses=refusals({409: "Id taken"}),
)
async def add_brand(request: AnyRequest, data: JSONBody[AddBrand]) -> Response[BrandBody]:
    """Add a brand; for a service of the whole platform, whose token belongs to no brand."""
    # Whose token belongs to a brand hears 403 and not that there is no such brand.
    call = await call_of(request, brand_id=caller_of(request).brand_id or data.id)
    added = catalog.add_brand(database_of(request), call, name=data.name)
    return await answer(added, Brand, brand_body, status_code=201)


@get(
    "/v1/admin/brands",
    **operation("list_brands", "List brands", tag="admin", scope=ADMIN_SCOPE),
    response_description="List of brands",
    responses=refusals(),
)
async def list_brands(
    request: AnyRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> BrandList:
    """The caller's brand, or all of them for a service of the whole platform."""
    caller = caller_of(request)
    only = None if caller.serves_every_brand else brand_of(caller, None)
    page = await catalog.list_brands(
        database_of(request),
        only=only,
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return BrandList(
        brands=[brand_body(brand) for brand in page.items], next_cursor=write_cursor(page.next_key)
    )


@post(
    "/v1/admin/providers",
    **operation("add_provider", "Add a provider or coach", tag="admin", scope=ADMIN_SCOPE),
    response_description="Provider added",
    responses=refusals({404: "Brand not found", 409: "Id taken"}),
)
async def add_provider(request: AnyRequest, data: JSONBody[AddProvider]) -> Response[ProviderBody]:
    """Add a clinician or coach to the brand.

    Without a kind they are a clinician. An id that another brand has is the same person, and only
    a service of the whole platform shares them.
    """
    added = catalog.add_provider(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        provider_id=data.id,
        kind=data.kind,
        name=data.name,
    )
    return await answer(added, Provider, provider_body, status_code=201)


@get(
    "/v1/admin/providers",
    **operation("list_providers", "List providers and coaches", tag="admin", scope=ADMIN_SCOPE),
    response_description="List of providers",
    responses=refusals({404: "Brand not found"}),
)
async def list_providers(
    request: AnyRequest,
    brand_id: BrandOf = None,
    kind: FromQuery[ProviderKind | None] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ProviderList:
    """The brand's providers, by id."""
    page = await catalog.list_providers(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        kind=kind,
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return ProviderList(
        providers=[provider_body(provider) for provider in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@post(
    "/v1/admin/patients",
    **operation("add_patient", "Add a patient", tag="admin", scope=ADMIN_SCOPE),
    response_description="Patient added",
    responses=refusals({404: "Brand not found", 409: "Id or subject taken"}),
)
async def add_patient(request: AnyRequest, data: JSONBody[AddPatient]) -> Response[PatientBody]:
    """Add a patient to the brand."""
    added = catalog.add_patient(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        patient_id=data.id,
        subject=data.subject or None,
    )
    return await answer(added, Patient, patient_body, status_code=201)


@put(
    "/v1/admin/patients/{id:str}/subject",
    **operation("link_patient", "Link a patient to their tokens", tag="admin", scope=ADMIN_SCOPE),
    response_description="Patient linked",
    responses=refusals({404: "Not found", 409: "Subject taken"}),
)
async def link_patient(
    request: AnyRequest, patient_id: PathId, data: JSONBody[LinkPatient]
) -> Response[PatientBody]:
    """Say which subject is this patient, so that their own tokens see their visits only."""
    linked = catalog.link_patient(
        database_of(request), await call_of(request), patient_id, subject=data.subject
    )
    response = await answer(linked, Patient, patient_body)
    # This worker believes it at once, the others when they next look the caller up.
    plugged_into(request.app).authenticator.forget_all()
    return response


@get(
    "/v1/admin/patients",
    **operation("list_patients", "List patients", tag="admin", scope=ADMIN_SCOPE),
    response_description="List of patients",
    responses=refusals({404: "Brand not found"}),
)
async def list_patients(
    request: AnyRequest,
    brand_id: BrandOf = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> PatientList:
    """The brand's patients, by id."""
    page = await catalog.list_patients(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return PatientList(
        patients=[patient_body(patient) for patient in page.items],
        next_cursor=write_cursor(page.next_key),
    )


ROUTES = [
    add_brand,
    list_brands,
    add_provider,
    list_providers,
    add_patient,
    link_patient,
    list_patients,
]
