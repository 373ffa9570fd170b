"""What the hubs do for everybody who streams, counted in uses of the database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta

import pytest

from bookwell.domain.callers import Call, operator
from bookwell.domain.intervals import Interval
from bookwell.http.live import written_event
from bookwell.storage.database import Database, Unit
from bookwell.usecases.live_availability import AvailabilityHub, AvailabilityStream, Watched
from bookwell.usecases.live_events import EventHub, Message
from bookwell.usecases.streaming import Ending
from world import LOOP, LOOPBIO, World

CALL = Call(caller=operator("cli:tests"), brand_id=LOOP, request_id="req_live")
MANY = 30


class Counting(Database):
    """A database that counts how often it is read from."""

    reads = 0

    def reading(self) -> Unit:
        self.reads += 1
        return super().reading()


class Ear:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def hear(self, messages: Sequence[Message]) -> None:
        self.heard += messages

    def miss(self) -> None:
        raise AssertionError("nothing was swept")


@pytest.fixture
async def database(world: World) -> AsyncIterator[Counting]:
    database = await Counting.connect(world.database_url, pool_size=4)
    yield database
    await database.close()


@pytest.fixture
async def hub(database: Counting) -> AsyncIterator[EventHub]:
    hub = EventHub(database, written_event)
    running = asyncio.create_task(hub.run())
    yield hub
    running.cancel()


def happen(world: World, provider_id: str = "prv_kim", brand_id: str = LOOP) -> None:
    """An event that names the provider, with its place in the log."""
    world.sql(
        "WITH log AS (INSERT INTO booking.event_log AS l (brand_id, last_position) VALUES (%s, 1)"
        " ON CONFLICT (brand_id) DO UPDATE SET last_position = l.last_position + 1"
        " RETURNING brand_id, last_position)"
        " INSERT INTO booking.event"
        " (event_id, brand_id, event_type, entity_id, sequence, data, position)"
        " SELECT gen_random_uuid()::text, brand_id, 'booking.slot.deleted.v1', 'slt_x',"
        " last_position, jsonb_build_object('provider_id', %s::text), last_position FROM log",
        brand_id,
        provider_id,
    )


async def until_heard(ears: Sequence[Ear], count: int) -> None:
    async with asyncio.timeout(5):
        while any(len(ear.heard) < count for ear in ears):
            await asyncio.sleep(0.005)


async def test_many_who_hear_a_brand_share_one_look_and_one_message(
    world: World, database: Counting, hub: EventHub
) -> None:
    ears = [Ear() for _ in range(MANY)]
    async with AsyncExitStack() as stack:
        for ear in ears:
            await stack.enter_async_context(hub.hearing(LOOP, ear))
        await asyncio.sleep(0.05)
        before = database.reads
        happen(world)
        hub.notice()
        await until_heard(ears, 1)

        assert database.reads - before == 1
        assert len({id(ear.heard[0].wire) for ear in ears}) == 1


async def test_without_streams_nothing_is_done_whatever_is_announced(
    world: World, database: Counting, hub: EventHub
) -> None:
    async with hub.hearing(LOOP, Ear()):
        await asyncio.sleep(0.05)
    before = database.reads
    for _ in range(MANY):
        happen(world)
        hub.notice()
        await asyncio.sleep(0.005)

    assert database.reads == before


async def test_an_event_is_heard_though_nobody_announced_it(world: World, hub: EventHub) -> None:
    ear = Ear()
    async with hub.hearing(LOOP, ear):
        happen(world)

        await until_heard([ear], 1)


def watched(world: World) -> Watched:
    return Watched(
        brand_id=LOOP,
        provider_id="prv_both",
        day=world.at(0, days=20).date(),
        time_zone="UTC",
        visit_type=None,
        patient_id=None,
    )


def counted_times(_watched: Watched, times: Sequence[Interval]) -> bytes:
    return b"%d" % len(times)


async def told(messages: AsyncIterator[bytes]) -> bytes:
    async with asyncio.timeout(5):
        return await anext(messages)


def ended(_ending: Ending) -> None:
    raise AssertionError("nothing ends here")


async def test_all_who_watch_a_day_share_one_search_for_each_change(
    world: World, database: Counting, hub: EventHub
) -> None:
    availability = AvailabilityHub(database, hub, counted_times)
    before = database.reads
    streams: list[AvailabilityStream] = await asyncio.gather(
        *(availability.open_stream(CALL, watched(world), b":\n") for _ in range(MANY))
    )
    assert database.reads - before == 1

    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(aclosing(s.messages(ended))) for s in streams]
        assert [await told(each) for each in sources] == [b"0"] * MANY
        await asyncio.sleep(0.2)  # the watch has begun, and looked again
        before = database.reads
        world.add_slot(world.at(9, days=20), provider_id="prv_both")
        happen(world, "prv_both", LOOPBIO)  # whose times may be another brand's
        hub.notice()

        assert [await told(each) for each in sources] == [b"1"] * MANY
        # A look at each of the provider's two brands' logs, and one search.
        assert database.reads - before <= 3


async def test_a_change_without_an_event_is_seen_by_looking_now_and_then(
    world: World, database: Counting, hub: EventHub
) -> None:
    availability = AvailabilityHub(database, hub, counted_times, relook_seconds=(0.05, 0.1))
    stream = await availability.open_stream(CALL, watched(world), b":\n")
    async with aclosing(stream.messages(ended)) as messages:
        first = await told(messages)
        world.add_slot(world.at(9, days=20), provider_id="prv_both")

        assert (first, await told(messages)) == (b"0", b"1")


async def test_a_watch_ends_with_its_last_stream(
    world: World, database: Counting, hub: EventHub
) -> None:
    availability = AvailabilityHub(database, hub, counted_times, relook_seconds=(0.01, 0.02))
    stream = await availability.open_stream(CALL, watched(world), b":\n")
    async with aclosing(stream.messages(ended)) as messages:
        await told(messages)
    await asyncio.sleep(timedelta(milliseconds=100).total_seconds())
    before = database.reads
    await asyncio.sleep(0.2)

    assert database.reads == before
