"""Tokens this service issued itself: stored hashed, ended at once, on every worker."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest

from conftest import serving, settings_for
from waiting import until
from world import World, headers

LISTENERS = (
    "FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'bookwell revocations'"
)
INVALID = 'Bearer realm="bookwell", error="invalid_token"'
# What a notice takes from the database to a worker, generously.
SECONDS_MAX = 1.0


@asynccontextmanager
async def client_of(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(settings_for(world.database_url)) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        await until(lambda: bool(world.sql(f"SELECT pid {LISTENERS}")))
        yield client


async def issued(client: httpx.AsyncClient, world: World, **more: object) -> tuple[str, str]:
    """A new token of loop's staff: its id and its secret."""
    answer = await client.post(
        "/v1/admin/tokens",
        json={"role": "staff", "subject": "staff-9", **more},
        headers=headers(world.admin),
    )
    assert answer.status_code == 201
    return answer.json()["id"], answer.json()["token"]


async def use(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/v1/visits", params={"brand_id": "loop"}, headers=headers(token))


async def refused_within(client: httpx.AsyncClient, token: str, seconds: float) -> bool:
    """Whether the token stops working within that time, and then for good."""
    deadline = asyncio.get_running_loop().time() + seconds
    while (await use(client, token)).status_code == 200:
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return all([(await use(client, token)).status_code == 401 for _ in range(5)])


async def test_only_the_hash_of_a_token_is_kept(world: World) -> None:
    async with client_of(world) as client:
        token_id, secret = await issued(client, world)
        listed = await client.get("/v1/admin/tokens", headers=headers(world.admin))

    rows = world.sql(
        "SELECT token_hash, token::text FROM booking.token AS token WHERE token_id = %s", token_id
    )
    ((token_hash, row),) = rows
    assert token_hash == hashlib.sha256(secret.encode()).digest()
    assert secret.startswith("lph_at_")
    assert len(secret) >= 40
    assert secret not in str(row)
    assert secret not in listed.text
    assert secret not in str(world.sql("SELECT audit::text FROM booking.audit AS audit"))
    assert world.sql("SELECT count(*) FROM booking.idempotency") == [(0,)]


async def test_a_revoked_token_is_refused_by_the_next_call_on_the_same_worker(
    world: World,
) -> None:
    async with client_of(world) as client:
        for _ in range(10):
            token_id, secret = await issued(client, world)
            assert (await use(client, secret)).status_code == 200

            revoked = await client.post(
                f"/v1/admin/tokens/{token_id}/revoke", headers=headers(world.admin)
            )
            answer = await use(client, secret)

            assert revoked.status_code == 200
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
            assert answer.headers["WWW-Authenticate"] == INVALID


async def test_a_revoked_token_is_refused_on_every_other_service_within_a_second(
    world: World,
) -> None:
    async with client_of(world) as here, client_of(world) as there:
        await until(lambda: world.sql(f"SELECT count(*) {LISTENERS}") == [(2,)])
        token_id, secret = await issued(here, world)
        assert (await use(there, secret)).status_code == 200

        await here.post(f"/v1/admin/tokens/{token_id}/revoke", headers=headers(world.admin))

        assert await refused_within(there, secret, SECONDS_MAX)


async def test_a_token_is_revoked_by_itself_too(world: World) -> None:
    async with client_of(world) as client:
        _, secret = await issued(client, world)
        assert (await use(client, secret)).status_code == 200

        revoked = await client.post(
            f"/v1/admin/tokens/{secret}/revoke", headers=headers(world.admin)
        )

        assert revoked.status_code == 200
        assert secret not in revoked.text
        assert await refused_within(client, secret, SECONDS_MAX)


async def test_a_token_of_another_brand_is_not_there_to_be_revoked(world: World) -> None:
    ((token_id,),) = world.sql("SELECT token_id FROM booking.token WHERE subject = 'staff-2'")
    async with client_of(world) as client:
        foreign, unknown = [
            await client.post(f"/v1/admin/tokens/{each}/revoke", headers=headers(world.admin))
            for each in (token_id, "tok_never")
        ]
        theirs = await client.get(
            "/v1/visits", params={"brand_id": "loopbio"}, headers=headers(world.foreign_staff)
        )

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["message"] == unknown.json()["message"]
    assert theirs.status_code == 200


async def test_a_token_lives_as_long_as_it_was_issued_for(world: World) -> None:
    async with client_of(world) as client:
        _, secret = await issued(client, world, expires_in=1)
        issued_at = asyncio.get_running_loop().time()
        assert (await use(client, secret)).status_code == 200

        assert await refused_within(client, secret, 1.5)

        assert asyncio.get_running_loop().time() - issued_at > 0.9


async def test_an_expired_an_unknown_and_a_revoked_token_are_told_the_same(world: World) -> None:
    world.sql("UPDATE booking.token SET revoked_at = now() WHERE subject = 'staff-3'")
    async with client_of(world) as client:
        answers = [await use(client, t) for t in (world.expired, "lph_at_never", world.unscoped)]

    bodies = [{**answer.json(), "request_id": None} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert bodies == [bodies[0]] * 3
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {INVALID}


async def test_with_its_listener_killed_a_worker_still_refuses_revoked_tokens(
    world: World,
) -> None:
    async with client_of(world) as client:
        for lost_before in (True, False):
            _, secret = await issued(client, world)
            assert (await use(client, secret)).status_code == 200
            if lost_before:
                world.sql(f"SELECT pg_terminate_backend(pid) {LISTENERS}")

            # As `bookwell token revoke` does it, from another process.
            revoke(world, secret)

            assert await refused_within(client, secret, SECONDS_MAX)
            # And it listens again by itself.
            await until(lambda: world.sql(f"SELECT count(*) {LISTENERS}") == [(1,)])


async def test_a_revocation_during_the_look_up_is_not_forgotten_again(world: World) -> None:
    # The look-up takes its snapshot, then waits for us; the revocation comes in between.
    world.sql(
        "CREATE OR REPLACE FUNCTION booking.now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE"
        " AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN pg_catalog.now(); END $$"
    )
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    async with client_of(world) as client:
        with psycopg.connect(world.database_url) as session:
            session.execute("SELECT pg_advisory_xact_lock(4711)")
            looking = asyncio.create_task(use(client, world.unscoped))
            await until(lambda: world.sql(waiting) == [(1,)])
            revoke(world, world.unscoped)
            await asyncio.sleep(0.2)
        assert (await looking).status_code == 403  # it was still alive when it was looked up

        assert (await use(client, world.unscoped)).status_code == 401


def revoke(world: World, secret: str) -> None:
    token_hash = hashlib.sha256(secret.encode()).digest()
    world.sql(
        "WITH ended AS (UPDATE booking.token SET revoked_at = pg_catalog.now()"
        " WHERE token_hash = %s RETURNING token_hash)"
        " SELECT pg_notify('booking_token_revoked', encode(token_hash, 'hex')) FROM ended",
        token_hash,
    )


@pytest.mark.parametrize("scopes", [["admin:booking"], ["read:visits", "admin:booking"]])
async def test_no_patient_is_ever_issued_admin(world: World, scopes: list[str]) -> None:
    async with client_of(world) as client:
        answer = await client.post(
            "/v1/admin/tokens",
            json={"role": "patient", "subject": "sub-ada", "scopes": scopes},
            headers=headers(world.admin),
        )

    assert (answer.status_code, answer.json()["error"]) == (400, "validation_error")


async def test_a_patients_token_that_says_admin_all_the_same_does_not_get_it(world: World) -> None:
    world.sql("UPDATE booking.token SET scopes = '{admin:booking}' WHERE subject = 'sub-ada'")
    async with client_of(world) as client:
        answers = [
            await client.get(path, headers=headers(world.patient))
            for path in ("/v1/admin/tokens", "/v1/visits?brand_id=loop")
        ]

    assert {(a.status_code, a.json()["error"]) for a in answers} == {(403, "insufficient_scope")}
