"""Any number of workers send: none sends what another has in hand, and none takes it to the grave."""

import asyncio
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import pytest

from bookwell.domain.webhooks import Secrets
from bookwell.gateways.outbound import Outbound
from bookwell.storage import deliveries
from bookwell.storage.database import Database
from bookwell.storage.deliveries import Outcome, Sending
from bookwell.storage.statements import STATEMENTS
from bookwell.usecases import deliveries as sending_module
from bookwell.usecases.deliveries import Sender
from clinic import kept_running
from conftest import serving, settings_for
from posting import PostOffice
from receivers import Answer, Received, Receiver, hang, reset, status
from world import World


@pytest.fixture
def office(world: World) -> PostOffice:
    """Nobody sends yet."""
    return PostOffice(world)


def test_two_workers_keep_each_visits_order_while_a_third_of_all_attempts_fail(
    office: PostOffice, receiver: Receiver
) -> None:
    chance = random.Random(7)  # noqa: S311 - the same failures each time
    accepted: dict[str, list[int]] = defaultdict(list)
    together = threading.Lock()

    def decide(request: Received) -> Answer:
        with together:
            # Not the fourth time: it would take long, and say no more.
            if request.attempt < 4 and chance.random() < 1 / 3:
                return chance.choice([status(500), status(302), reset])
            accepted[request.event["data"]["visit_id"]].append(request.event["sequence"])
        return status(200)

    receiver.decide = decide
    endpoint_id = office.endpoint(receiver.url)
    with serving_here(office.world), serving_here(office.world):
        office.send(endpoint_id, *(f"vis_{visit}" for _ in range(3) for visit in range(60)))
        office.all_are(endpoint_id, "delivered", seconds=60)

    assert len(accepted) == 60
    for numbers in accepted.values():
        # Once more at most is allowed, going back is not.
        assert sorted(numbers) == numbers
        assert set(numbers) == {1, 2, 3}


def test_what_a_killed_worker_had_in_hand_is_sent_by_another_within_seconds(
    office: PostOffice, receiver: Receiver
) -> None:
    receiver.always(hang)
    endpoint_id = office.endpoint(receiver.url)
    with worker_process(office.world) as process:
        (event_id,) = office.send(endpoint_id, "vis_1")
        receiver.wait_for(1, seconds=40)
        process.send_signal(signal.SIGKILL)
        process.wait()
    killed_at = time.monotonic()
    receiver.always(status(200))

    with serving_here(office.world):
        office.all_are(endpoint_id, "delivered")

    first, second = receiver.got
    assert second.at - killed_at < deliveries.LEASE / timedelta(seconds=1) + 3
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == event_id
    assert (first.attempt, second.attempt) == (1, 2)
    assert office.attempts(endpoint_id) == [(1, None, "interrupted"), (2, 200, None)]


def test_a_worker_that_stops_gives_back_what_is_not_answered_in_time(
    office: PostOffice, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending_module, "DRAIN_SECONDS", 0.2)
    receiver.next(hang)
    endpoint_id = office.endpoint(receiver.url)

    with serving_here(office.world):
        office.send(endpoint_id, "vis_1")
        receiver.wait_for(1)

    ((status_now, leased_by, is_due),) = office.world.sql(
        "SELECT status, leased_by, next_attempt_at <= now() FROM booking.delivery"
        " WHERE endpoint_id = %s",
        endpoint_id,
    )
    assert (status_now, leased_by, is_due) == ("pending", None, True)
    assert office.attempts(endpoint_id) == [(1, None, "interrupted")]


def test_a_worker_that_stops_waits_for_answers_that_are_on_their_way(
    office: PostOffice, receiver: Receiver
) -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        await status(200)(writer)

    receiver.always(slowly)
    endpoint_id = office.endpoint(receiver.url)

    with serving_here(office.world):
        office.send(endpoint_id, "vis_1")
        receiver.wait_for(1)

    assert office.statuses(endpoint_id) == ["delivered"]


