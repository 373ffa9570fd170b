"""Many slots in one statement, of one provider or several."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Self

from bookwell.domain.callers import Call
from bookwell.domain.catalog import Provider
from bookwell.domain.ids import EVENT, SLOT, new_id
from bookwell.domain.intervals import Interval
from bookwell.domain.slots import Slot
from bookwell.storage.journal import actor_values
from bookwell.storage.statements import AnyConnection, statement

_create_slots = statement("create_slots")
_find_clinicians = statement("find_clinicians")


class Offer(NamedTuple):
    """A time that a provider is to offer."""

    provider_no: int
    provider_id: str
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, provider: Provider, offered: Interval) -> Self:
        return cls(provider.provider_no, provider.provider_id, offered.starts_at, offered.ends_at)


async def create(
    connection: AnyConnection, call: Call, offers: Sequence[Offer], *, only_new: bool = False
) -> list[Slot]:
    """Create these slots, with their events and audit rows, and return them in the order asked.

    With `only_new`, a time that the provider ever offered the brand stays as it is and is not among
    them; no two of `offers` are the same, and the caller holds the provider's or the brand's lock.
    """
    rows = await _create_slots.rows(
        connection,
        brand_id=call.brand_id,
        slot_ids=[new_id(SLOT) for _ in offers],
        event_ids=[new_id(EVENT) for _ in offers],
        provider_nos=[offer.provider_no for offer in offers],
        provider_ids=[offer.provider_id for offer in offers],
        starts_ats=[offer.starts_at for offer in offers],
        ends_ats=[offer.ends_at for offer in offers],
        only_new=only_new,
        **actor_values(call),
    )
    return [Slot(**row) for row in rows]


async def find_clinicians(
    connection: AnyConnection, *, brand_id: str, provider_ids: Sequence[str]
) -> dict[str, int]:
    """The `provider_no` of those of these people who offer slots for the brand, by id."""
    rows = await _find_clinicians.rows(
        connection, brand_id=brand_id, provider_ids=list(provider_ids)
    )
    return {row["provider_id"]: row["provider_no"] for row in rows}
