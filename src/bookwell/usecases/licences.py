"""Keep providers' licences, and tell which visits none of them covers."""

from datetime import datetime
from typing import Any

import msgspec

from bookwell.domain.callers import Call, Role
from bookwell.domain.catalog import Provider
from bookwell.domain.errors import Forbidden
from bookwell.domain.licences import Licence, LicenceChange, VisitAtRisk
from bookwell.storage import catalog, journal, licences
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.storage.statements import AnyConnection
from bookwell.usecases.paging import FAR_FUTURE, FAR_PAST, Page

# Those that an answer to a change names; whoever wants the others asks for them.
AT_RISK_NAMED_MAX = 100


async def add_licence(
    database: Database, call: Call, provider_id: str, licence: Licence
) -> Licence:
    """Let the provider see the brand's patients in one more region. The new one's id is made here.

    Raises:
        InvalidInput: No day is valid, or the zone does not exist.
        NotFound: No such provider works for the brand.
    """
    licence.check()
    async with database.transaction(call) as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        # A first licence also says that the provider sees nobody elsewhere: whoever is just
        # booking is judged by it, or was before it.
        await catalog.lock_provider(connection, provider)
        added = await licences.add(connection, provider, licence)
        await journal.record(connection, call, _entry("created", added), answer=added)
    return added


async def list_licences(
    database: Database, call: Call, provider_id: str, *, after_id: str | None, limit: int
) -> Page[Licence]:
    """A page of the provider's licences for the brand, oldest first. For staff and services.

    Raises:
        NotFound: No such provider works for the brand.
    """
    _refuse_patients(call)
    async with database.reading() as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        found = await licences.list_by_id(
            connection, provider, after_id=after_id or "", row_limit=limit + 1
        )
    return Page.cut(found, limit, lambda licence: (licence.licence_id,))


async def change_licence(
    database: Database, call: Call, provider_id: str, licence_id: str, fields: dict[str, Any]
) -> LicenceChange:
    """Replace these fields of the licence, and name the provider's visits that none covers now.

    Raises:
        InvalidInput: No day would be valid, or the zone does not exist.
        NotFound: The provider has no such licence for the brand.
    """
    async with database.transaction(call) as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        # Behind the lock nobody books what the licence allows no more.
        await catalog.lock_provider(connection, provider)
        before = await licences.get(connection, provider, licence_id)
        licence = msgspec.structs.replace(before, **fields)
        licence.check()
        await licences.change(connection, licence)
        changed = await _left_by(connection, provider, licence)
        entry = _entry("changed", licence, fields=sorted(fields))
        await journal.record(connection, call, entry, answer=changed)
    return changed


async def delete_licence(
    database: Database, call: Call, provider_id: str, licence_id: str
) -> LicenceChange:
    """Take the licence away, and name the provider's visits that none covers now.

    Raises:
        NotFound: The provider has no such licence for the brand.
    """
    async with database.transaction(call) as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        await catalog.lock_provider(connection, provider)
        licence = await licences.get(connection, provider, licence_id)
        await licences.delete(connection, licence)
        deleted = await _left_by(connection, provider, licence)
        await journal.record(connection, call, _entry("deleted", licence), answer=deleted)
    return deleted


async def list_visits_at_risk(
    database: Database,
    call: Call,
    *,
    provider_id: str | None,
    before: datetime | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Page[VisitAtRisk]:
    """A page of the visits ahead that no licence will cover, earliest first.

    Of the brand or of one provider, and those only that begin before `before`. For staff and
    services.

    Raises:
        NotFound: No such provider works for the brand.
    """
    _refuse_patients(call)
    async with database.reading() as connection:
        provider = None
        if provider_id is not None:
            provider = await catalog.get_clinician(
                connection, brand_id=call.brand_id, provider_id=provider_id
            )
        found = await licences.list_visits_at_risk(
            connection,
            brand_id=call.brand_id,
            provider=provider,
            before=before or FAR_FUTURE,
            after=after or (FAR_PAST, ""),
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda visit: (visit.starts_at, visit.visit_id))


async def _left_by(
    connection: AnyConnection, provider: Provider, licence: Licence
) -> LicenceChange:
    """The change of this licence with the visits that it leaves without one."""
    found = await licences.list_visits_at_risk(
        connection,
        brand_id=provider.brand_id,
        provider=provider,
        before=FAR_FUTURE,
        after=(FAR_PAST, ""),
        row_limit=AT_RISK_NAMED_MAX + 1,
    )
    return LicenceChange(
        licence=licence,
        visits_at_risk=found[:AT_RISK_NAMED_MAX],
        has_more=len(found) > AT_RISK_NAMED_MAX,
    )


def _refuse_patients(call: Call) -> None:
    if call.caller.role is Role.PATIENT:
        raise Forbidden("Licences are for staff and services.")


def _entry(verb: str, licence: Licence, **details: object) -> Entry:
    return Entry(
        event_type=f"licence.{verb}",
        entity_type="licence",
        entity_id=licence.licence_id,
        details={"provider_id": licence.provider_id, "region": licence.region, **details},
    )
