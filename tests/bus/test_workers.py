"""Any number of workers publish; what one leaves when it is killed, another takes up."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg

from bookwell.storage import bus as bookmarks
from bookwell.storage.bus import Bookmark
from bookwell.usecases.bus import Publisher
from conftest import settings_for
from nats_servers import NatsServer, assert_complete
from waiting import until
from world import LOOP, LOOPBIO, World
from written_events import bookmark_of, write_visits

NewPublisher = Callable[..., Publisher]
WORKER = Path(__file__).parents[1] / "publishing_worker.py"
KILLS = 4
DRAINED_SECONDS = 40.0


@contextmanager
def worker(world: World, nats_server: NatsServer) -> Iterator[subprocess.Popen[bytes]]:
    settings = settings_for(world.database_url, nats_url=nats_server.url)
    process = subprocess.Popen(
        [sys.executable, str(WORKER)],
        env={**os.environ, **settings.to_environment()},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_workers_that_are_killed_in_the_middle_leave_each_event_in_the_stream_once(
    world: World, nats_server: NatsServer
) -> None:
    written: list[str] = []
    middles = 0
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(world, nats_server)) for _ in range(2)]
        for kill in range(KILLS):
            had = bookmark_of(world)
            written += await asyncio.to_thread(write_visits, world, visits=500, events=2)
            await until(lambda: bookmark_of(world) > had, seconds=DRAINED_SECONDS)  # noqa: B023 - awaited here
            workers[kill % 2].kill()
            middles += bookmark_of(world) < len(written)
            if kill < KILLS - 1:
                # Six seconds later; the last time they are waited for.
                world.sql("UPDATE booking.bus_bookmark SET leased_until = clock_timestamp()")
            workers[kill % 2] = stack.enter_context(worker(world, nats_server))
        await until(lambda: bookmark_of(world) == len(written), seconds=DRAINED_SECONDS)

    assert middles > 0
    assert_complete(await nats_server.received(), written)


async def test_what_a_killed_worker_had_in_hand_is_published_by_another(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    written = write_visits(world, visits=30)
    await new_publisher().publish_waiting()
    world.sql("UPDATE booking.bus_bookmark SET position = 7, leased_by = 'killed'")

    await new_publisher().publish_waiting()
    was_left_alone = bookmark_of(world)
    world.sql("UPDATE booking.bus_bookmark SET leased_until = clock_timestamp()")
    await new_publisher().publish_waiting()

    assert (was_left_alone, bookmark_of(world)) == (7, 30)
    assert [each.event_id for each in await nats_server.received()] == written


async def test_a_brand_is_one_publishers_at_a_time(world: World) -> None:
    write_visits(world, visits=2)
    write_visits(world, visits=2, brand_id=LOOPBIO)
    connections = [await asyncpg.connect(world.database_url) for _ in range(4)]

    claimed = await asyncio.gather(
        *(
            bookmarks.claim(connection, publisher=f"publisher_{number}", set_aside=[])
            for number, connection in enumerate(connections)
        )
    )

    brands = [bookmark.brand_id for each in claimed for bookmark in each]
    assert sorted(brands) == [LOOP, LOOPBIO]
    for connection in connections:
        await connection.close()


async def test_who_lost_the_lease_while_asleep_moves_no_bookmark(world: World) -> None:
    write_visits(world, visits=20)
    connection = await asyncpg.connect(world.database_url)
    await bookmarks.claim(connection, publisher="asleep", set_aside=[])
    world.sql("UPDATE booking.bus_bookmark SET leased_by = 'another'")

    is_moved = await bookmarks.move(connection, Bookmark(LOOP, 20), publisher="asleep")

    assert (is_moved, bookmark_of(world)) == (False, 0)
    await connection.close()
