"""Say what a brand's visits are like, and how a provider's differ."""

from collections.abc import Sequence
from typing import Any

from bookwell.domain.callers import Call
from bookwell.domain.errors import InvalidInput, VersionMismatch
from bookwell.domain.visit_types import (
    ProviderVisitType,
    VisitType,
    changed_terms,
    new_terms,
)
from bookwell.storage import catalog, idempotency, journal, visit_types
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.usecases.paging import Page

# Whoever asks for these in a path is sent elsewhere before anybody reads them (RFC 3986, 5.2.4).
_NO_PATH = frozenset({".", ".."})


async def list_visit_types(
    database: Database, call: Call, *, include_retired: bool, after_id: str | None, limit: int
) -> Page[VisitType]:
    """A page of the brand's visit types, by id."""
    async with database.reading() as connection:
        found = await visit_types.list_by_id(
            connection,
            brand_id=call.brand_id,
            include_retired=include_retired,
            after_id=after_id or "",
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda each: (each.visit_type,))


async def list_provider_visit_types(
    database: Database,
    call: Call,
    provider_id: str,
    *,
    include_retired: bool = False,
    after_id: str | None,
    limit: int,
) -> Page[ProviderVisitType]:
    """A page of the brand's visit types as they are for a provider, by id.

    Raises:
        NotFound: No such provider works for the brand.
    """
    async with database.reading() as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        found = await visit_types.list_for_provider(
            connection,
            provider,
            include_retired=include_retired,
            after_id=after_id or "",
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda each: (each.visit_type.visit_type,))


async def get_visit_type(database: Database, call: Call, visit_type: str) -> VisitType:
    """The brand's visit type, also a retired one; NotFound otherwise."""
    async with database.reading() as connection:
        return await visit_types.get(connection, brand_id=call.brand_id, visit_type=visit_type)


async def add_visit_type(
    database: Database, call: Call, visit_type: str, *, name: str, fields: dict[str, Any]
) -> VisitType:
    """Add a visit type with these terms; one that was retired is back, with these and no others.

    `fields` are fields of the terms as the API takes them, `duration_minutes` among them.

    Raises:
        InvalidInput: A field is out of its limits; it is named.
        NotFound: There is no such brand.
        AlreadyExists: The brand has this visit type.
    """
    if visit_type in _NO_PATH:
        raise InvalidInput("id must not be . or .., which no address can name.", field="id")
    terms = new_terms(fields)
    async with database.transaction(call) as connection:
        await visit_types.lock(connection, call.brand_id)
        added = await visit_types.add(
            connection, brand_id=call.brand_id, visit_type=visit_type, name=name, terms=terms
        )
        await journal.record(connection, call, _entry("created", added), answer=added)
    return added


async def change_visit_type(
    database: Database,
    call: Call,
    visit_type: str,
    *,
    name: str | None,
    fields: dict[str, Any],
    versions: Sequence[int] | None = None,
) -> VisitType:
    """Replace the visit type's name, and these fields of its terms; None leaves the name.

    Visits keep the terms they were booked under. A provider's override keeps what differs, and
    follows in the rest.

    Raises:
        InvalidInput: As `add_visit_type`.
        NotFound: The brand has no such visit type, or retired it.
        VersionMismatch: It has changed since the versions named.
    """
    async with database.transaction(call) as connection:
        await visit_types.lock(connection, call.brand_id)
        before = await visit_types.get(
            connection, brand_id=call.brand_id, visit_type=visit_type, is_live=True
        )
        _check_version(before, versions)
        changed = await visit_types.change(
            connection,
            before,
            name=before.name if name is None else name,
            terms=changed_terms(before.terms, fields),
        )
        names = sorted(fields) if name is None else ["name", *sorted(fields)]
        await journal.record(
            connection, call, _entry("changed", changed, fields=names), answer=changed
        )
    return changed


async def retire_visit_type(
    database: Database, call: Call, visit_type: str, *, versions: Sequence[int] | None = None
) -> VisitType:
    """Take no new visits of this type; those that are booked stay. Safe to repeat.

    Raises:
        NotFound: The brand never had it.
        VersionMismatch: It has changed since the versions named.
    """
    async with database.transaction(call) as connection:
        await visit_types.lock(connection, call.brand_id)
        before = await visit_types.get(connection, brand_id=call.brand_id, visit_type=visit_type)
        _check_version(before, versions)
        if before.retired_at is not None:
            await idempotency.remember(connection, call, before)
            return before
        retired = await visit_types.retire(connection, before)
        await journal.record(connection, call, _entry("retired", retired), answer=retired)
    return retired


async def put_override(
    database: Database, call: Call, provider_id: str, visit_type: str, fields: dict[str, Any]
) -> ProviderVisitType:
    """Say what differs for this provider, in place of what was said before.

    Raises:
        InvalidInput: A field is out of its limits; it is named.
        NotFound: No such provider works for the brand, or it has no such visit type.
    """
    async with database.transaction(call) as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        await visit_types.lock(connection, call.brand_id)
        of_brand = await visit_types.get(
            connection, brand_id=call.brand_id, visit_type=visit_type, is_live=True
        )
        overridden = await visit_types.put_override(connection, provider, of_brand, fields)
        await journal.record(
            connection,
            call,
            Entry(
                event_type="visit_type_override.set",
                entity_type="visit_type_override",
                entity_id=visit_type,
                details={"provider_id": provider_id, "fields": sorted(fields)},
            ),
            answer=overridden,
        )
    return overridden


async def remove_override(
    database: Database, call: Call, provider_id: str, visit_type: str
) -> ProviderVisitType:
    """Have the brand's own terms hold for this provider again.

    Raises:
        NotFound: No such provider works for the brand, or there is no override to remove.
    """
    async with database.transaction(call) as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        await visit_types.lock(connection, call.brand_id)
        await visit_types.remove_override(connection, provider, visit_type=visit_type)
        of_brand = await visit_types.get(connection, brand_id=call.brand_id, visit_type=visit_type)
        restored = ProviderVisitType(
            visit_type=of_brand, provider_id=provider_id, fields={}, terms=of_brand.terms
        )
        await journal.record(
            connection,
            call,
            Entry(
                event_type="visit_type_override.removed",
                entity_type="visit_type_override",
                entity_id=visit_type,
                details={"provider_id": provider_id},
            ),
            answer=restored,
        )
    return restored


def _entry(verb: str, visit_type: VisitType, **details: object) -> Entry:
    """The audit's words for a change of a visit type: ids and numbers, and never its name."""
    return Entry(
        event_type=f"visit_type.{verb}",
        entity_type="visit_type",
        entity_id=visit_type.visit_type,
        details={"version": visit_type.version, "terms_no": visit_type.terms_no, **details},
    )


def _check_version(visit_type: VisitType, versions: Sequence[int] | None) -> None:
    if versions is not None and visit_type.version not in versions:
        raise VersionMismatch
