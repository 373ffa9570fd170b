"""The catalogue: brands, providers and coaches, patients."""

from bookwell.domain.callers import Call
from bookwell.domain.catalog import Brand, Patient, Provider, ProviderKind
from bookwell.domain.errors import Forbidden, NotFound
from bookwell.storage import catalog, journal
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.usecases.paging import Page


async def add_brand(database: Database, call: Call, *, name: str) -> Brand:
    """Add the brand the call is for.

    Raises:
        Forbidden: The caller belongs to one brand, so there is none it could add.
        AlreadyExists: The id is taken.
    """
    if not call.caller.serves_every_brand:
        raise Forbidden("Only a service of the whole platform adds brands.")
    async with database.transaction(call) as connection:
        brand = await catalog.add_brand(connection, call.brand_id, name)
        await journal.record(
            connection,
            call,
            Entry(event_type="brand.created", entity_type="brand", entity_id=brand.brand_id),
            answer=brand,
        )
    return brand


async def list_brands(
    database: Database, *, only: str | None, after_id: str | None, limit: int
) -> Page[Brand]:
    """A page of the brands, or the one."""
    async with database.reading() as connection:
        found = await catalog.list_brands(
            connection, only=only, after_id=after_id or "", row_limit=limit + 1
        )
    return Page.cut(found, limit, lambda brand: (brand.brand_id,))


async def add_provider(
    database: Database, call: Call, *, provider_id: str, kind: ProviderKind, name: str
) -> Provider:
    """Add a provider to the brand: a new person, or one who works for another brand already.

    Only a service of the whole platform, or an operator, shares a person between brands: a brand
    could otherwise fill another one's calendar.

    Raises:
        NotFound: There is no such brand.
        AlreadyExists: They work for the brand already, are of the other kind, or another brand's.
    """
    async with database.transaction(call) as connection:
        provider = await catalog.add_provider(
            connection,
            brand_id=call.brand_id,
            provider_id=provider_id,
            kind=kind,
            name=name,
            may_share=call.caller.serves_every_brand,
        )
        await journal.record(
            connection,
            call,
            Entry(
                event_type="provider.created",
                entity_type="provider",
                entity_id=provider_id,
                details={"kind": str(kind)},
            ),
            answer=provider,
        )
    return provider


async def list_providers(
    database: Database,
    call: Call,
    *,
    kind: ProviderKind | None,
    after_id: str | None,
    limit: int,
) -> Page[Provider]:
    """A page of the brand's providers, by id."""
    async with database.reading() as connection:
        found = await catalog.list_providers(
            connection,
            brand_id=call.brand_id,
            kind=kind,
            after_id=after_id or "",
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda provider: (provider.provider_id,))


async def add_patient(
    database: Database, call: Call, *, patient_id: str, subject: str | None
) -> Patient:
    """Add a patient to the brand.

    Raises:
        NotFound: There is no such brand.
        AlreadyExists: The id, or the subject, is another patient's of the brand.
    """
    async with database.transaction(call) as connection:
        patient = await catalog.add_patient(
            connection, brand_id=call.brand_id, patient_id=patient_id, subject=subject
        )
        await journal.record(
            connection,
            call,
            Entry(event_type="patient.created", entity_type="patient", entity_id=patient_id),
            answer=patient,
        )
    return patient


async def link_patient(
    database: Database, call: Call, patient_id: str, *, subject: str | None
) -> Patient:
    """Say which subject's tokens are the patient's own; None is nobody's.

    Raises:
        NotFound: The brand has no such patient.
        AlreadyExists: The subject is another patient of the brand.
    """
    async with database.transaction(call) as connection:
        patient = await catalog.set_patient_subject(
            connection, brand_id=call.brand_id, patient_id=patient_id, subject=subject
        )
        if patient is None:
            raise NotFound("There is no such patient.")
        await journal.record(
            connection,
            call,
            Entry(event_type="patient.linked", entity_type="patient", entity_id=patient_id),
            answer=patient,
        )
    return patient


async def list_patients(
    database: Database, call: Call, *, after_id: str | None, limit: int
) -> Page[Patient]:
    """A page of the brand's patients, by id."""
    async with database.reading() as connection:
        found = await catalog.list_patients(
            connection, brand_id=call.brand_id, after_id=after_id or "", row_limit=limit + 1
        )
    return Page.cut(found, limit, lambda patient: (patient.patient_id,))
