"""Offer time, list it, take it back."""

from datetime import datetime

from bookwell.domain.callers import Call, Role
from bookwell.domain.errors import Forbidden, SlotNotDeletable
from bookwell.domain.events import SlotDeleted
from bookwell.domain.slots import Slot, offered_interval
from bookwell.storage import catalog, idempotency, journal, slot_series, slots, visit_types
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.storage.slot_series import Offer
from bookwell.usecases.paging import FAR_FUTURE, FAR_PAST, Page


async def create_slot(
    database: Database, call: Call, provider_id: str, *, starts_at: datetime, ends_at: datetime
) -> Slot:
    """Offer a provider's time for the brand; offers may overlap each other.

    Raises:
        InvalidInput: The time is empty, longer than a day, or in the past.
        NotFound: No such provider works for the brand.
    """
    refuse_patients(call)
    async with database.transaction(call) as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        offered = offered_interval(starts_at, ends_at, now=await journal.now(connection))
        (slot,) = await slot_series.create(connection, call, [Offer.of(provider, offered)])
        await idempotency.remember(connection, call, slot)
    return slot


async def list_slots(
    database: Database,
    call: Call,
    provider_id: str,
    *,
    from_at: datetime | None,
    until_at: datetime | None,
    booked: bool | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Page[Slot]:
    """A page of the provider's slots that start in [from_at, until_at), earliest first.

    Raises:
        NotFound: No such provider works for the brand.
    """
    async with database.reading() as connection:
        found = await slots.list_earliest_first(
            connection,
            brand_id=call.brand_id,
            provider_id=provider_id,
            from_at=from_at or FAR_PAST,
            until_at=until_at or FAR_FUTURE,
            booked=booked,
            after=after or (FAR_PAST, ""),
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda slot: (slot.starts_at, slot.slot_id))


async def delete_slot(database: Database, call: Call, provider_id: str, slot_id: str) -> Slot:
    """Take an offer back.

    Raises:
        NotFound: The provider has no such slot for the brand.
        SlotNotDeletable: Its time is taken.
    """
    refuse_patients(call)
    async with database.transaction(call) as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        # Behind the provider's lock nobody is booking the slot while we look whether it is booked.
        await catalog.lock_provider(connection, provider)
        slot = await slots.get(
            connection, brand_id=call.brand_id, slot_id=slot_id, provider_id=provider_id
        )
        if slot.booked:
            raise SlotNotDeletable
        await slots.delete(connection, slot)
        if slot.rule_id is None:
            # It stood in for a slot of the schedule, which offers that time again.
            await visit_types.make_derivations_due(connection, call.brand_id, provider.provider_no)
        await journal.record(
            connection,
            call,
            Entry(event_type="slot.deleted", entity_type="slot", entity_id=slot_id),
            fact=SlotDeleted(
                slot_id=slot_id,
                provider_id=provider_id,
                brand_id=slot.brand_id,
                slot_start=slot.starts_at,
                slot_end=slot.ends_at,
                deleted_at=await journal.now(connection),
            ),
            sequence=2,
            answer=slot,
        )
    return slot


def refuse_patients(call: Call) -> None:
    """Forbidden for a patient's token: whose time it is decides who offers it."""
    if call.caller.role is Role.PATIENT:
        raise Forbidden("Patients do not offer time.")
