"""Licences against bookings that come at the same moment."""

import asyncio

import pytest

from at_once import Doors, Shot
from envelope import ok
from world import LOOP, World, headers


@pytest.mark.parametrize("what", ["licence", "regions"])
async def test_a_booking_that_meets_the_end_of_a_licence_is_refused_or_named_at_risk(
    doors: Doors, world: World, what: str
) -> None:
    licence_path = "/v1/providers/prv_kim/licences"
    regions = {"path": "/v1/admin/patients/pat_ada/regions", "method": "PUT"}
    admin = headers(world.admin)
    stay = Shot(headers=admin, body={"regions": [{"region": "US-NY"}]}, **regions)
    licence = Shot(path=licence_path, headers=admin, body={"region": "US-NY"})
    other = Shot(path=licence_path, headers=admin, body={"region": "US-NJ"})
    ok((await doors.race([other]))[0], 201)

    for hour in range(12):
        slot_ids = [world.add_slot(world.at(8 + number, days=hour)) for number in range(6)]
        ok((await doors.race([stay]))[0])
        added = ok((await doors.race([licence]))[0], 201)
        end = Shot(path=f"{licence_path}/{added['id']}", headers=admin, method="DELETE")
        if what == "regions":
            end = Shot(headers=admin, body={"regions": []}, **regions)
        bookings = [
            Shot(path="/v1/visits", headers=headers(world.staff), body=world.book(slot_id))
            for slot_id in slot_ids
        ]

        *answers, ended = await doors.race([*bookings, end])

        assert ended.status_code == 200, ended.text
        booked = {each.json()["id"] for each in answers if each.status_code == 201}
        refused = [each.json()["details"]["rule"] for each in answers if each.status_code == 409]
        assert len(booked) + len(refused) == len(slot_ids)
        assert set(refused) <= {"licence"}
        at_risk = f"/v1/licences/at-risk?brand_id={LOOP}&provider_id=prv_kim"
        listed = await doors.clients[0].get(at_risk, headers=headers(world.staff))
        assert booked <= {visit["id"] for visit in ok(listed)["visits"]}
        if what == "licence":
            named = {visit["id"] for visit in ended.json()["visits_at_risk"]}
            assert booked <= named, "whoever ends a licence hears of every visit that it leaves"
        await asyncio.gather(
            *(
                doors.clients[0].post(f"/v1/visits/{visit_id}/cancel", headers=headers(world.staff))
                for visit_id in booked
            )
        )
