"""Too much at once, too much in one request, and a bug: each has its answer and harms nobody else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from books import count
from conftest import serving, settings_for
from waiting import sessions_wait_for_locks
from world import World, headers

CANARY = "canary-of-a-patient"


def booking(world: World, slot_id: str, **more: str) -> dict[str, Any]:
    return {"json": world.book(slot_id, **more), "headers": headers(world.staff)}


async def test_one_request_too_many_is_503_and_the_others_finish(world: World) -> None:
    slots = [world.add_slot(world.at(9 + n)) for n in range(4)]
    settings = settings_for(world.database_url, requests_max=3)
    async with (
        serving(settings) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        with psycopg.connect(world.database_url) as session:
            session.execute("SELECT FROM booking.provider FOR UPDATE")
            calling = [
                asyncio.create_task(client.post("/v1/visits", **booking(world, slot_id)))
                for slot_id in slots[:3]
            ]
            await sessions_wait_for_locks(world, 3)
            refused = await client.post("/v1/visits", **booking(world, slots[3]))
            health = [await client.get(path) for path in ("/healthz", "/readyz")]
        finished = await asyncio.gather(*calling)
        afterwards = await client.post("/v1/visits", **booking(world, slots[3]))

    assert (refused.status_code, refused.json()["error"]) == (503, "overloaded")
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Content-Type"].startswith("application/json")
    assert refused.json()["request_id"] == refused.headers["X-Request-Id"]
    assert [answer.status_code for answer in health] == [200, 200]
    assert [answer.status_code for answer in finished] == [201, 201, 201]
    assert afterwards.status_code == 201


async def test_a_caller_who_hangs_up_finds_the_booking_again_by_its_key(world: World) -> None:
    shot = booking(world, world.add_slot(world.at(9)))
    shot["headers"]["Idempotency-Key"] = "k-1"
    async with (
        serving(settings_for(world.database_url)) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        with psycopg.connect(world.database_url) as session:
            session.execute("SELECT FROM booking.provider FOR UPDATE")
            calling = asyncio.create_task(client.post("/v1/visits", **shot))
            await sessions_wait_for_locks(world, 1)
            calling.cancel()
        found = await client.post("/v1/visits", **shot)

    assert found.status_code == 201
    assert [count(world, table) for table in ("visit", "event", "audit")] == [1, 1, 1]
    assert world.sql("SELECT visit_id FROM booking.visit") == [(found.json()["id"],)]


async def in_pieces(total: int) -> AsyncIterator[bytes]:
    """A body that does not say how long it is."""
    yield b'{"brand_id": "'
    for _ in range(total // 1024):
        yield b"x" * 1024
    yield b'"}'


@pytest.mark.parametrize("says_its_length", [True, False])
async def test_a_body_that_is_too_long_is_413_and_the_next_request_is_served(
    world: World, says_its_length: bool
) -> None:
    settings = settings_for(world.database_url, body_bytes_max=8_192)
    slot_id = world.add_slot(world.at(9))
    async with (
        serving(settings) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        content = b"x" * 8_193 if says_its_length else in_pieces(20_000)
        refused = await client.post("/v1/visits", content=content, headers=headers(world.staff))
        served = await client.post("/v1/visits", **booking(world, slot_id, notes="n" * 7_000))

    assert (refused.status_code, refused.json()["error"]) == (413, "payload_too_large")
    assert refused.json()["request_id"] == refused.headers["X-Request-Id"]
    assert served.status_code == 201


# A deferred trigger fails the commit, another one the statement.
@pytest.mark.parametrize("timing", ["AFTER INSERT", "DEFERRED"])
@pytest.mark.parametrize(
    ("state", "status", "code"),
    [("P0001", 500, "internal_error"), ("53100", 503, "database_unavailable")],
)
async def test_an_unexpected_error_is_told_without_its_words_and_undone(
    world: World,
    caplog: pytest.LogCaptureFixture,
    timing: str,
    state: str,
    status: int,
    code: str,
) -> None:
    fail_inserts_of_events(world, state, deferred=timing == "DEFERRED")
    offer = {
        "brand_id": "loop",
        "start_time": world.at(20).isoformat(),
        "end_time": world.at(21).isoformat(),
    }
    slot_id = world.add_slot(world.at(9))
    calls: list[tuple[str, dict[str, str]]] = [
        ("/v1/visits", world.book(slot_id, notes=CANARY)),
        ("/v1/providers/prv_kim/slots", offer),
    ]
    async with (
        serving(settings_for(world.database_url)) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        with capture_logs() as lines:
            answers = [
                await client.post(
                    path, json=body, headers=headers(world.staff, idempotency_key="k")
                )
                for path, body in calls
            ]
        tables = ("visit", "event", "audit", "idempotency", "slot")
        assert [count(world, table) for table in tables] == [0, 0, 0, 0, 1]
        world.sql("DROP TRIGGER fail ON booking.event")
        again = [
            await client.post(path, json=body, headers=headers(world.staff, idempotency_key="k"))
            for path, body in calls
        ]

    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (status, code)
        assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
        assert CANARY not in answer.text
    assert CANARY not in f"{lines} {caplog.text}"
    told = [line for line in lines if line["event"] == "internal_error"]
    assert [line["kind"] for line in told] == (["RaiseError"] * 2 if status == 500 else [])
    # A 5xx is never what a key is remembered for.
    assert [answer.status_code for answer in again] == [201, 201]


def fail_inserts_of_events(world: World, state: str, *, deferred: bool) -> None:
    world.sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION '{CANARY}' USING ERRCODE = '{state}', DETAIL = '{CANARY}'; END $$"
    )
    if deferred:
        world.sql(
            "CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON booking.event"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"
        )
    else:
        world.sql(
            "CREATE TRIGGER fail AFTER INSERT ON booking.event FOR EACH ROW EXECUTE FUNCTION fail()"
        )
