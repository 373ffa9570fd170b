"""The database dies under a running service, which stays and comes back with it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from books import add_slots, count, is_whole
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.migrate import migrate
from conftest import serving, settings_for
from embedded_servers import ask, database, kill_the_server, server_on
from waiting import until
from world import World, headers, populate


@dataclass(frozen=True)
class OwnDatabase:
    """A world on a server of its own, which a test may kill. What it commits it keeps."""

    server: EmbeddedPostgres
    folder: Path
    world: World


@pytest.fixture
def own(empty_folder: Path) -> Iterator[OwnDatabase]:
    with database(empty_folder, durable=True) as server:
        migrate(server.url)
        yield OwnDatabase(server, empty_folder, populate(server.url))


@asynccontextmanager
async def client_of(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(settings_for(world.database_url)) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        yield client


def calls(world: World, slot_id: str, visit_id: str) -> Iterator[tuple[str, str, object, str]]:
    """One call of every kind: method, path, body, token."""
    slot_path, visit_path = "/v1/providers/prv_kim/slots", f"/v1/visits/{visit_id}"
    start, end = world.at(20).isoformat(), world.at(21).isoformat()
    offer = {"brand_id": "loop", "start_time": start, "end_time": end}
    yield "GET", "/v1/visits?brand_id=loop", None, world.staff
    yield "GET", visit_path, None, world.staff
    yield "POST", "/v1/visits", world.book(slot_id), world.staff
    yield "POST", f"{visit_path}/check-in", None, world.staff
    yield "POST", f"{visit_path}/reschedule", {"new_slot_id": slot_id}, world.staff
    yield "POST", f"{visit_path}/cancel", {}, world.staff
    yield "GET", f"{slot_path}?brand_id=loop", None, world.staff
    yield "POST", slot_path, offer, world.staff
    yield "DELETE", f"{slot_path}/{slot_id}", None, world.staff
    yield "GET", "/v1/coaches/coach_jo/slots", None, world.staff
    yield "POST", "/v1/coaches/coach_jo/bookings", {"slot_at": start}, world.patient
    yield "GET", "/v1/bookings/me", None, world.patient
    yield "GET", "/v1/admin/providers", None, world.admin


def assert_away(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["error"]) == (503, "database_unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


async def comes_back(client: httpx.AsyncClient, own: OwnDatabase) -> None:
    """Start the database again, and return when the service has noticed by itself."""
    assert await asyncio.to_thread(own.server.ensure_running)
    async with asyncio.timeout(10):
        while (await client.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.02)


async def test_without_its_database_every_call_is_503_and_it_comes_back_by_itself(
    own: OwnDatabase,
) -> None:
    world = own.world
    first, second = world.add_slot(world.at(9)), world.add_slot(world.at(10))
    async with client_of(world) as client:
        key = headers(world.patient, idempotency_key="k-1")
        booked = await client.post("/v1/visits", json=world.book(first), headers=key)
        visit_id = booked.json()["id"]
        assert (await client.get("/readyz")).json()["status"] == "ready"

        await asyncio.to_thread(kill_the_server, own.folder)

        for number, call in enumerate(calls(world, second, visit_id)):
            method, path, body, token = call
            who = headers(token, idempotency_key=f"k-{number}")
            assert_away(await client.request(method, path, json=body, headers=who))
        for path in ("/readyz", "/healthz"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert answer.json()["status"] == "not_ready"
            assert answer.json()["checks"]["db"]["ok"] is False
        assert (await client.get("/openapi.json")).status_code == 200

        await comes_back(client, own)

        again = await client.post("/v1/visits", json=world.book(first), headers=key)
        assert (again.status_code, again.content) == (201, booked.content)
        tables = ("visit", "event", "audit", "idempotency")
        assert [count(world, table) for table in tables] == [1, 1, 1, 1]
        moved = await client.post(
            f"/v1/visits/{visit_id}/reschedule",
            json={"new_slot_id": second},
            headers=headers(world.patient),
        )
        assert moved.status_code == 200


async def test_bookings_caught_by_a_crash_are_each_made_once_when_they_are_repeated(
    own: OwnDatabase,
) -> None:
    world = own.world
    slots = add_slots(world, 400)
    seen: set[int] = set()
    told: dict[str, str] = {}
    caught = 0

    async def book_in_turn(client: httpx.AsyncClient, own: list[str]) -> None:
        nonlocal caught
        for slot_id in own:
            while slot_id not in told:
                answer = await client.post(
                    "/v1/visits",
                    json=world.book(slot_id),
                    headers=headers(world.staff, idempotency_key=slot_id),
                )
                seen.add(answer.status_code)
                if answer.status_code == 201:
                    told[slot_id] = answer.json()["id"]
                else:
                    caught += 1
                    assert_away(answer)
                    await asyncio.sleep(0.05)

    async with client_of(world) as client, asyncio.timeout(30):
        callers = [asyncio.create_task(book_in_turn(client, slots[n::8])) for n in range(8)]
        await until(lambda: len(told) >= 24)
        await asyncio.to_thread(kill_the_server, own.folder)
        await asyncio.to_thread(own.server.ensure_running)
        await asyncio.gather(*callers)

    assert seen == {201, 503}
    assert caught >= 8
    visits = world.sql("SELECT slot_id, visit_id FROM booking.visit")
    assert sorted(visits) == sorted(told.items())
    assert is_whole(world)


async def test_a_booking_whose_answer_was_lost_is_found_again_by_its_key(own: OwnDatabase) -> None:
    world = own.world
    slot_id = world.add_slot(world.at(9))
    key = headers(world.staff, idempotency_key="k-1")
    shot: dict[str, Any] = {"json": world.book(slot_id), "headers": key}
    async with client_of(world) as client:
        # A commit that is on disk here waits for a standby that is not there; then all goes down.
        ask(world.database_url, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        ask(world.database_url, "SELECT pg_reload_conf()")
        lost = asyncio.create_task(client.post("/v1/visits", **shot))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        await until(lambda: ask(world.database_url, waiting) == [(1,)])
        await asyncio.to_thread(kill_the_server, own.folder)
        assert_away(await lost)
        settings = own.folder / "postgres/postgresql.auto.conf"
        settings.write_text("")
        await comes_back(client, own)

        found = await client.post("/v1/visits", **shot)

    assert found.status_code == 201
    assert found.headers["Idempotency-Replayed"] == "true"
    assert world.sql("SELECT visit_id FROM booking.visit") == [(found.json()["id"],)]
    assert is_whole(world)


async def test_a_database_that_hangs_is_noticed_and_forgiven(own: OwnDatabase) -> None:
    world = own.world
    async with client_of(world) as client:
        assert (await client.get("/readyz")).status_code == 200
        processes = server_on(own.folder).process
        stopped = [processes, *processes.children()]
        for process in stopped:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(4):
                answer = await client.get("/readyz")
        finally:
            for process in stopped:
                os.kill(process.pid, signal.SIGCONT)

        assert (answer.status_code, answer.json()["status"]) == (503, "not_ready")
        assert (await client.get("/readyz")).json()["status"] == "ready"
