"""Many slots of one provider in one statement."""

from collections.abc import Sequence

from bookwell.domain.callers import Call
from bookwell.domain.catalog import Provider
from bookwell.domain.ids import EVENT, SLOT, new_id
from bookwell.domain.intervals import Interval
from bookwell.storage.journal import actor_values
from bookwell.storage.statements import AnyConnection, statement

_create_slots = statement("create_slots")


async def create(
    connection: AnyConnection, call: Call, provider: Provider, offered: Sequence[Interval]
) -> int:
    """Create the slots that the provider never offered the brand, and return how many those are.

    Their events and audit rows are written with them. The caller holds the provider's lock.
    """
    created: int = await _create_slots.value(
        connection,
        brand_id=provider.brand_id,
        provider_no=provider.provider_no,
        provider_id=provider.provider_id,
        slot_ids=[new_id(SLOT) for _ in offered],
        event_ids=[new_id(EVENT) for _ in offered],
        starts_at=[interval.starts_at for interval in offered],
        ends_at=[interval.ends_at for interval in offered],
        **actor_values(call),
    )
    return created
