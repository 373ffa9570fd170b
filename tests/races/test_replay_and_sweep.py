"""A replay of old events and the sweep that deletes them: either the one or the other, and whole."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from bookwell.domain.callers import Call, operator
from bookwell.domain.errors import EventsGone
from bookwell.domain.webhooks import Stretch
from bookwell.storage import event_retention
from bookwell.storage.database import Database
from bookwell.usecases import replays
from bookwell.usecases.replays import Replay
from waiting import sessions_wait_for_locks, until
from world import LOOP, World

EVENTS = 4
ENDPOINT = "whe_races"


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    """Old events, each delivered once; nobody sends anything."""
    world.sql(
        "INSERT INTO booking.webhook_endpoint (endpoint_id, brand_id, url, event_types, format,"
        " secret) VALUES (%s, %s, 'https://receiver.invalid', '{*}', 'standard', 'whsec_x')",
        ENDPOINT,
        LOOP,
    )
    world.sql(
        "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence,"
        " occurred_at, data) SELECT 'evt_' || n, %s, 'booking.slot.created.v1', 'slt_' || n, 1,"
        " now() - interval '100 days', '{}' FROM generate_series(1, %s) AS n",
        LOOP,
        EVENTS,
    )
    world.sql("SELECT booking.number_events(100, 0)")
    world.sql("UPDATE booking.delivery SET status = 'delivered', settled_at = now()")
    database = await Database.connect(world.database_url, pool_size=8)
    yield database
    await database.close()


async def test_a_sweep_takes_nothing_that_is_just_being_replayed(
    world: World, database: Database
) -> None:
    with holding(world, "SELECT FROM booking.webhook_endpoint FOR UPDATE"):
        # At its very end, when the new deliveries are there and nobody else sees them.
        replayed = asyncio.ensure_future(replay(database))
        await sessions_wait_for_locks(world, 1)
        swept = asyncio.ensure_future(sweep(database))
        await until(lambda: swept.done() or waiting(world) == 2)

    assert (await replayed).delivery_count == EVENTS
    assert await swept == 0
    assert without_their_event(world) == 0


async def test_a_replay_of_what_is_just_being_swept_is_refused(
    world: World, database: Database
) -> None:
    with holding(world, "SELECT FROM booking.delivery FOR UPDATE"):
        # Before its end, when it has chosen what goes and nobody else sees that it is gone.
        swept = asyncio.ensure_future(sweep(database))
        await sessions_wait_for_locks(world, 1)
        replayed = asyncio.ensure_future(replay(database))
        await until(lambda: replayed.done() or waiting(world) == 2)

    assert await swept == EVENTS
    with pytest.raises(EventsGone):
        await replayed
    assert without_their_event(world) == 0


async def test_new_events_get_their_places_while_old_ones_are_replayed(
    world: World, database: Database
) -> None:
    world.sql("UPDATE booking.webhook_endpoint SET event_types = '{booking.visit.created.v1}'")
    with holding(world, "SELECT FROM booking.webhook_endpoint FOR UPDATE"):
        replayed = asyncio.ensure_future(replay(database, "booking.slot.created.v1"))
        await sessions_wait_for_locks(world, 1)
        world.sql(
            "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
            " VALUES ('evt_new', %s, 'booking.slot.created.v1', 'slt_new', 1, '{}')",
            LOOP,
        )

        numbered = world.sql(
            "SELECT set_config('lock_timeout', '2s', false), booking.number_events(100, 0)"
        )
        is_over = replayed.done()

    assert numbered == [("2s", 1)]
    assert not is_over
    assert (await replayed).delivery_count == EVENTS


async def replay(database: Database, *event_types: str) -> Replay:
    call = Call(caller=operator("test"), brand_id=LOOP, request_id="req_test")
    stretch = Stretch(after_position=0, event_types=event_types)
    return await replays.replay(database, call, ENDPOINT, stretch)


async def sweep(database: Database) -> int:
    async with database.reading() as connection:
        return await event_retention.sweep(
            connection, brand_id=LOOP, kept_for=timedelta(days=90), is_published=False
        )


@contextmanager
def holding(world: World, rows: str) -> Iterator[None]:
    """Keep these rows from everybody else meanwhile."""
    with psycopg.connect(world.database_url) as holder:
        holder.execute(rows.encode())
        yield


def waiting(world: World) -> int:
    ((count,),) = world.sql(
        "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'bookwell' AND wait_event_type = 'Lock'"
    )
    assert isinstance(count, int)
    return count


def without_their_event(world: World) -> int:
    """Deliveries on their way whose event is gone: a hole in what the receiver gets."""
    rows = world.sql(
        "SELECT 1 FROM booking.delivery AS d WHERE status = 'pending' AND NOT EXISTS"
        " (SELECT FROM booking.event AS e WHERE e.event_id = d.event_id)"
    )
    return len(rows)
