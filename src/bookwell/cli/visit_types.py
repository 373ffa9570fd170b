"""`bookwell visit-types`: what a brand's visits are like. The rest of it is the API's."""

from collections.abc import Awaitable
from typing import Annotated, Any

import msgspec
import typer

from bookwell.cli.listing import each_page, show
from bookwell.cli.opened import brand_call, on_database
from bookwell.cli.options import AsJson, Brand, DatabaseUrl, DataDir, as_name, as_visit_type
from bookwell.domain.callers import Call
from bookwell.domain.errors import AlreadyExists
from bookwell.domain.visit_types import LIMITS, BookedBy, Modality, VisitType
from bookwell.storage.database import Database
from bookwell.usecases import visit_types as usecases
from bookwell.usecases.paging import Page

visit_types = typer.Typer(help="Add and list visit types.")

NewId = Annotated[
    str,
    typer.Argument(
        metavar="ID", parser=as_visit_type, help="The word that visits name the type by."
    ),
]
TypeName = Annotated[
    str, typer.Option("--name", metavar="NAME", parser=as_name, help="The name people read.")
]
_LEAST, _MOST = LIMITS["duration_minutes"]
Minutes = Annotated[
    int, typer.Option(min=_LEAST, max=_MOST, metavar="MINUTES", help="How long a visit is.")
]


@visit_types.command("add")
def add_visit_type(
    visit_type: NewId,
    brand: Brand,
    name: TypeName,
    minutes: Minutes,
    modality: Annotated[Modality, typer.Option(help="How they meet.")] = Modality.VIDEO,
    booked_by: Annotated[BookedBy, typer.Option(help="Who may book it.")] = BookedBy.PATIENT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Add a visit type to a brand, or bring one back that was retired.

    With its first, the brand takes visits of the types it has, and of no others. The rest of its
    terms is said through the API.
    """
    fields = {"duration_minutes": minutes, "modality": modality, "booked_by": booked_by}

    async def add(database: Database) -> None:
        call = await brand_call(database, brand)
        try:
            await usecases.add_visit_type(database, call, visit_type, name=name, fields=fields)
        except AlreadyExists as error:
            raise AlreadyExists(f"{brand} has a visit type {visit_type} already.") from error

    on_database(database_url, data_dir, add)
    typer.echo(f"Added the visit type {visit_type} to {brand}.")


@visit_types.command("list")
def list_visit_types(
    *,
    brand: Brand,
    retired: Annotated[
        bool, typer.Option("--retired", help="Also those that are retired.")
    ] = False,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """List a brand's visit types."""

    def ask(
        database: Database, call: Call, after_id: str | None, limit: int
    ) -> Awaitable[Page[VisitType]]:
        return usecases.list_visit_types(
            database, call, include_retired=retired, after_id=after_id, limit=limit
        )

    async def work(database: Database) -> None:
        call = await brand_call(database, brand)
        pages = each_page(lambda after_id, limit: ask(database, call, after_id, limit))
        columns = ("id", "name", "duration_minutes", "modality", "booked_by", "retired_at")
        await show(pages, _describe, columns=columns, as_json=as_json)

    on_database(database_url, data_dir, work)


def _describe(visit_type: VisitType) -> dict[str, Any]:
    return {
        "id": visit_type.visit_type,
        "brand_id": visit_type.brand_id,
        "name": visit_type.name,
        **msgspec.structs.asdict(visit_type.terms),
        "created_at": visit_type.created_at,
        "updated_at": visit_type.updated_at,
        "version": visit_type.version,
        "retired_at": visit_type.retired_at,
    }
