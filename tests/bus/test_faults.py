"""Nothing is lost, and no worker ends, while NATS is away, silent, restarted, or cut off."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import httpx

from bookwell.usecases.bus import Publisher
from conftest import serving, settings_for
from nats_servers import NatsServer, assert_complete
from waiting import until
from world import World, headers
from written_events import bookmark_of, write_visits

NewPublisher = Callable[..., Publisher]
# Connecting again takes a second or two; a machine that is busy, a few more.
HEALED_SECONDS = 25.0


@asynccontextmanager
async def at_work(publisher: Publisher) -> AsyncIterator[None]:
    """The publisher goes on by itself meanwhile, and must not end of itself."""
    task = asyncio.create_task(publisher.publish())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def published(world: World, count: int) -> None:
    await until(lambda: bookmark_of(world) == count, seconds=HEALED_SECONDS)


async def test_booking_goes_on_while_nats_is_down_and_its_events_arrive_afterwards(
    world: World, nats_server: NatsServer
) -> None:
    nats_server.kill()
    settings = settings_for(world.database_url, nats_url=nats_server.url)
    async with (
        serving(settings) as base_url,
        httpx.AsyncClient(base_url=base_url, trust_env=False) as client,
    ):
        for hour in range(5):
            slot_id = world.add_slot(world.at(hour))
            booked = await client.post(
                "/v1/visits", json=world.book(slot_id), headers=headers(world.staff)
            )
            assert booked.status_code == 201
        assert bookmark_of(world) == 0

        nats_server.start()
        await published(world, 5)

    received = await nats_server.received()
    written = [str(row[0]) for row in world.sql("SELECT event_id FROM booking.event")]
    assert sorted(each.event_id for each in received) == sorted(written)


async def test_a_restart_of_nats_in_the_middle_loses_nothing(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    written = write_visits(world, visits=1500, events=2)
    async with at_work(new_publisher()):
        await until(lambda: bookmark_of(world) > 0, seconds=HEALED_SECONDS)
        nats_server.kill()
        were_in = bookmark_of(world)
        nats_server.start()
        await published(world, len(written))

    assert were_in < len(written)
    assert_complete(await nats_server.received(), written)


async def test_a_server_that_answers_nobody_holds_up_its_events_and_loses_none(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    written = write_visits(world, visits=10)
    async with at_work(new_publisher(ack_seconds=0.5)):
        await published(world, 10)
        nats_server.hold_still()
        written += write_visits(world, visits=1000, events=2)
        await until(lambda: is_claimed(world))
        await asyncio.sleep(2.5)  # longer than an ack and a connection may take
        were_in = bookmark_of(world)
        nats_server.go_on()
        await published(world, len(written))

    assert were_in == 10
    assert_complete(await nats_server.received(), written)


async def test_a_connection_that_is_lost_again_and_again_loses_no_event(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    written = write_visits(world, visits=1200, events=3)
    async with (
        relay(nats_server.port, bytes_each=400_000) as port,
        at_work(new_publisher(servers=[f"nats://127.0.0.1:{port}"])),
    ):
        await published(world, len(written))

    assert_complete(await nats_server.received(), written)


def is_claimed(world: World) -> bool:
    return world.sql("SELECT 1 FROM booking.bus_bookmark WHERE leased_by IS NOT NULL") != []


@asynccontextmanager
async def relay(port: int, *, bytes_each: int) -> AsyncIterator[int]:
    """A port in front of another, which cuts each connection after so many bytes."""

    async def carry(one: asyncio.StreamReader, other: asyncio.StreamWriter, limit: int) -> None:
        with suppress(OSError):
            while limit > 0 and (data := await one.read(16_384)):
                other.write(data[:limit])
                await other.drain()
                limit -= len(data)
        other.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            carry(reader, inner_writer, bytes_each), carry(inner_reader, writer, 1 << 40)
        )

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
