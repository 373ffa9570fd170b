"""Visit types, their terms, and the overrides of providers in PostgreSQL.

Terms are written once and never change. Everybody who has some names them by their number.
"""

import json
from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from asyncpg import InvalidParameterValueError, Record

from bookwell.domain.catalog import Provider
from bookwell.domain.errors import AlreadyExists, InvalidInput, NotFound
from bookwell.domain.visit_types import ProviderVisitType, Terms, VisitType, changed_terms
from bookwell.storage.statements import AnyConnection, as_json, statement

_lock_visit_types = statement("lock_visit_types")
_add_terms = statement("add_terms")
_find_terms = statement("find_terms")
_put_visit_type = statement("put_visit_type")
_change_visit_type = statement("change_visit_type")
_retire_visit_type = statement("retire_visit_type")
_list_visit_types = statement("list_visit_types")
_list_overrides_of_type = statement("list_overrides_of_type")
_remerge_overrides = statement("remerge_overrides")
_put_override = statement("put_override")
_remove_override = statement("remove_override")
_list_terms_of_providers = statement("list_terms_of_providers")
_make_derivations_due = statement("make_derivations_due")

# A row of booking.terms; what is no field of the terms is ignored.
_terms = msgspec.json.Decoder(Terms)

NO_SUCH_VISIT_TYPE = "There is no such visit type."
NO_SUCH_OVERRIDE = "There is no such override."


async def terms_of_brand(
    connection: AnyConnection, brand_id: str, provider_no: int
) -> dict[str, Terms]:
    """The terms of each of the brand's live visit types, as they are for this provider.

    Those that the provider does not offer are among them, and say so.
    """
    found = await terms_of_providers(connection, brand_id, [provider_no])
    return found[provider_no]


async def terms_of_providers(
    connection: AnyConnection, brand_id: str, provider_nos: Collection[int]
) -> dict[int, dict[str, Terms]]:
    """As `terms_of_brand`, for each of these providers, in one statement."""
    rows = await _list_terms_of_providers.rows(
        connection, brand_id=brand_id, provider_nos=provider_nos
    )
    brands = {row["visit_type"]: row for row in rows if row["provider_no"] is None}
    terms = {visit_type: _terms.decode(row["terms"]) for visit_type, row in brands.items()}
    found = {provider_no: dict(terms) for provider_no in provider_nos}
    for row in rows:
        if row["provider_no"] is not None:
            found[row["provider_no"]][row["visit_type"]] = _terms.decode(row["terms"])
    return found


async def lock(connection: AnyConnection, brand_id: str) -> None:
    """Queue for the brand's visit types; the lock is held until the transaction ends."""
    await _lock_visit_types.value(connection, brand_id=brand_id)


async def get(
    connection: AnyConnection, *, brand_id: str, visit_type: str, is_live: bool = False
) -> VisitType:
    """The brand's visit type, retired or not unless it must be live; NotFound otherwise."""
    found = await _list_visit_types.row(
        connection, **_asked(brand_id, visit_type=visit_type, include_retired=not is_live)
    )
    if found is None:
        raise NotFound(NO_SUCH_VISIT_TYPE)
    return _visit_type_from(found)


async def list_by_id(
    connection: AnyConnection,
    *,
    brand_id: str,
    include_retired: bool,
    after_id: str,
    row_limit: int,
) -> list[VisitType]:
    rows = await _list_visit_types.rows(
        connection,
        **_asked(brand_id, include_retired=include_retired, after_id=after_id, row_limit=row_limit),
    )
    return [_visit_type_from(row) for row in rows]


async def list_for_provider(
    connection: AnyConnection,
    provider: Provider,
    *,
    include_retired: bool,
    after_id: str,
    row_limit: int,
) -> list[ProviderVisitType]:
    rows = await _list_visit_types.rows(
        connection,
        **_asked(
            provider.brand_id,
            provider_no=provider.provider_no,
            include_retired=include_retired,
            after_id=after_id,
            row_limit=row_limit,
        ),
    )
    return [_for_provider(row, provider) for row in rows]


async def add(
    connection: AnyConnection, *, brand_id: str, visit_type: str, name: str, terms: Terms
) -> VisitType:
    """A new visit type, or one that was retired. The caller holds the brand's lock.

    Raises:
        AlreadyExists: The brand has it.
    """
    terms_no = await _number_of(connection, brand_id, terms)
    row = await _put_visit_type.row(
        connection, brand_id=brand_id, visit_type=visit_type, name=name, terms_no=terms_no
    )
    if row is None:
        raise AlreadyExists
    added = VisitType(
        brand_id=brand_id, visit_type=visit_type, name=name, terms=terms, terms_no=terms_no, **row
    )
    await _settle(connection, added)
    return added


async def change(
    connection: AnyConnection, before: VisitType, *, name: str, terms: Terms
) -> VisitType:
    """The visit type with this name and these terms. The caller holds the brand's lock."""
    terms_no = await _number_of(connection, before.brand_id, terms)
    row = await _change_visit_type.row(
        connection,
        brand_id=before.brand_id,
        visit_type=before.visit_type,
        name=name,
        terms_no=terms_no,
    )
    assert row is not None, "it was read behind the brand's lock"
    changed = msgspec.structs.replace(before, name=name, terms=terms, terms_no=terms_no, **row)
    await _settle(connection, changed)
    return changed


