"""Old events leave the log from its beginning, and none that somebody still has to get."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncpg
import pytest

from bookwell import chores
from bookwell.chores import Chores, keep_log_short
from bookwell.domain.errors import InvalidInput
from bookwell.settings import Settings
from bookwell.storage import event_log, event_retention
from bookwell.storage.database import Database
from world import LOOP, LOOPBIO, World

DAYS = timedelta(days=90)
OLD, YOUNG = 100, 80


async def test_what_is_too_old_goes_and_the_log_begins_after_it(log: "Log") -> None:
    log.write(OLD, OLD, YOUNG, YOUNG)

    gone = await log.sweep()

    assert (gone, log.places(), await log.kept_from()) == (2, [3, 4], 3)


async def test_nothing_goes_from_behind_what_stays(log: "Log") -> None:
    log.write(OLD, YOUNG, OLD)

    gone = await log.sweep()

    assert (gone, log.places(), await log.kept_from()) == (1, [2, 3], 2)


async def test_it_goes_in_steps_until_all_of_it_is_gone(
    log: "Log", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_retention, "SWEEP_ROWS_MAX", 2)
    log.write(OLD, OLD, OLD)

    steps = [await log.sweep() for _ in range(3)]
    log.write(YOUNG)

    assert steps == [2, 1, 0]
    assert (log.places(), await log.kept_from()) == ([4], 4)


async def test_an_event_with_a_delivery_pending_stays_and_all_after_it(log: "Log") -> None:
    log.write(OLD, OLD, OLD)
    log.deliver(1, "delivered")
    log.deliver(1, "failed")
    log.deliver(2, "delivered")
    log.deliver(2, "pending")

    gone = await log.sweep()

    assert (gone, log.places()) == (1, [2, 3])
    assert log.delivered() == [(2, "delivered"), (2, "pending")]


async def test_a_forgotten_endpoint_does_not_keep_the_log_for_ever(log: "Log") -> None:
    log.write(OLD, OLD)
    log.deliver(1, "pending")
    await event_retention.give_up(log.connection, kept_for=DAYS)
    kept = await log.sweep()
    log.world.sql(
        "UPDATE booking.webhook_endpoint SET disabled_at = now(), disabled_because = 'staff'"
    )
    await event_retention.give_up(log.connection, kept_for=timedelta(days=OLD + 1))
    kept_still = await log.sweep()
    await event_retention.give_up(log.connection, kept_for=DAYS)

    assert (kept, kept_still, await log.sweep()) == (0, 0, 2)


async def test_what_is_not_on_the_bus_stays_where_there_is_a_bus(log: "Log") -> None:
    log.write(OLD, OLD, OLD)

    before = await log.sweep(is_published=True)
    log.world.sql("INSERT INTO booking.bus_bookmark (brand_id, position) VALUES ('loop', 2)")
    then = await log.sweep(is_published=True)

    assert (before, then, log.places()) == (0, 2, [3])


async def test_only_brands_with_something_too_old_are_looked_at(log: "Log") -> None:
    log.write(YOUNG)
    nobodys = await event_retention.list_old(log.connection, kept_for=DAYS)
    log.write(OLD, brand_id=LOOPBIO)
    of_one = await event_retention.list_old(log.connection, kept_for=DAYS)

    gone = await log.sweep()

    assert (nobodys, of_one, gone, log.places()) == ([], [LOOPBIO], 0, [1])


async def test_old_tests_go_by_themselves(log: "Log") -> None:
    log.write(YOUNG)
    for age, status in ((OLD, "delivered"), (OLD, "pending"), (YOUNG, "failed")):
        log.deliver(None, status, age=age)

    await event_retention.sweep_tests(log.connection, kept_for=DAYS)

    assert log.delivered() == [(None, "pending"), (None, "failed")]


async def test_while_one_worker_sweeps_another_does_nothing(log: "Log") -> None:
    log.write(OLD)
    other = await asyncpg.connect(log.world.database_url)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('booking.sweep_events'))")
        meanwhile = await log.sweep()
    await other.close()

    assert (meanwhile, await log.sweep()) == (0, 1)


async def test_a_worker_sweeps_each_brands_log_step_by_step(
    log: "Log", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(event_retention, "SWEEP_ROWS_MAX", 2)
    log.write(OLD, OLD, OLD, OLD, OLD, YOUNG)
    log.write(OLD, brand_id=LOOPBIO)
    database = await Database.connect(log.world.database_url, pool_size=2)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        keep_log_short(Chores(stack), database, kept_for=DAYS, is_published=False)
        async with asyncio.timeout(20):
            while log.places() != [6] or log.places(LOOPBIO):
                await asyncio.sleep(0.02)

    assert await log.kept_from() == 6


def test_events_are_kept_for_longer_than_webhooks_are_tried() -> None:
    with pytest.raises(InvalidInput, match="BOOKWELL_EVENTS_KEPT_DAYS must be 4 or more"):
        Settings(events_kept_days=3)


class Log:
    """The world's log, with events and deliveries of some days ago."""

    def __init__(self, world: World, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.world = world
        self.connection = connection

    def write(self, *days_ago: int, brand_id: str = LOOP) -> None:
        """An event for each age, in this order in the log."""
        for age in days_ago:
            self.world.sql(
                "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence,"
                " occurred_at, data) SELECT 'evt_' || n, %s, 'booking.slot.created.v1',"
                " 'slt_' || n, 1, now() - %s, '{}'"
                " FROM nextval(pg_get_serial_sequence('booking.event', 'event_no')) AS n",
                brand_id,
                timedelta(days=age),
            )
        self.world.sql("SELECT booking.number_events(100, 0)")

    def deliver(self, position: int | None, status: str, *, age: int = OLD) -> None:
        self.world.sql(
            "INSERT INTO booking.delivery (brand_id, endpoint_id, event_id, event_type, entity_id,"
            " position, status, created_at, settled_at) VALUES ('loop', 'whe_1', 'evt', 't', 'e',"
            " %s, %s, now() - %s, CASE WHEN %s <> 'pending' THEN now() END)",
            position,
            status,
            timedelta(days=age),
            status,
        )

    async def sweep(self, *, is_published: bool = False) -> int:
        return await event_retention.sweep(
            self.connection, brand_id=LOOP, kept_for=DAYS, is_published=is_published
        )

    def places(self, brand_id: str = LOOP) -> list[object]:
        rows = self.world.sql(
            "SELECT position FROM booking.event WHERE brand_id = %s ORDER BY position", brand_id
        )
        return [position for (position,) in rows]

    def delivered(self) -> list[tuple[object, ...]]:
        return self.world.sql("SELECT position, status FROM booking.delivery ORDER BY delivery_no")

    async def kept_from(self) -> int:
        return (await event_log.state_of(self.connection, brand_id=LOOP)).kept_from


@pytest.fixture
async def log(world: World) -> AsyncIterator[Log]:
    world.sql(
        "INSERT INTO booking.webhook_endpoint (endpoint_id, brand_id, url, event_types, format,"
        " secret) VALUES ('whe_1', 'loop', 'https://example.com', '{}', 'standard', 'whsec_x')"
    )
    connection = await asyncpg.connect(world.database_url)
    try:
        yield Log(world, connection)
    finally:
        await connection.close()
