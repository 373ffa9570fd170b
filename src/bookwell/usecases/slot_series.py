"""Offer a provider's time for weeks at once."""

from collections.abc import Sequence
from datetime import datetime

from bookwell.domain.callers import Call
from bookwell.domain.slots import SlotSeries, offered_series
from bookwell.storage import catalog, idempotency, journal, slot_series
from bookwell.storage.database import Database
from bookwell.storage.slot_series import Offer
from bookwell.usecases.slots import refuse_patients


async def create_slots(
    database: Database, call: Call, provider_id: str, times: Sequence[tuple[datetime, datetime]]
) -> SlotSeries:
    """Offer these times (start, end) for the brand: all of them, or none.

    Raises:
        InvalidInput: A time is empty, longer than a day, or in the past; the field says which.
        NotFound: No such provider works for the brand.
    """
    refuse_patients(call)
    async with database.transaction(call) as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        offered = offered_series(times, now=await journal.now(connection))
        offers = [Offer.of(provider, interval) for interval in offered]
        series = SlotSeries(await slot_series.create(connection, call, offers))
        await idempotency.remember(connection, call, series)
    return series