async def retire(connection: AnyConnection, before: VisitType) -> VisitType:
    """The visit type, from now on for no new visit. The caller holds the brand's lock."""
    row = await _retire_visit_type.row(
        connection, brand_id=before.brand_id, visit_type=before.visit_type
    )
    assert row is not None, "it was read behind the brand's lock"
    await make_derivations_due(connection, before.brand_id)
    return msgspec.structs.replace(before, **row)


async def put_override(
    connection: AnyConnection, provider: Provider, visit_type: VisitType, fields: dict[str, Any]
) -> ProviderVisitType:
    """The visit type as it is with these fields. The caller holds the brand's lock.

    Raises:
        InvalidInput: A field is out of its limits; it is named.
    """
    terms = changed_terms(visit_type.terms, fields)
    await _put_override.run(
        connection,
        brand_id=provider.brand_id,
        visit_type=visit_type.visit_type,
        provider_no=provider.provider_no,
        fields=json.dumps(fields),
        terms_no=await _number_of(connection, provider.brand_id, terms),
    )
    await make_derivations_due(connection, provider.brand_id, provider.provider_no)
    return ProviderVisitType(
        visit_type=visit_type, provider_id=provider.provider_id, fields=fields, terms=terms
    )


async def remove_override(
    connection: AnyConnection, provider: Provider, *, visit_type: str
) -> None:
    """Raises NotFound where there is none."""
    removed = await _remove_override.value(
        connection,
        brand_id=provider.brand_id,
        visit_type=visit_type,
        provider_no=provider.provider_no,
    )
    if removed is None:
        raise NotFound(NO_SUCH_OVERRIDE)
    await make_derivations_due(connection, provider.brand_id, provider.provider_no)


async def make_derivations_due(
    connection: AnyConnection, brand_id: str, provider_no: int | None = None
) -> None:
    """Have the brand's slots derived anew, or one provider's."""
    await _make_derivations_due.run(connection, brand_id=brand_id, provider_no=provider_no)


async def _settle(connection: AnyConnection, visit_type: VisitType) -> None:
    """Bring what hangs on the terms in line with them: the overrides, and the derived slots."""
    brand_id = visit_type.brand_id
    rows = await _list_overrides_of_type.rows(
        connection, brand_id=brand_id, visit_type=visit_type.visit_type
    )
    merged = {
        row["provider_no"]: visit_type.terms.with_fields(json.loads(row["fields"])) for row in rows
    }
    if merged:
        numbers = await _numbers_of(connection, brand_id, merged.values())
        await _remerge_overrides.run(
            connection,
            brand_id=brand_id,
            visit_type=visit_type.visit_type,
            merged=as_json(
                {"provider_no": provider_no, "terms_no": numbers[terms.digest]}
                for provider_no, terms in merged.items()
            ),
        )
    await make_derivations_due(connection, brand_id)


async def _number_of(connection: AnyConnection, brand_id: str, terms: Terms) -> int:
    numbers = await _numbers_of(connection, brand_id, [terms])
    return numbers[terms.digest]


async def _numbers_of(
    connection: AnyConnection, brand_id: str, several: Iterable[Terms]
) -> dict[bytes, int]:
    """The numbers of these terms by digest; those that are new are written.

    Raises:
        InvalidInput: PostgreSQL, whose zone data may be older than ours, does not know a zone.
    """
    by_digest = {terms.digest: terms for terms in several}
    rows = [{"digest": digest, **msgspec.to_builtins(terms)} for digest, terms in by_digest.items()]
    try:
        await _add_terms.run(connection, brand_id=brand_id, terms=as_json(rows))
    except InvalidParameterValueError as error:
        raise InvalidInput(
            "time_zone must be one that the database knows too.", field="time_zone"
        ) from error
    found = await _find_terms.rows(connection, brand_id=brand_id, digests=list(by_digest))
    return {row["digest"]: row["terms_no"] for row in found}


def _asked(brand_id: str, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever is asked for
    """The values of list_visit_types: all that are live and the brand's own, but for these."""
    everything = {
        "visit_type": None,
        "provider_no": None,
        "include_retired": False,
        "after_id": "",
        "row_limit": 1,
    }
    return {"brand_id": brand_id, **everything, **values}


def _visit_type_from(row: Record) -> VisitType:
    return VisitType(
        brand_id=row["brand_id"],
        visit_type=row["visit_type"],
        name=row["name"],
        terms=_terms.decode(row["terms"]),
        terms_no=row["terms_no"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
        retired_at=row["retired_at"],
    )


def _for_provider(row: Record, provider: Provider) -> ProviderVisitType:
    visit_type = _visit_type_from(row)
    is_overridden = row["fields"] is not None
    return ProviderVisitType(
        visit_type=visit_type,
        provider_id=provider.provider_id,
        fields=json.loads(row["fields"]) if is_overridden else {},
        terms=_terms.decode(row["merged"]) if is_overridden else visit_type.terms,
    )
