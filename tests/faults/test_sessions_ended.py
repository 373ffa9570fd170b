"""Sessions of the database are ended, or wait in vain, while the service works."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest

from books import add_slots, count, is_whole, overlapping_visits
from bookwell.storage import connections
from conftest import serving, settings_for
from waiting import sessions_wait_for_locks
from world import World, headers

END_ALL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name LIKE 'bookwell%%'"
)
HOLD_KIM = "SELECT FROM booking.provider WHERE provider_id = 'prv_kim' FOR UPDATE"


@asynccontextmanager
async def client_of(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(settings_for(world.database_url)) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        yield client


async def test_sessions_that_end_under_load_cost_an_answer_and_never_a_booking(
    world: World,
) -> None:
    slots = add_slots(world, 160)
    answers: list[httpx.Response] = []
    ended = 0

    async def book_in_turn(client: httpx.AsyncClient, caller: int) -> None:
        # Every slot is wanted by two callers, who begin at different ends.
        for slot_id in slots[caller // 2 :: 4][:: -1 if caller % 2 else 1]:
            answer = await client.post(
                "/v1/visits", json=world.book(slot_id), headers=headers(world.staff)
            )
            answers.append(answer)

    async def end_sessions() -> None:
        nonlocal ended
        while True:
            ((sessions,),) = await asyncio.to_thread(world.sql, END_ALL)
            assert isinstance(sessions, int)
            ended += sessions
            answered = len(answers)
            while len(answers) < answered + 20:
                await asyncio.sleep(0.005)

    async with client_of(world) as client, asyncio.timeout(20):
        ending = asyncio.create_task(end_sessions())
        await asyncio.gather(*(book_in_turn(client, n) for n in range(8)))
        ending.cancel()

        seen = Counter((a.status_code, a.json().get("error")) for a in answers)
        assert set(seen) <= {
            (201, None),
            (409, "slot_unavailable"),
            (503, "database_unavailable"),
        }
        assert seen[201, None] >= 80
        assert ended >= 20
        told = {a.json()["id"] for a in answers if a.status_code == 201}
        assert told <= {visit_id for (visit_id,) in world.sql("SELECT visit_id FROM booking.visit")}
        assert overlapping_visits(world) == []
        assert is_whole(world)
        assert (await client.get("/readyz")).status_code == 200


async def test_a_session_that_ends_in_the_middle_leaves_nothing_half_done(world: World) -> None:
    slot_id = world.add_slot(world.at(9))
    key = headers(world.staff, idempotency_key="k-1")
    async with client_of(world) as client:
        with psycopg.connect(world.database_url) as session:
            session.execute("LOCK TABLE booking.audit")
            calling = asyncio.create_task(
                client.post("/v1/visits", json=world.book(slot_id), headers=key)
            )
            await sessions_wait_for_locks(world, 1)
            world.sql(END_ALL)
            lost = await calling

        tables = ("visit", "event", "audit", "idempotency")
        assert [count(world, table) for table in tables] == [0, 0, 0, 0]
        again = await client.post("/v1/visits", json=world.book(slot_id), headers=key)

    assert (lost.status_code, lost.json()["error"]) == (503, "database_unavailable")
    assert again.status_code == 201
    assert "Idempotency-Replayed" not in again.headers


@pytest.mark.parametrize("lock", [HOLD_KIM, "LOCK TABLE booking.event"])
async def test_who_waits_too_long_for_a_lock_hears_503_and_is_served_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr(connections, "LOCK_TIMEOUT_SECONDS", 0.3)
    slot_id = world.add_slot(world.at(9))
    elsewhere = world.add_slot(world.at(9), provider_id="prv_both")
    key = headers(world.staff, idempotency_key="k-1")
    async with client_of(world) as client:
        with psycopg.connect(world.database_url) as session:
            session.execute(lock.encode())
            refused = await client.post("/v1/visits", json=world.book(slot_id), headers=key)
            other = await client.post(
                "/v1/visits", json=world.book(elsewhere), headers=headers(world.staff)
            )
        served = await client.post("/v1/visits", json=world.book(slot_id), headers=key)

    assert (refused.status_code, refused.json()["error"]) == (503, "database_unavailable")
    assert refused.headers["Retry-After"] == "1"
    # A held provider stops nobody else.
    assert other.status_code == (201 if lock == HOLD_KIM else 503)
    assert (served.status_code, "Idempotency-Replayed" in served.headers) == (201, False)
    assert is_whole(world)


async def test_a_lock_is_given_up_before_the_statement_and_that_before_the_connection() -> None:
    limits = [
        connections.LOCK_TIMEOUT_SECONDS,
        connections.STATEMENT_TIMEOUT_SECONDS,
        connections.COMMAND_TIMEOUT_SECONDS,
    ]

    assert limits == sorted(set(limits)) == [5, 10, 15]


async def test_sessions_of_the_service_carry_its_limits(world: World) -> None:
    world.sql(
        "CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock, ''::text AS statement"
    )
    world.sql(
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE seen SET"
        " lock = current_setting('lock_timeout'), statement = current_setting('statement_timeout');"
        " RETURN NEW; END $$"
    )
    world.sql(
        "CREATE TRIGGER look BEFORE INSERT ON booking.visit FOR EACH ROW EXECUTE FUNCTION look()"
    )
    async with client_of(world) as client:
        booked = await client.post(
            "/v1/visits",
            json=world.book(world.add_slot(world.at(9))),
            headers=headers(world.staff),
        )

    assert booked.status_code == 201
    assert world.sql("SELECT lock, statement FROM seen") == [("5s", "10s")]


async def test_a_statement_that_takes_too_long_is_503_and_undone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STATEMENT_TIMEOUT_SECONDS", 0.3)
    slot_id = world.add_slot(world.at(9))
    key = headers(world.staff, idempotency_key="k-1")
    world.sql(
        "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$"
    )
    world.sql(
        "CREATE TRIGGER doze AFTER INSERT ON booking.visit FOR EACH ROW EXECUTE FUNCTION doze()"
    )
    async with client_of(world) as client:
        refused = await client.post("/v1/visits", json=world.book(slot_id), headers=key)
        world.sql("DROP TRIGGER doze ON booking.visit")
        tables = ("visit", "event", "audit", "idempotency")
        assert [count(world, table) for table in tables] == [0, 0, 0, 0]
        served = await client.post("/v1/visits", json=world.book(slot_id), headers=key)

    assert (refused.status_code, refused.json()["error"]) == (503, "database_unavailable")
    assert refused.headers["Retry-After"] == "1"
    assert served.status_code == 201
