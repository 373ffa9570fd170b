"""A clinic's earlier book in PostgreSQL: many lines a statement, each on its own merits."""

from collections.abc import Collection, Sequence

from msgspec import Struct

from bookwell.domain.callers import Call
from bookwell.domain.catalog import ProviderKind
from bookwell.domain.errors import NotFound
from bookwell.domain.ids import EVENT, SLOT, VISIT, new_id
from bookwell.domain.imports import Line
from bookwell.storage.journal import actor_values
from bookwell.storage.statements import AnyConnection, statement

_lock_brand_for_import = statement("lock_brand_for_import")
_list_imported = statement("list_imported")
_add_unknown_providers = statement("add_unknown_providers")
_lock_providers_of_import = statement("lock_providers_of_import")
_import_visits = statement("import_visits")


class Person(Struct, frozen=True, kw_only=True):
    """A provider of whatever brand, locked, as seen from one."""

    provider_no: int
    kind: ProviderKind
    works_for_brand: bool


async def lock_brand(connection: AnyConnection, brand_id: str) -> None:
    """Queue for the brand's book until the transaction ends; NotFound if there is no such brand."""
    if await _lock_brand_for_import.row(connection, brand_id=brand_id) is None:
        raise NotFound("There is no such brand.")


async def already_there(
    connection: AnyConnection, call: Call, external_ids: Collection[str]
) -> set[str]:
    """Those of these external ids that the brand imported before."""
    rows = await _list_imported.rows(
        connection, brand_id=call.brand_id, external_ids=list(external_ids)
    )
    return {row["external_id"] for row in rows}


async def lock_providers(
    connection: AnyConnection, call: Call, provider_ids: Sequence[str]
) -> dict[str, Person]:
    """The people with these ids, locked; an id that nobody has becomes a clinician of the brand."""
    await _add_unknown_providers.run(
        connection, brand_id=call.brand_id, provider_ids=provider_ids, **actor_values(call)
    )
    rows = await _lock_providers_of_import.rows(
        connection, brand_id=call.brand_id, provider_ids=provider_ids
    )
    return {
        row["provider_id"]: Person(
            provider_no=row["provider_no"],
            kind=ProviderKind(row["kind"]),
            works_for_brand=row["works_for_brand"],
        )
        for row in rows
    }


async def add_visits(
    connection: AnyConnection, call: Call, lines: Sequence[tuple[Line, Person]]
) -> set[str]:
    """Import these lines; returns the external ids of those whose provider had the time.

    The caller holds the brand's and the providers' locks, and knows that none is there already.
    """
    rows = await _import_visits.rows(
        connection,
        brand_id=call.brand_id,
        external_ids=[line.external_id for line, _ in lines],
        visit_ids=[new_id(VISIT) for _ in lines],
        slot_ids=[new_id(SLOT) for _ in lines],
        visit_event_ids=[new_id(EVENT) for _ in lines],
        slot_event_ids=[new_id(EVENT) for _ in lines],
        patient_ids=[line.patient_id for line, _ in lines],
        provider_nos=[person.provider_no for _, person in lines],
        provider_ids=[line.provider_id for line, _ in lines],
        visit_types=[line.visit_type for line, _ in lines],
        statuses=[line.status for line, _ in lines],
        starts_ats=[line.starts_at for line, _ in lines],
        ends_ats=[line.ends_at for line, _ in lines],
        booked_ats=[line.booked_at for line, _ in lines],
        **actor_values(call),
    )
    return {row["external_id"] for row in rows}