async def test_a_lease_is_renewed_for_as_long_as_an_attempt_takes(
    office: PostOffice, receiver: Receiver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(sending_module, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(sending_module, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(sending_module, "LEASE_MARGIN", timedelta(seconds=0.2))

    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2.5)
        await status(200)(writer)

    receiver.always(slowly)
    endpoint_id = office.endpoint(receiver.url)
    office.send(endpoint_id, "vis_1")
    number(office)
    async with sending(database, "one"), sending(database, "two"):
        await asyncio.to_thread(office.all_are, endpoint_id, "delivered")

    assert len(receiver.got) == 1


async def test_an_attempt_whose_lease_was_taken_is_broken_off_and_changes_nothing(
    office: PostOffice, receiver: Receiver, database: Database
) -> None:
    receiver.next(hang)
    endpoint_id = office.endpoint(receiver.url)
    office.send(endpoint_id, "vis_1")
    number(office)
    async with sending(database, "one"):
        await asyncio.to_thread(receiver.wait_for, 1)
        office.world.sql(
            "UPDATE booking.delivery SET leased_by = 'another', attempts = 2,"
            " leased_until = now() + interval '1 hour' WHERE endpoint_id = %s",
            endpoint_id,
        )
        # Longer than until the next renewal.
        await asyncio.sleep(sending_module.RENEW_SECONDS + 0.5)

    ((worker_id, attempts),) = office.world.sql(
        "SELECT leased_by, attempts FROM booking.delivery WHERE endpoint_id = %s", endpoint_id
    )
    assert (worker_id, attempts) == ("another", 2)
    assert office.attempts(endpoint_id) == []


async def test_a_result_counts_only_for_the_worker_and_the_attempt_it_is_of(
    office: PostOffice, database: Database
) -> None:
    endpoint_id = office.endpoint("https://receiver.example/")
    office.send(endpoint_id, "vis_1", "vis_1")
    number(office)
    (first,) = await claim(database, "one")

    for worker_id, attempt in (("two", 1), ("one", 2), ("one", 0)):
        await finish(database, worker_id, first, attempt)
    assert office.statuses(endpoint_id) == ["pending", "pending"]
    assert await claim(database, "two") == []

    await finish(database, "one", first, 1)
    await finish(database, "one", first, 1)
    assert office.statuses(endpoint_id) == ["delivered", "pending"]
    (second,) = await claim(database, "two")
    assert second.delivery_no > first.delivery_no
    assert isinstance(second.secrets, Secrets)
    counts = office.world.sql("SELECT outcome, attempt_count FROM booking.delivery_count")
    assert counts == [("delivered", 1)]


async def test_workers_that_look_at_once_never_take_the_same_one(
    office: PostOffice, database: Database
) -> None:
    endpoint_id = office.endpoint("https://receiver.example/")
    office.send(endpoint_id, *(f"vis_{visit}" for visit in range(200) for _ in range(2)))
    number(office)

    taken = await asyncio.gather(
        *(claim(database, f"worker_{worker}", {endpoint_id: 10}) for worker in range(12))
    )

    numbers = [one.delivery_no for one in itertools.chain.from_iterable(taken)]
    entities = {one.event.entity_id for one in itertools.chain.from_iterable(taken) if one.event}
    assert len(numbers) == len(set(numbers)) == len(entities)
    assert len(numbers) >= 10


async def test_a_line_that_waits_behind_its_head_is_put_aside_and_called_again(
    office: PostOffice, database: Database
) -> None:
    endpoint_id = office.endpoint("https://receiver.example/")
    office.send(endpoint_id, *["vis_1"] * 15)
    number(office)

    (head,) = await claim(database, "one")
    ((still_due,),) = office.world.sql(
        "SELECT count(*) FROM booking.delivery WHERE next_attempt_at <= now()"
    )
    await finish(database, "one", head, 1)
    (second,) = await claim(database, "one")

    assert still_due == 1
    assert second.delivery_no == head.delivery_no + 1


async def test_an_event_that_is_kept_no_more_is_given_up(
    office: PostOffice, receiver: Receiver, database: Database
) -> None:
    endpoint_id = office.endpoint(receiver.url)
    office.send(endpoint_id, "vis_1")
    number(office)
    office.world.sql("DELETE FROM booking.event")

    async with sending(database, "one"):
        await asyncio.to_thread(office.all_are, endpoint_id, "failed")

    assert office.attempts(endpoint_id) == [(1, None, "event_gone")]


async def test_a_long_queue_of_a_dead_receiver_costs_the_others_nothing(
    office: PostOffice, database: Database
) -> None:
    dead, paused, alive = (office.endpoint("https://receiver.example/") for _ in range(3))
    for endpoint_id in (dead, paused):
        office.world.sql(
            "INSERT INTO booking.delivery (brand_id, endpoint_id, event_id, event_type, entity_id,"
            " position) SELECT 'loop', %s, 'evt_' || n, 'some.v1', 'vis_' || n / 4, n"
            " FROM generate_series(1, 20000) AS n",
            endpoint_id,
        )
    office.change(paused, "paused_until = now() + interval '1 hour'")
    office.send(alive, "vis_1", "vis_2")
    number(office)

    office.world.sql("ANALYZE booking.delivery")
    blocks = await blocks_read_by_claim(database, {dead: 1})

    assert blocks < 500
    assert {one.endpoint_id for one in await claim(database, "one", {dead: 1})} == {dead, alive}


async def blocks_read_by_claim(database: Database, rooms: dict[str, int]) -> int:
    """How many pages one look for work touches; there are some two thousand."""
    statement = STATEMENTS["claim_deliveries"]
    values = {
        "worker_id": "one",
        "endpoint_ids": list(rooms),
        "rooms": list(rooms.values()),
        "room_at_first": 4,
        "row_limit": 100,
        "slack": deliveries.SLACK,
        "lease": deliveries.LEASE,
        "behind_for": deliveries.BEHIND_FOR,
    }
    async with database.reading() as connection:
        transaction = connection.transaction()
        await transaction.start()
        plan = await connection.fetchval(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement.sql,
            *(values[name] for name in statement.parameters),
        )
        await transaction.rollback()
    blocks: int = json.loads(plan)[0]["Plan"]["Shared Hit Blocks"]
    return blocks


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    database = await Database.connect(world.database_url, pool_size=16)
    yield database
    await database.close()


@asynccontextmanager
async def sending(database: Database, worker_id: str) -> AsyncIterator[None]:
    """A sender in this loop, stopped at the end."""
    bugs: list[Exception] = []
    outbound = Outbound(allow_loopback=True)
    sender = Sender(
        database, outbound, worker_id=worker_id, note=lambda _failure: None, note_bug=bugs.append
    )
    task = asyncio.create_task(sender.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await outbound.close()
    assert not bugs


async def claim(
    database: Database, worker_id: str, rooms: dict[str, int] | None = None
) -> list[Sending]:
    async with database.reading() as connection:
        return await deliveries.claim(
            connection, worker_id=worker_id, rooms=rooms or {}, row_limit=100
        )


async def finish(database: Database, worker_id: str, taken: Sending, attempt: int) -> None:
    outcome = Outcome(
        taken.delivery_no, attempt, "delivered", 200, None, 5, timedelta(seconds=1), None
    )
    async with database.reading() as connection:
        await deliveries.finish(connection, worker_id=worker_id, outcomes=[outcome])


def number(office: PostOffice) -> None:
    ((count,),) = office.world.sql("SELECT booking.number_events(1000, 0)")
    assert count


@contextmanager
def serving_here(world: World) -> Iterator[str]:
    settings = settings_for(
        world.database_url, webhook_allow_loopback=1, webhook_timeout_seconds=1.0
    )
    with kept_running(lambda: serving(settings)) as base_url:
        yield base_url


@contextmanager
def worker_process(world: World) -> Iterator["subprocess.Popen[bytes]"]:
    """A service of one worker, whose death is the death of all of it."""
    settings = settings_for(world.database_url, webhook_allow_loopback=1)
    program = (
        "import uvicorn; from bookwell.app import build; from bookwell.settings import Settings;"
        " uvicorn.run(build(Settings.from_environment(), is_alone=True), port=0, lifespan='on',"
        " log_level='critical')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **settings.to_environment(), "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
