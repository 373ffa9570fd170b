"""Slots in PostgreSQL. Whether one is booked is never stored: it is asked of the visits."""

from datetime import datetime

import msgspec

from bookwell.domain.errors import NotFound
from bookwell.domain.slots import Slot
from bookwell.storage.catalog import NO_SUCH_PROVIDER
from bookwell.storage.statements import AnyConnection, statement

_get_slot = statement("get_slot")
_list_slots = statement("list_slots")
_delete_slot = statement("delete_slot")

_page = msgspec.json.Decoder(list[Slot])

NO_SUCH_SLOT = "There is no such slot."


async def get(
    connection: AnyConnection, *, brand_id: str, slot_id: str, provider_id: str | None = None
) -> Slot:
    """The brand's slot, of that provider if one is named; NotFound otherwise."""
    row = await _get_slot.row(
        connection, brand_id=brand_id, slot_id=slot_id, provider_id=provider_id
    )
    if row is None:
        raise NotFound(NO_SUCH_SLOT)
    return Slot(**row)


async def list_earliest_first(
    connection: AnyConnection,
    *,
    brand_id: str,
    provider_id: str,
    from_at: datetime,
    until_at: datetime,
    booked: bool | None,
    after: tuple[datetime, str],
    row_limit: int,
) -> list[Slot]:
    """At most `row_limit` slots that start in [from_at, until_at), after (start, id) `after`.

    Raises:
        NotFound: The provider offers no slots for the brand, because they are no clinician of it.
    """
    after_at, after_id = after
    page = await _list_slots.value(
        connection,
        brand_id=brand_id,
        provider_id=provider_id,
        from_at=from_at,
        until_at=until_at,
        after_at=after_at,
        after_id=after_id,
        booked=booked,
        row_limit=row_limit,
    )
    if page is None:
        raise NotFound(NO_SUCH_PROVIDER)
    return _page.decode(page)


async def delete(connection: AnyConnection, slot: Slot) -> None:
    """Take the offer back. The caller holds the provider's lock, so nobody is booking it now."""
    deleted = await _delete_slot.rows(connection, brand_id=slot.brand_id, slot_id=slot.slot_id)
    if not deleted:
        raise NotFound(NO_SUCH_SLOT)
