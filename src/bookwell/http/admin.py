"""The routes of the catalogue and of our own tokens, for `admin:booking`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.callers import Role
from bookwell.domain.catalog import Brand, Patient, Provider, ProviderKind
from bookwell.http.auth import caller_of
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.fields import Id, Name, Slug, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_id_cursor, write_cursor
from bookwell.http.plugged import plugged_into
from bookwell.http.routes import PathId, operation, refusals
from bookwell.storage.tokens import Token
from bookwell.usecases import catalog, tokens

ADMIN = "admin:booking"
# A year; a token that must live longer is issued without an end.
EXPIRES_IN_MAX = 366 * 24 * 3600

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


class TokenBody(Struct, kw_only=True):
    """A token; the secret itself is told once, when it is issued."""

    id: str
    brand_id: str
    role: Role
    subject: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    token: str | UnsetType = UNSET


class TokenList(Struct, kw_only=True):
    """A page of tokens."""

    tokens: list[TokenBody]
    next_cursor: str | UnsetType = UNSET


class CreateToken(Struct, kw_only=True):
    """Whom the token stands for. Without scopes, the role's usual ones."""

    role: Role
    subject: Id
    scopes: list[str] | UnsetType = UNSET
    expires_in: Annotated[int, Meta(ge=1, le=EXPIRES_IN_MAX)] | UnsetType = UNSET
    brand_id: Id | UnsetType = UNSET


class RevokedBody(Struct, kw_only=True):
    """The token that ended."""

    id: str


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


def token_body(token: Token, secret: str | UnsetType = UNSET) -> TokenBody:
    return TokenBody(
        id=token.token_id,
        brand_id=token.brand_id,
        role=token.role,
        subject=token.subject,
        scopes=token.scopes,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        token=secret,
    )


@post(
    "/v1/admin/brands",
    **operation("add_brand", "Add a brand", tag="admin", scope=ADMIN),
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
    **operation("list_brands", "List brands", tag="admin", scope=ADMIN),
    response_description="List of brands",
    responses=refusals(),
)
async def list_brands(
    request: AnyRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> BrandList:
    """The caller's brand, or all of them for a service of the whole platform."""
    page = await catalog.list_brands(
        database_of(request),
        only=caller_of(request).brand_id,
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return BrandList(
        brands=[brand_body(brand) for brand in page.items], next_cursor=write_cursor(page.next_key)
    )


@post(
    "/v1/admin/providers",
    **operation("add_provider", "Add a provider or coach", tag="admin", scope=ADMIN),
    response_description="Provider added",
    responses=refusals({404: "Brand not found", 409: "Id taken"}),
)
async def add_provider(request: AnyRequest, data: JSONBody[AddProvider]) -> Response[ProviderBody]:
    """Add a clinician or coach to the brand. An id known from another brand is the same person.

    Without a kind they are a clinician.
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
    **operation("list_providers", "List providers and coaches", tag="admin", scope=ADMIN),
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
    **operation("add_patient", "Add a patient", tag="admin", scope=ADMIN),
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


@get(
    "/v1/admin/patients",
    **operation("list_patients", "List patients", tag="admin", scope=ADMIN),
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


@post(
    "/v1/admin/tokens",
    **operation("create_token", "Issue a token", tag="admin", scope=ADMIN),
    response_description="Token issued",
    responses=refusals({404: "Brand not found"}),
)
async def create_token(request: AnyRequest, data: JSONBody[CreateToken]) -> Response[TokenBody]:
    """Issue a token of our own. The secret is in this answer only, so no key replays it."""
    call = (await call_of(request, brand_id=or_none(data.brand_id))).without_key()
    issued = await tokens.create_token(
        database_of(request),
        call,
        role=data.role,
        subject=data.subject,
        scopes=data.scopes or None,
        expires_in=data.expires_in or None,
    )
    return Response(token_body(issued.token, issued.secret), status_code=201)


@get(
    "/v1/admin/tokens",
    **operation("list_tokens", "List tokens", tag="admin", scope=ADMIN),
    response_description="List of tokens",
    responses=refusals({404: "Brand not found"}),
)
async def list_tokens(
    request: AnyRequest,
    brand_id: BrandOf = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> TokenList:
    """The brand's tokens, without their secrets."""
    page = await tokens.list_tokens(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return TokenList(
        tokens=[token_body(token) for token in page.items], next_cursor=write_cursor(page.next_key)
    )


@post(
    "/v1/admin/tokens/{id:str}/revoke",
    **operation("revoke_token", "Revoke a token", tag="admin", scope=ADMIN),
    status_code=200,
    response_description="Token revoked",
    responses=refusals({404: "Not found"}),
)
async def revoke_token(request: AnyRequest, token_id: PathId) -> Response[RevokedBody]:
    """End a token at once, on every worker."""
    call = (await call_of(request)).without_key()
    revoked_id = await tokens.revoke_token(database_of(request), call, secret_or_id=token_id)
    # The announcement may reach this worker a moment after our answer has reached its caller.
    plugged_into(request.app).authenticator.forget_all()
    return Response(RevokedBody(id=revoked_id))


ROUTES = [
    add_brand,
    list_brands,
    add_provider,
    list_providers,
    add_patient,
    list_patients,
    create_token,
    list_tokens,
    revoke_token,
]
