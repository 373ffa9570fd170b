"""With a staff scope, a user of the identity service is staff who carries it, and nobody else."""

from collections.abc import AsyncIterator

import httpx
import pytest

from conftest import serving, settings_for
from identity_service import CLIENT_ID, CLIENT_SECRET, IdentityService
from world import ALL_SCOPES, World, headers

SCOPE = " ".join(ALL_SCOPES)


@pytest.fixture
async def fenced(world: World, identity: IdentityService) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service for which `role:staff` makes staff."""
    settings = settings_for(
        world.database_url,
        introspection_url=identity.url,
        introspection_client_id=CLIENT_ID,
        introspection_client_secret=CLIENT_SECRET,
        introspection_staff_scope="role:staff",
    )
    async with (
        serving(settings) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        yield client


async def visits_seen(client: httpx.AsyncClient, token: str) -> int:
    listed = await client.get("/v1/visits", params={"brand_id": "loop"}, headers=headers(token))
    assert listed.status_code == 200
    return len(listed.json()["visits"])


async def test_a_user_who_is_no_patient_yet_sees_nothing_without_the_scope(
    fenced: httpx.AsyncClient, identity: IdentityService, world: World
) -> None:
    nurse = identity.knows("t-nurse", sub="nurse", brand="loop", scope=f"{SCOPE} role:staff")
    newcomer = identity.knows("t-new", sub="sub-new", brand="loop", scope=SCOPE)
    body = world.book(world.add_slot(world.at(9)))
    booked = await fenced.post("/v1/visits", json=body, headers=headers(nurse))
    assert booked.status_code == 201

    visit = await fenced.get(f"/v1/visits/{booked.json()['id']}", headers=headers(newcomer))
    mine = await fenced.get("/v1/bookings/me", headers=headers(newcomer))

    assert await visits_seen(fenced, nurse) == 1
    assert await visits_seen(fenced, newcomer) == 0
    assert (visit.status_code, mine.status_code) == (404, 404)


async def test_a_member_of_staff_may_be_somebodys_patient_too(
    fenced: httpx.AsyncClient, identity: IdentityService, world: World
) -> None:
    ada_at_work = identity.knows("t-ada", sub="sub-ada", brand="loop", scope=f"{SCOPE} role:staff")
    body = world.book(world.add_slot(world.at(9)), patient_id="pat_bob")

    booked = await fenced.post("/v1/visits", json=body, headers=headers(ada_at_work))

    assert booked.status_code == 201
    assert await visits_seen(fenced, ada_at_work) == 1
