"""Providers' licences in PostgreSQL, and the visits that none of them covers."""

from datetime import datetime

import msgspec

from bookwell.domain.catalog import Provider
from bookwell.domain.errors import NotFound
from bookwell.domain.ids import LICENCE, new_id
from bookwell.domain.licences import Licence, VisitAtRisk
from bookwell.storage.statements import AnyConnection, statement

_add_licence = statement("add_licence")
_change_licence = statement("change_licence")
_delete_licence = statement("delete_licence")
_list_licences = statement("list_licences")
_list_visits_at_risk = statement("list_visits_at_risk")
_list_visits_at_risk_of_provider = statement("list_visits_at_risk_of_provider")

NO_SUCH_LICENCE = "There is no such licence."


async def add(connection: AnyConnection, provider: Provider, licence: Licence) -> Licence:
    """The licence as it is kept: with an id, and since when."""
    licence_id = new_id(LICENCE)
    row = await _add_licence.row(
        connection,
        licence_id=licence_id,
        brand_id=provider.brand_id,
        provider_no=provider.provider_no,
        region=licence.region,
        valid_from=licence.valid_from,
        valid_until=licence.valid_until,
        time_zone=licence.time_zone,
        starts_at=licence.starts_at,
        ends_at=licence.ends_at,
    )
    assert row is not None, "INSERT RETURNING answers a row"
    return msgspec.structs.replace(licence, licence_id=licence_id, created_at=row["created_at"])


async def change(connection: AnyConnection, licence: Licence) -> None:
    """Keep the licence as it is now."""
    await _change_licence.run(
        connection,
        licence_id=licence.licence_id,
        brand_id=licence.brand_id,
        region=licence.region,
        valid_from=licence.valid_from,
        valid_until=licence.valid_until,
        time_zone=licence.time_zone,
        starts_at=licence.starts_at,
        ends_at=licence.ends_at,
    )


async def delete(connection: AnyConnection, licence: Licence) -> None:
    await _delete_licence.run(connection, brand_id=licence.brand_id, licence_id=licence.licence_id)


async def get(connection: AnyConnection, provider: Provider, licence_id: str) -> Licence:
    """The provider's licence for the brand; NotFound otherwise."""
    found = await list_by_id(connection, provider, licence_id=licence_id, row_limit=1)
    if not found:
        raise NotFound(NO_SUCH_LICENCE)
    return found[0]


async def list_by_id(
    connection: AnyConnection,
    provider: Provider,
    *,
    licence_id: str | None = None,
    after_id: str = "",
    row_limit: int,
) -> list[Licence]:
    """The provider's licences for the brand, oldest first."""
    rows = await _list_licences.rows(
        connection,
        provider_no=provider.provider_no,
        brand_id=provider.brand_id,
        licence_id=licence_id,
        after_id=after_id,
        row_limit=row_limit,
    )
    return [Licence(**row) for row in rows]


async def list_visits_at_risk(
    connection: AnyConnection,
    *,
    brand_id: str,
    provider: Provider | None,
    before: datetime,
    after: tuple[datetime, str],
    row_limit: int,
) -> list[VisitAtRisk]:
    """The brand's visits ahead that no licence covers, or the provider's, earliest first."""
    after_at, after_id = after
    asked = {
        "brand_id": brand_id,
        "before": before,
        "after_at": after_at,
        "after_id": after_id,
        "row_limit": row_limit,
    }
    if provider is None:
        rows = await _list_visits_at_risk.rows(connection, **asked)
    else:
        rows = await _list_visits_at_risk_of_provider.rows(
            connection, provider_no=provider.provider_no, **asked
        )
    return [VisitAtRisk(**row) for row in rows]
