"""A provider's time, offered for weeks at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from bookwell.domain.callers import Call, operator
from bookwell.domain.errors import InvalidInput, NotFound
from bookwell.domain.events import SlotCreated, data_of
from bookwell.domain.intervals import Interval
from bookwell.storage.database import Database
from bookwell.usecases.slot_series import offer_missing_slots
from bookwell.usecases.slots import create_slot, delete_slot
from world import LOOP, LOOPBIO, World


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    database = await Database.connect(world.database_url, pool_size=4)
    yield database
    await database.close()


def call_for(brand_id: str) -> Call:
    return Call(caller=operator("cli:tests"), brand_id=brand_id, request_id="req_series")


def half_hours(world: World, number: int, *, from_hour: float = 8) -> list[Interval]:
    starts = [world.at(from_hour + n / 2) for n in range(number)]
    return [Interval(start, start + timedelta(minutes=30)) for start in starts]


async def test_what_was_offered_before_is_not_offered_again(
    world: World, database: Database
) -> None:
    first = await offer_missing_slots(database, call_for(LOOP), "prv_kim", half_hours(world, 4))
    again = await offer_missing_slots(database, call_for(LOOP), "prv_kim", half_hours(world, 6))

    assert (first, again) == (4, 2)
    assert world.sql("SELECT starts_at FROM booking.slot ORDER BY 1") == [
        (time.starts_at,) for time in half_hours(world, 6)
    ]


async def test_a_time_of_another_length_or_another_brand_is_another_offer(
    world: World, database: Database
) -> None:
    hour = [Interval(world.at(8), world.at(9))]

    offered = [
        await offer_missing_slots(database, call_for(LOOP), "prv_both", half_hours(world, 1)),
        await offer_missing_slots(database, call_for(LOOP), "prv_both", hour),
        await offer_missing_slots(database, call_for(LOOPBIO), "prv_both", hour),
    ]

    assert offered == [1, 1, 1]


async def test_a_slot_that_was_taken_back_stays_away(world: World, database: Database) -> None:
    await offer_missing_slots(database, call_for(LOOP), "prv_kim", half_hours(world, 1))
    ((slot_id,),) = world.sql("SELECT slot_id FROM booking.slot")
    await delete_slot(database, call_for(LOOP), "prv_kim", str(slot_id))

    assert await offer_missing_slots(database, call_for(LOOP), "prv_kim", half_hours(world, 1)) == 0


async def test_of_four_who_offer_the_same_at_once_one_adds_it(
    world: World, database: Database
) -> None:
    times = half_hours(world, 20)

    added = await asyncio.gather(
        *(offer_missing_slots(database, call_for(LOOP), "prv_kim", times) for _ in range(4))
    )

    assert sorted(added) == [0, 0, 0, 20]
    assert world.sql("SELECT count(*) FROM booking.slot") == [(20,)]


async def test_each_slot_leaves_the_event_and_the_audit_row_of_one_that_was_made_alone(
    world: World, database: Database
) -> None:
    alone, together = half_hours(world, 2)
    await create_slot(
        database, call_for(LOOP), "prv_kim", starts_at=alone.starts_at, ends_at=alone.ends_at
    )
    await offer_missing_slots(database, call_for(LOOP), "prv_kim", [together])

    audit = (
        "SELECT actor_type, actor_id, actor_brand_id, event_type, entity_type, brand_id,"
        " request_id, details FROM booking.audit ORDER BY id"
    )
    assert len(set(map(str, world.sql(audit)))) == 1
    assert len(world.sql(audit)) == 2
    events = world.sql(
        "SELECT event_type, sequence, brand_id, entity_id, data FROM booking.event ORDER BY event_no"
    )
    assert [event[:3] for event in events] == [("booking.slot.created.v1", 1, LOOP)] * 2
    for (*_, slot_id, data), time in zip(events, (alone, together), strict=True):
        fact = msgspec.convert(data, SlotCreated)
        assert data_of(fact) == data
        assert (fact.slot_id, fact.slot_start, fact.slot_end) == (
            slot_id,
            time.starts_at,
            time.ends_at,
        )


async def test_one_time_in_the_past_and_nothing_is_offered(
    world: World, database: Database
) -> None:
    now = datetime.now(UTC)
    over = Interval(now - timedelta(hours=1), now + timedelta(hours=1))

    with pytest.raises(InvalidInput):
        await offer_missing_slots(
            database, call_for(LOOP), "prv_kim", [*half_hours(world, 2), over]
        )

    assert world.sql("SELECT count(*) FROM booking.slot") == [(0,)]


@pytest.mark.parametrize("provider_id", ["prv_sam", "coach_jo", "prv_nobody"])
async def test_only_a_clinician_of_the_brand_offers_slots(
    provider_id: str, world: World, database: Database
) -> None:
    with pytest.raises(NotFound):
        await offer_missing_slots(database, call_for(LOOP), provider_id, half_hours(world, 1))
