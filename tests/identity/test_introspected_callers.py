"""With an identity service, it alone says who calls, for which brand, and what they may."""

from typing import Any

import httpx
import pytest

from books import count
from identity_service import IdentityService
from world import ALL_SCOPES, World, headers

SCOPE = " ".join(ALL_SCOPES)


async def listed(
    client: httpx.AsyncClient, token: str, brand_id: str = "loop", **more: str
) -> httpx.Response:
    return await client.get(
        "/v1/visits", params={"brand_id": brand_id}, headers=headers(token, **more)
    )


def code(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.json().get("error")


async def booked_by_staff(
    asking: httpx.AsyncClient, identity: IdentityService, world: World, hour: int, patient: str
) -> str:
    staff = identity.knows("t-setup", sub="nurse", brand="loop", scope=SCOPE)
    body = world.book(world.add_slot(world.at(hour)), patient_id=patient)
    booked = await asking.post("/v1/visits", json=body, headers=headers(staff))
    assert booked.status_code == 201
    visit_id: str = booked.json()["id"]
    return visit_id


@pytest.mark.parametrize("claim", ["brand", "brand_id"])
async def test_staff_see_the_brand_their_token_names(
    asking: httpx.AsyncClient, identity: IdentityService, world: World, claim: str
) -> None:
    visit_id = await booked_by_staff(asking, identity, world, 9, "pat_ada")
    staff = identity.knows("t-staff", sub="doctor", scope=SCOPE, **{claim: "loop"})

    own, foreign = await listed(asking, staff), await listed(asking, staff, "loopbio")

    assert [visit["id"] for visit in own.json()["visits"]] == [visit_id]
    assert code(foreign) == (403, "forbidden")


async def test_a_patient_is_known_by_sub_and_sees_their_own(
    asking: httpx.AsyncClient, identity: IdentityService, world: World
) -> None:
    own = await booked_by_staff(asking, identity, world, 9, "pat_ada")
    other = await booked_by_staff(asking, identity, world, 10, "pat_bob")
    ada = identity.knows("t-ada", sub="sub-ada", brand="loop", scope=SCOPE)
    nowhere = identity.knows("t-nowhere", sub="sub-ada", scope=SCOPE)

    for token in (ada, nowhere):
        visits = (await listed(asking, token)).json()["visits"]
        assert [visit["id"] for visit in visits] == [own]
    hers = await asking.get(f"/v1/visits/{own}", headers=headers(ada))
    his, nobodys = [
        await asking.get(f"/v1/visits/{visit_id}", headers=headers(ada, x_request_id="r"))
        for visit_id in (other, "vis_never")
    ]
    assert hers.status_code == 200
    assert (his.status_code, his.content) == (404, nobodys.content)


async def test_a_patient_of_one_brand_is_never_staff_of_another(
    asking: httpx.AsyncClient, identity: IdentityService, world: World
) -> None:
    visit_id = await booked_by_staff(asking, identity, world, 9, "pat_bob")
    # Eve is a patient of loopbio; her token says loop.
    eve = identity.knows("t-eve", sub="sub-eve", brand="loop", scope=f"{SCOPE} admin:booking")

    assert (await listed(asking, eve)).json()["visits"] == []
    calls: list[tuple[str, str, dict[str, str] | None]] = [
        ("GET", f"/v1/visits/{visit_id}", None),
        ("POST", f"/v1/visits/{visit_id}/cancel", None),
        ("POST", "/v1/visits", world.book(world.add_slot(world.at(11)), patient_id="pat_bob")),
        ("GET", "/v1/bookings/me", None),
    ]
    for method, path, body in calls:
        refused = await asking.request(method, path, json=body, headers=headers(eve))
        assert code(refused) == (404, "not_found")
    offer = {
        "brand_id": "loop",
        "start_time": world.at(20).isoformat(),
        "end_time": world.at(21).isoformat(),
    }
    refused = await asking.post("/v1/providers/prv_kim/slots", json=offer, headers=headers(eve))
    assert code(refused) == (403, "forbidden")
    assert count(world, "visit") == 1


async def test_no_patient_gets_admin_from_the_identity_service(
    asking: httpx.AsyncClient, identity: IdentityService
) -> None:
    ada = identity.knows("t-ada", sub="sub-ada", brand="loop", scope="admin:booking")
    boss = identity.knows("t-boss", sub="boss", brand="loop", scope="admin:booking")

    refused = await asking.get("/v1/admin/patients", headers=headers(ada))
    allowed = await asking.get("/v1/admin/patients", headers=headers(boss))

    assert code(refused) == (403, "insufficient_scope")
    assert allowed.status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "svc", "client_id": "svc"},
        {"client_id": "svc"},
        {"sub": "robot", "client_id": "svc", "token_type": "service"},
    ],
)
async def test_a_service_acts_for_the_brand_it_names(
    asking: httpx.AsyncClient, identity: IdentityService, world: World, claims: dict[str, Any]
) -> None:
    visit_id = await booked_by_staff(asking, identity, world, 9, "pat_ada")
    service = identity.knows("t-service", scope=SCOPE, **claims)
    visit = f"/v1/visits/{visit_id}"

    named = await asking.get(visit, headers=headers(service, x_brand_id="loop"))
    foreign = await asking.get(visit, headers=headers(service, x_brand_id="loopbio"))
    unnamed = await asking.get(visit, headers=headers(service))
    in_the_query = await listed(asking, service)
    contradicting = await listed(asking, service, "loop", x_brand_id="loopbio")
    booked = await asking.post(
        "/v1/visits", json=world.book(world.add_slot(world.at(10))), headers=headers(service)
    )

    assert named.status_code == 200
    assert code(foreign) == (404, "not_found")
    assert code(unnamed) == (400, "validation_error")
    assert unnamed.json()["details"] == {"field": "X-Brand-Id"}
    assert in_the_query.status_code == 200
    assert code(contradicting) == (403, "forbidden")
    assert booked.status_code == 201
    assert world.sql("SELECT DISTINCT actor_type FROM booking.audit ORDER BY 1") == [
        ("service",),
        ("user",),
    ]


async def test_a_token_with_a_brand_cannot_name_another(
    asking: httpx.AsyncClient, identity: IdentityService
) -> None:
    service = identity.knows("t-service", client_id="svc", brand="loop", scope=SCOPE)
    staff = identity.knows("t-staff", sub="doctor", brand="loop", scope=SCOPE)

    for token in (service, staff):
        assert (await listed(asking, token, x_brand_id="loop")).status_code == 200
        assert code(await listed(asking, token, x_brand_id="loopbio")) == (403, "forbidden")


async def test_a_person_without_a_brand_is_nobodys_staff(
    asking: httpx.AsyncClient, identity: IdentityService
) -> None:
    stranger = identity.knows("t-stranger", sub="stranger", scope=SCOPE)

    for more in ({}, {"x_brand_id": "loop"}):
        assert code(await listed(asking, stranger, **more)) == (403, "forbidden")


async def test_a_token_without_the_scope_hears_which_one_it_lacks(
    asking: httpx.AsyncClient, identity: IdentityService, world: World
) -> None:
    reader = identity.knows("t-reader", sub="doctor", brand="loop", scope="read:visits")

    allowed = await listed(asking, reader)
    refused = await asking.post(
        "/v1/visits", json=world.book(world.add_slot(world.at(9))), headers=headers(reader)
    )

    assert allowed.status_code == 200
    assert code(refused) == (403, "insufficient_scope")
    challenge = 'Bearer realm="bookwell", error="insufficient_scope", scope="write:visits"'
    assert refused.headers["WWW-Authenticate"] == challenge
