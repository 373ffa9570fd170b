"""`bookwell brand | provider | coach | patient`: the catalogue, as `/v1/admin` offers it too."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from bookwell.cli.listing import each_page, show
from bookwell.cli.opened import brand_call, on_database, operator_call
from bookwell.cli.options import (
    AsJson,
    Brand,
    DatabaseUrl,
    DataDir,
    as_brand,
    as_id,
    as_name,
)
from bookwell.domain import catalog as known
from bookwell.domain.catalog import ProviderKind
from bookwell.domain.errors import AlreadyExists
from bookwell.storage.database import Database
from bookwell.usecases import catalog
from bookwell.usecases.paging import Page

Item = TypeVar("Item")

brands = typer.Typer(help="Add and list brands.")
providers = typer.Typer(help="Add and list clinicians, who offer slots.")
coaches = typer.Typer(help="Add and list coaches, who offer office hours.")
patients = typer.Typer(help="Add and list patients.")

NewBrandId = Annotated[
    str, typer.Argument(metavar="ID", parser=as_brand, help="A slug such as loop or loop-bio.")
]
PersonId = Annotated[
    str,
    typer.Argument(
        metavar="ID", parser=as_id, help="1 to 128 visible characters, from whatever system."
    ),
]
PersonName = Annotated[
    str, typer.Option("--name", metavar="NAME", parser=as_name, help="The name people read.")
]
Subject = Annotated[
    str | None,
    typer.Option(
        metavar="SUBJECT",
        parser=as_id,
        help="The `sub` of the patient's own tokens; without it, only staff act for them.",
    ),
]


@brands.command("add")
def add_brand(
    brand_id: NewBrandId,
    name: PersonName,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Add a brand."""

    async def add(database: Database) -> None:
        try:
            await catalog.add_brand(database, operator_call(brand_id), name=name)
        except AlreadyExists as error:
            raise AlreadyExists(f"There is a brand {brand_id} already.") from error

    on_database(database_url, data_dir, add)
    typer.echo(f"Added the brand {brand_id}.")


@brands.command("list")
def list_brands(
    *, as_json: AsJson = False, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """List the brands."""

    def ask(database: Database, after_id: str | None, limit: int) -> Awaitable[Page[known.Brand]]:
        return catalog.list_brands(database, only=None, after_id=after_id, limit=limit)

    def describe(brand: known.Brand) -> dict[str, Any]:
        return {"id": brand.brand_id, "name": brand.name, "created_at": brand.created_at}

    async def work(database: Database) -> None:
        pages = each_page(lambda after_id, limit: ask(database, after_id, limit))
        await show(pages, describe, columns=("id", "name", "created_at"), as_json=as_json)

    on_database(database_url, data_dir, work)


@providers.command("add")
def add_provider(
    provider_id: PersonId,
    brand: Brand,
    name: PersonName,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Add a clinician to a brand.

    An id that another brand knows already is the same person, whose time is then shared.
    """
    on_database(
        database_url, data_dir, _adding_provider(brand, provider_id, ProviderKind.CLINICIAN, name)
    )
    typer.echo(f"Added the provider {provider_id} to {brand}.")


@providers.command("list")
def list_providers(
    *,
    brand: Brand,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """List a brand's clinicians."""
    on_database(
        database_url, data_dir, _listing_providers(brand, ProviderKind.CLINICIAN, as_json=as_json)
    )


@coaches.command("add")
def add_coach(
    coach_id: PersonId,
    brand: Brand,
    name: PersonName,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Add a coach to a brand.

    An id that another brand knows already is the same person, whose time is then shared.
    """
    on_database(database_url, data_dir, _adding_provider(brand, coach_id, ProviderKind.COACH, name))
    typer.echo(f"Added the coach {coach_id} to {brand}.")


@coaches.command("list")
def list_coaches(
    *,
    brand: Brand,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """List a brand's coaches."""
    on_database(
        database_url, data_dir, _listing_providers(brand, ProviderKind.COACH, as_json=as_json)
    )


@patients.command("add")
def add_patient(
    patient_id: PersonId,
    brand: Brand,
    subject: Subject = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Add a patient to a brand."""

    async def add(database: Database) -> None:
        call = await brand_call(database, brand)
        try:
            await catalog.add_patient(database, call, patient_id=patient_id, subject=subject)
        except AlreadyExists as error:
            raise AlreadyExists(
                f"The id {patient_id}, or the subject, is a patient's of {brand} already."
            ) from error

    on_database(database_url, data_dir, add)
    typer.echo(f"Added the patient {patient_id} to {brand}.")


@patients.command("link")
def link_patient(
    patient_id: PersonId,
    brand: Brand,
    subject: Subject = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Say which subject's tokens are the patient's own; without --subject, nobody's."""

    async def link(database: Database) -> None:
        call = await brand_call(database, brand)
        try:
            await catalog.link_patient(database, call, patient_id, subject=subject)
        except AlreadyExists as error:
            raise AlreadyExists(
                f"The subject {subject} is another patient of {brand} already."
            ) from error

    on_database(database_url, data_dir, link)
    typer.echo(f"Linked the patient {patient_id} to {subject or 'nobody'}.")


@patients.command("list")
def list_patients(
    *,
    brand: Brand,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """List a brand's patients."""

    def describe(patient: known.Patient) -> dict[str, Any]:
        return {
            "id": patient.patient_id,
            "brand_id": patient.brand_id,
            "subject": patient.subject,
            "created_at": patient.created_at,
        }

    async def work(database: Database) -> None:
        call = await brand_call(database, brand)
        pages = each_page(
            lambda after_id, limit: catalog.list_patients(
                database, call, after_id=after_id, limit=limit
            )
        )
        await show(pages, describe, columns=("id", "subject", "created_at"), as_json=as_json)

    on_database(database_url, data_dir, work)


def _adding_provider(
    brand_id: str, provider_id: str, kind: ProviderKind, name: str
) -> Callable[[Database], Awaitable[None]]:
    async def add(database: Database) -> None:
        call = await brand_call(database, brand_id)
        try:
            await catalog.add_provider(
                database, call, provider_id=provider_id, kind=kind, name=name
            )
        except AlreadyExists as error:
            raise AlreadyExists(
                f"The id {provider_id} is taken: a person works for {brand_id} once, as a "
                "clinician or as a coach."
            ) from error

    return add


def _listing_providers(
    brand_id: str, kind: ProviderKind, *, as_json: bool
) -> Callable[[Database], Awaitable[None]]:
    def describe(provider: known.Provider) -> dict[str, Any]:
        return {
            "id": provider.provider_id,
            "brand_id": provider.brand_id,
            "kind": provider.kind,
            "name": provider.name,
            "created_at": provider.created_at,
        }

    async def work(database: Database) -> None:
        call = await brand_call(database, brand_id)
        pages: AsyncIterator[list[known.Provider]] = each_page(
            lambda after_id, limit: catalog.list_providers(
                database, call, kind=kind, after_id=after_id, limit=limit
            )
        )
        await show(pages, describe, columns=("id", "name", "created_at"), as_json=as_json)

    return work
