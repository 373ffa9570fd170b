"""Brands, providers, affiliations and patients in PostgreSQL."""

from asyncpg import Record

from bookwell.domain.catalog import Brand, Patient, Provider, ProviderKind
from bookwell.domain.errors import AlreadyExists, NotFound
from bookwell.storage.statements import AnyConnection, statement

_add_brand = statement("add_brand")
_list_brands = statement("list_brands")
_get_brand = statement("get_brand")
_add_provider = statement("add_provider")
_add_affiliation = statement("add_affiliation")
_get_provider = statement("get_provider")
_lock_provider = statement("lock_provider")
_provider_exists = statement("provider_exists")
_list_providers = statement("list_providers")
_list_brands_of_provider = statement("list_brands_of_provider")
_add_patient = statement("add_patient")
_set_patient_subject = statement("set_patient_subject")
_get_patient = statement("get_patient")
_lock_patient = statement("lock_patient")
_list_patients = statement("list_patients")
_list_patients_of_subject = statement("list_patients_of_subject")

NO_SUCH_PROVIDER = "There is no such provider."


async def add_brand(connection: AnyConnection, brand_id: str, name: str) -> Brand:
    row = await _add_brand.row(connection, brand_id=brand_id, name=name)
    assert row is not None, "INSERT RETURNING answers a row"
    return Brand(**row)


async def get_brand(connection: AnyConnection, brand_id: str) -> Brand:
    row = await _get_brand.row(connection, brand_id=brand_id)
    if row is None:
        raise NotFound("There is no such brand.")
    return Brand(**row)


async def list_brands(
    connection: AnyConnection, *, only: str | None, after_id: str, row_limit: int
) -> list[Brand]:
    rows = await _list_brands.rows(connection, only=only, after_id=after_id, row_limit=row_limit)
    return [Brand(**row) for row in rows]


async def add_provider(
    connection: AnyConnection,
    *,
    brand_id: str,
    provider_id: str,
    kind: ProviderKind,
    name: str,
    may_share: bool,
) -> Provider:
    """Add the person, or let a known person work for one more brand where that is allowed.

    Raises:
        AlreadyExists: They work for this brand already, or the id is a person of the other kind.
    """
    person = await _add_provider.row(
        connection, provider_id=provider_id, brand_id=brand_id, kind=kind
    )
    assert person is not None, "INSERT RETURNING answers a row"
    if person["brand_id"] != brand_id and not may_share:
        raise AlreadyExists
    if person["kind"] != kind:
        raise AlreadyExists(f"This id is a {person['kind']}'s.")
    affiliation = await _add_affiliation.row(
        connection, brand_id=brand_id, provider_no=person["provider_no"], name=name
    )
    assert affiliation is not None, "INSERT RETURNING answers a row"
    return Provider(
        provider_no=person["provider_no"],
        provider_id=provider_id,
        brand_id=brand_id,
        kind=kind,
        name=name,
        created_at=affiliation["created_at"],
    )


async def find_provider(
    connection: AnyConnection, *, brand_id: str, provider_id: str
) -> Provider | None:
    row = await _get_provider.row(connection, brand_id=brand_id, provider_id=provider_id)
    return _provider_from(row) if row else None


async def get_clinician(connection: AnyConnection, *, brand_id: str, provider_id: str) -> Provider:
    """The provider who offers slots for this brand; NotFound otherwise."""
    provider = await find_provider(connection, brand_id=brand_id, provider_id=provider_id)
    if provider is None or provider.kind is not ProviderKind.CLINICIAN:
        raise NotFound(NO_SUCH_PROVIDER)
    return provider


async def coach_exists(connection: AnyConnection, coach_id: str) -> bool:
    """Whether this is a coach of any brand."""
    found: bool = await _provider_exists.value(connection, provider_id=coach_id)
    return found


async def lock_provider(connection: AnyConnection, provider: Provider) -> None:
    """Queue for this person's time; the lock is held until the transaction ends."""
    await _lock_provider.value(connection, provider_no=provider.provider_no)


async def list_providers(
    connection: AnyConnection,
    *,
    brand_id: str,
    kind: ProviderKind | None,
    after_id: str,
    row_limit: int,
) -> list[Provider]:
    rows = await _list_providers.rows(
        connection, brand_id=brand_id, kind=kind, after_id=after_id, row_limit=row_limit
    )
    return [_provider_from(row) for row in rows]


async def add_patient(
    connection: AnyConnection, *, brand_id: str, patient_id: str, subject: str | None
) -> Patient:
    row = await _add_patient.row(
        connection, brand_id=brand_id, patient_id=patient_id, subject=subject
    )
    assert row is not None, "INSERT RETURNING answers a row"
    return Patient(**row)


async def set_patient_subject(
    connection: AnyConnection, *, brand_id: str, patient_id: str, subject: str | None
) -> Patient | None:
    row = await _set_patient_subject.row(
        connection, brand_id=brand_id, patient_id=patient_id, subject=subject
    )
    return Patient(**row) if row else None


async def find_patient(
    connection: AnyConnection, *, brand_id: str, patient_id: str
) -> Patient | None:
    row = await _get_patient.row(connection, brand_id=brand_id, patient_id=patient_id)
    return Patient(**row) if row else None


async def lock_patient(connection: AnyConnection, *, brand_id: str, patient_id: str) -> None:
    """Queue for what is counted of this patient. The caller has its providers' locks already."""
    await _lock_patient.value(connection, brand_id=brand_id, patient_id=patient_id)


async def list_patients(
    connection: AnyConnection, *, brand_id: str, after_id: str, row_limit: int
) -> list[Patient]:
    rows = await _list_patients.rows(
        connection, brand_id=brand_id, after_id=after_id, row_limit=row_limit
    )
    return [Patient(**row) for row in rows]


async def brands_of_provider(connection: AnyConnection, provider_id: str) -> list[str]:
    """The brands whose changes may touch this person's busy line."""
    rows = await _list_brands_of_provider.rows(connection, provider_id=provider_id)
    return [row["brand_id"] for row in rows]


async def patients_of_subject(connection: AnyConnection, subject: str) -> dict[str, str]:
    """Which patient a subject is, by brand."""
    rows = await _list_patients_of_subject.rows(connection, subject=subject)
    return {row["brand_id"]: row["patient_id"] for row in rows}


def _provider_from(row: Record) -> Provider:
    return Provider(
        provider_no=row["provider_no"],
        provider_id=row["provider_id"],
        brand_id=row["brand_id"],
        kind=ProviderKind(row["kind"]),
        name=row["name"],
        created_at=row["created_at"],
    )
