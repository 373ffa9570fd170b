"""What somebody who came too late for a slot hears besides: the nearest open ones."""

from datetime import datetime

from bookwell.domain.errors import SlotUnavailable
from bookwell.storage import search
from bookwell.storage.rules import Question
from bookwell.storage.statements import AnyConnection


async def slot_unavailable(
    connection: AnyConnection,
    question: Question,
    *,
    brand_id: str,
    slot_id: str,
    provider_id: str,
    near_at: datetime,
    left_slot_id: str | None = None,
) -> SlotUnavailable:
    """The refusal, with the same provider's open slots nearest to that time.

    A visit that is moved leaves a slot, which counts as free and is none to move to.

    CONTRACT.md section 2, decision 2: a lost race tells what it can.
    """
    nearest = await search.nearest(
        connection,
        brand_id=brand_id,
        provider_id=provider_id,
        near_at=near_at,
        question=question,
    )
    return SlotUnavailable(
        slot_id=slot_id,
        # In the order in which PostgreSQL keeps the names of an object, so that the refusal is told
        # again byte for byte.
        nearest_slots=[
            {"id": slot.slot_id, "end_time": slot.ends_at, "start_time": slot.starts_at}
            for slot in nearest
            if slot.slot_id != left_slot_id
        ],
    )
