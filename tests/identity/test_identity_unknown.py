"""What cannot be known is not admitted, and what is known is not believed for long."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from books import count
from conftest import serving, settings_for
from identity_service import CLIENT_ID, IdentityService, answer
from world import ALL_SCOPES, World, headers

SCOPE = " ".join(ALL_SCOPES)
INVALID = 'Bearer realm="bookwell", error="invalid_token"'


async def listed(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/v1/visits", params={"brand_id": "loop"}, headers=headers(token))


def code(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.json().get("error")


async def test_what_is_not_active_is_401(
    asking: httpx.AsyncClient, identity: IdentityService, world: World
) -> None:
    expired = identity.knows("t-old", sub="doctor", brand="loop", scope=SCOPE, exp=1)

    # A token of our own is one that the identity service does not know.
    for token in ("t-unknown", expired, world.staff):
        refused = await listed(asking, token)
        assert code(refused) == (401, "invalid_token")
        assert refused.headers["WWW-Authenticate"] == INVALID


async def crashes(writer: asyncio.StreamWriter) -> None:
    body = b'{"active": true, "sub": "x", "brand": "loop", "scope": "manage:visits"}'
    await answer(writer, body, "500 Internal Server Error")


async def hangs(_writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def hangs_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def mumbles(writer: asyncio.StreamWriter) -> None:
    await answer(writer, b'{"active": "yes", "brand": "loop"}')


async def contradicts_itself(writer: asyncio.StreamWriter) -> None:
    await answer(writer, b'{"active": true, "sub": "x", "brand": "loop", "brand_id": "loopbio"}')


@pytest.mark.parametrize("illness", [crashes, hangs, hangs_up, mumbles, contradicts_itself])
async def test_without_the_identity_service_nobody_is_admitted(
    asking: httpx.AsyncClient, identity: IdentityService, world: World, illness: Any
) -> None:
    staff = identity.knows("t-staff", sub="doctor", brand="loop", scope=SCOPE)
    body = world.book(world.add_slot(world.at(9)))
    identity.illness = illness

    refused = [await listed(asking, staff)]
    refused.append(await asking.post("/v1/visits", json=body, headers=headers(staff)))
    ready = await asking.get("/readyz")
    identity.illness = None
    admitted = await asking.post("/v1/visits", json=body, headers=headers(staff))

    for response in refused:
        assert code(response) == (503, "identity_unavailable")
        assert response.headers["Retry-After"] == "1"
        assert "WWW-Authenticate" not in response.headers
    # Another worker would not know better, so this one stays in the balance.
    assert ready.status_code == 200
    assert admitted.status_code == 201
    assert count(world, "visit") == 1


async def test_an_identity_service_that_refuses_us_admits_nobody(
    world: World, identity: IdentityService
) -> None:
    staff = identity.knows("t-staff", sub="doctor", brand="loop", scope=SCOPE)
    settings = settings_for(
        world.database_url,
        introspection_url=identity.url,
        introspection_client_id=CLIENT_ID,
        introspection_client_secret="of another service",
    )
    async with (
        serving(settings) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        refused = await listed(client, staff)

    assert identity.asked == [staff]
    assert code(refused) == (503, "identity_unavailable")


async def test_a_remembered_answer_is_not_used_past_its_expiry(
    asking: httpx.AsyncClient, identity: IdentityService
) -> None:
    expires_at = time.time() + 1.2
    staff = identity.knows("t-staff", sub="doctor", brand="loop", scope=SCOPE, exp=expires_at)

    assert (await listed(asking, staff)).status_code == 200
    assert (await listed(asking, staff)).status_code == 200
    assert identity.asked == [staff]
    await asyncio.sleep(expires_at - time.time() + 0.01)
    refused = await listed(asking, staff)

    assert code(refused) == (401, "invalid_token")


async def test_a_revoked_token_is_believed_for_five_seconds_at_most(
    asking: httpx.AsyncClient, identity: IdentityService
) -> None:
    staff = identity.knows("t-staff", sub="doctor", brand="loop", scope=SCOPE)
    asked_at = time.monotonic()
    assert (await listed(asking, staff)).status_code == 200
    identity.revokes(staff)

    assert (await listed(asking, staff)).status_code == 200
    await asyncio.sleep(5 - (time.monotonic() - asked_at) + 0.3)
    refused = await listed(asking, staff)

    assert code(refused) == (401, "invalid_token")
    assert identity.asked == [staff, staff]


async def test_thirty_calls_with_one_token_are_one_question(
    asking: httpx.AsyncClient, identity: IdentityService
) -> None:
    staff = identity.knows("t-staff", sub="doctor", brand="loop", scope=SCOPE)
    identity.delay_seconds = 0.2

    answers = await asyncio.gather(*(listed(asking, staff) for _ in range(30)))

    assert {response.status_code for response in answers} == {200}
    assert identity.asked == [staff]


async def test_what_is_remembered_of_one_token_is_not_used_for_another(
    asking: httpx.AsyncClient, identity: IdentityService, world: World
) -> None:
    ada = identity.knows("t-ada", sub="sub-ada", brand="loop", scope=SCOPE)
    bob = identity.knows("t-bob", sub="sub-bob", brand="loop", scope=SCOPE)
    slots = [world.add_slot(world.at(9 + n)) for n in range(2)]

    for token, patient, slot_id in ((ada, "pat_ada", slots[0]), (bob, "pat_bob", slots[1])):
        body = world.book(slot_id, patient_id=patient)
        booked = await asking.post("/v1/visits", json=body, headers=headers(token))
        assert booked.status_code == 201
    for _ in range(2):
        for token, patient in ((ada, "pat_ada"), (bob, "pat_bob")):
            visits = (await listed(asking, token)).json()["visits"]
            assert [visit["patient_id"] for visit in visits] == [patient]
