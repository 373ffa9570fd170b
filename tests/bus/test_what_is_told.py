"""What the log of the service says while events wait: why, of which brands, and not all the time."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from structlog.testing import capture_logs

from bookwell.usecases.bus import TELL_BRANDS_MAX, Publisher
from nats_servers import NatsServer
from waiting import until
from world import LOOP, LOOPBIO, World
from written_events import bookmark_of, write_visits

NewPublisher = Callable[..., Publisher]
PATIENCE_SECONDS = 30.0


@asynccontextmanager
async def publishing(publisher: Publisher) -> AsyncIterator[list[Any]]:
    """The publisher at work, and what is logged meanwhile."""
    with capture_logs() as logged:
        task = asyncio.create_task(publisher.publish())
        try:
            yield logged
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def write_long(world: World, brand_id: str) -> None:
    """An event that is longer than the stream of these tests takes."""
    world.sql(
        "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
        " VALUES (%s || '-long', %s, 'booking.visit.created.v1', %s || '-long', 1, %s)",
        *(brand_id, brand_id, brand_id),
        json.dumps({"visit_id": "x" * 600}),
    )
    world.sql("SELECT booking.number_events(10000, 0)")


def told(logged: list[Any]) -> list[tuple[str, str, list[str], int]]:
    return [
        (line["event"], line["cause"], line["brand_ids"], line["brand_count"])
        for line in logged
        if line["event"] == "bus_not_published"
    ]


async def test_the_brand_whose_event_is_refused_is_named_and_no_other(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    await nats_server.make_stream(subjects=["booking.>"], max_msg_size=600)
    write_long(world, LOOP)

    async with publishing(new_publisher()) as logged:
        await until(lambda: logged != [], seconds=PATIENCE_SECONDS)
        write_visits(world, visits=3, brand_id=LOOPBIO)
        await until(lambda: bookmark_of(world, LOOPBIO) == 3, seconds=PATIENCE_SECONDS)
        first = told(logged)
        write_long(world, LOOPBIO)
        await until(lambda: len(logged) > len(first), seconds=PATIENCE_SECONDS)
        second = told(logged)[len(first) :]
        await nats_server.change_stream(max_msg_size=10_000)
        await until(lambda: logged[-1]["event"] == "bus_published_again", seconds=PATIENCE_SECONDS)

    assert first == [("bus_not_published", "refused_10054", [LOOP], 1)]
    assert second == [("bus_not_published", "refused_10054", [LOOP, LOOPBIO], 2)]
    assert len(logged) == 3


async def test_while_nats_is_away_the_brands_that_wait_are_named_but_not_all_of_many(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    brands = [f"brand-{number:02}" for number in range(TELL_BRANDS_MAX + 5)]
    for brand_id in brands:
        world.sql("INSERT INTO booking.brand (brand_id, name) VALUES (%s, 'N')", brand_id)
        write_visits(world, visits=1, brand_id=brand_id)
    nats_server.stop()

    async with publishing(new_publisher()) as logged:
        await until(lambda: logged != [], seconds=PATIENCE_SECONDS)

    (line,) = told(logged)
    assert line == ("bus_not_published", "NoServersError", brands[:TELL_BRANDS_MAX], len(brands))


async def test_while_nats_is_away_and_nothing_waits_no_brand_is_named(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    write_visits(world, visits=2)
    publisher = new_publisher()
    await publisher.publish_waiting()
    nats_server.stop()

    async with publishing(publisher) as logged:
        await until(lambda: logged != [], seconds=PATIENCE_SECONDS)

    assert told(logged)[0][2:] == ([], 0)
