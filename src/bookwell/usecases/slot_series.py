"""Offer a provider's time for weeks at once."""

from collections.abc import Sequence

from bookwell.domain.callers import Call
from bookwell.domain.intervals import Interval
from bookwell.domain.slots import offered_interval
from bookwell.storage import catalog, journal, slot_series
from bookwell.storage.database import Database


async def offer_slots(
    database: Database, call: Call, provider_id: str, times: Sequence[Interval]
) -> int:
    """Offer these times for the brand, and return how many were not offered before.

    Safe to repeat: a time that was ever offered, even one taken back since, stays as it is.

    Raises:
        InvalidInput: A time is empty, longer than a day, or in the past; then none is offered.
        NotFound: No such provider works for the brand.
    """
    async with database.transaction(call) as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        await catalog.lock_provider(connection, provider)
        now = await journal.now(connection)
        offered = [offered_interval(time.starts_at, time.ends_at, now=now) for time in times]
        return await slot_series.create(connection, call, provider, offered)
