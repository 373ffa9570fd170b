"""So many calls a minute of each kind, counted for each caller, by all workers together."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from conftest import serving, settings_for
from world import World, headers

LIMITS = {"rate_reads_per_minute": 5, "rate_writes_per_minute": 3, "rate_admin_per_minute": 2}
# A limit holds for all workers together after an exchange of counts, which takes a quarter of this.
SECONDS_MAX = 1.0


@asynccontextmanager
async def clients_of(
    world: World, number: int, **limits: int
) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of so many services on one database."""
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(number):
            settings = settings_for(world.database_url, **limits)
            base_url = await stack.enter_async_context(serving(settings))
            client = httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False)
            clients.append(await stack.enter_async_context(client))
        yield clients


@pytest.fixture(autouse=True)
async def _early_in_the_minute() -> None:
    # A minute that ends in the middle of a test would begin a new count.
    if time.time() % 60 > 55:
        await asyncio.sleep(60.1 - time.time() % 60)


def read(client: httpx.AsyncClient, token: str, **more: str) -> Awaitable[httpx.Response]:
    return client.get("/v1/visits/vis_never", headers=headers(token, **more))


def write(client: httpx.AsyncClient, token: str) -> Awaitable[httpx.Response]:
    return client.post("/v1/visits/vis_never/cancel", headers=headers(token))


def administer(client: httpx.AsyncClient, token: str) -> Awaitable[httpx.Response]:
    return client.get("/v1/admin/providers?brand_id=loop", headers=headers(token))


@pytest.mark.parametrize(
    ("call", "limit"), [(read, 5), (write, 3), (administer, 2)], ids=["reads", "writes", "admin"]
)
async def test_one_call_too_many_is_429_and_says_when_to_come_back(
    world: World,
    call: Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]],
    limit: int,
) -> None:
    async with clients_of(world, 1, **LIMITS) as (client,):
        allowed = [await call(client, world.admin) for _ in range(limit)]
        refused = await call(client, world.admin)
        left_ms = (60 - time.time() % 60) * 1000

    assert 429 not in {answer.status_code for answer in allowed}
    body = refused.json()
    assert (refused.status_code, body["error"]) == (429, "rate_limited")
    assert left_ms <= body["retry_after_ms"] < left_ms + 2_000
    assert int(refused.headers["Retry-After"]) == -(-body["retry_after_ms"] // 1000)
    assert body["request_id"] == refused.headers["X-Request-Id"]


async def test_reads_writes_and_admin_are_counted_apart(world: World) -> None:
    async with clients_of(world, 1, **LIMITS) as (client,):
        for _ in range(6):
            last_read = await read(client, world.admin)
        for _ in range(4):
            last_write = await write(client, world.admin)
        admin = await administer(client, world.admin)

    assert (last_read.status_code, last_write.status_code) == (429, 429)
    assert admin.status_code == 200


async def test_a_refused_write_has_no_effect(world: World) -> None:
    slots = [world.add_slot(world.at(9 + n)) for n in range(4)]
    async with clients_of(world, 1, **LIMITS) as (client,):
        answers = [
            await client.post("/v1/visits", json=world.book(slot), headers=headers(world.staff))
            for slot in slots
        ]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert world.sql("SELECT count(*) FROM booking.visit") == [(3,)]


async def test_every_caller_has_a_count_of_their_own(world: World) -> None:
    # Of another brand, somebody may even be called the same.
    world.sql("UPDATE booking.token SET subject = 'staff-1' WHERE subject = 'staff-2'")
    async with clients_of(world, 1, **LIMITS) as (client,):
        for _ in range(6):
            refused = await read(client, world.staff)
        others = [
            await read(client, token)
            for token in (world.patient, world.service, world.foreign_staff)
        ]

    assert refused.status_code == 429
    assert [answer.status_code for answer in others] == [404, 404, 404]


async def test_a_service_is_one_caller_whatever_brands_it_names(world: World) -> None:
    async with clients_of(world, 1, **LIMITS) as (client,):
        answers = [
            await read(client, world.platform, x_brand_id=f"brand-{number}") for number in range(6)
        ]

    assert [answer.status_code for answer in answers] == [404] * 5 + [429]


async def test_no_tokens_call_is_counted_for_anybody(world: World) -> None:
    async with clients_of(world, 1, **LIMITS) as (client,):
        strangers = [await read(client, "unknown") for _ in range(10)]
        healthy = [await client.get("/readyz") for _ in range(10)]

    assert {answer.status_code for answer in strangers} == {401}
    assert {answer.status_code for answer in healthy} == {200}


async def test_a_limit_holds_for_two_workers_together(world: World) -> None:
    async with clients_of(world, 2, **{**LIMITS, "rate_reads_per_minute": 20}) as (one, other):
        for _ in range(18):
            assert (await read(one, world.staff)).status_code == 404
        deadline = time.monotonic() + SECONDS_MAX
        # This worker has counted a few itself, far from twenty.
        admitted = 0
        while (await read(other, world.staff)).status_code == 404:
            admitted += 1
            await asyncio.sleep(0.1)
            assert time.monotonic() < deadline + 0.5
        bystander = await read(other, world.patient)

    assert 1 <= admitted < 15
    assert bystander.status_code == 404


async def test_calls_made_while_the_counts_could_not_be_told_are_counted_afterwards(
    world: World,
) -> None:
    async with clients_of(world, 1, **{**LIMITS, "rate_reads_per_minute": 20}) as (client,):
        world.sql("ALTER TABLE booking.rate_window RENAME TO away")
        for _ in range(18):
            assert (await read(client, world.staff)).status_code == 404
        await asyncio.sleep(0.6)
        world.sql("ALTER TABLE booking.away RENAME TO rate_window")
        await asyncio.sleep(0.6)

        told = world.sql("SELECT call_count FROM booking.rate_window")
        statuses = [(await read(client, world.staff)).status_code for _ in range(3)]

    assert told == [(18,)]
    assert statuses == [404, 404, 429]


async def test_zero_is_no_limit(world: World) -> None:
    async with clients_of(world, 1) as (client,):
        answers = await asyncio.gather(*(read(client, world.staff) for _ in range(60)))

    assert {answer.status_code for answer in answers} == {404}
    assert world.sql("SELECT count(*) FROM booking.rate_window") == [(0,)]


async def test_a_call_that_names_another_brand_counts_as_well(world: World) -> None:
    async with clients_of(world, 1, **LIMITS) as [client]:
        answers = [
            (await read(client, world.staff, x_brand_id="loopbio")).status_code for _ in range(6)
        ]

    assert answers == [403] * 5 + [429]
