import httpx
from world import World, headers


async def test_a_visit_is_booked_moved_and_cancelled(api: httpx.AsyncClient, world: World) -> None:
    first, second = world.add_slot(world.at(9)), world.add_slot(world.at(10))

    booked = await api.post("/v1/visits", json=world.book(first), headers=headers(world.patient))
    print(booked.text)
    assert booked.status_code == 201
    visit = booked.json()
    moved = await api.post(
        f"/v1/visits/{visit['id']}/reschedule",
        json={"new_slot_id": second},
        headers=headers(world.patient),
    )
    print(moved.text)
    cancelled = await api.post(
        f"/v1/visits/{visit['id']}/cancel", json={"reason": "ill"}, headers=headers(world.patient)
    )
    print(cancelled.text)
    again = await api.post(f"/v1/visits/{visit['id']}/cancel", headers=headers(world.patient))
    print(again.text)
    print(
        (
            await api.get("/v1/visits", params={"brand_id": "loop"}, headers=headers(world.staff))
        ).text
    )
    print(
        (
            await api.get(
                "/v1/providers/prv_kim/slots",
                params={"brand_id": "loop"},
                headers=headers(world.staff),
            )
        ).text
    )
    print(world.sql("SELECT event_type, sequence, data FROM booking.event ORDER BY event_no"))
    print(world.sql("SELECT * FROM booking.audit"))
    print((await api.get("/healthz")).text)
    assert again.status_code == 412
