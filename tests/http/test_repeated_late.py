"""A call repeated with its key when time has passed hears what it led to, and not what is so now."""

from datetime import timedelta

import httpx

from clinic import said
from world import LOOP, World, headers


async def test_a_slot_offered_in_time_is_told_again_after_it_has_begun(
    world: World, api: httpx.AsyncClient
) -> None:
    starts_at = world.at(9)
    offer = {
        "brand_id": LOOP,
        "start_time": said(starts_at),
        "end_time": said(starts_at + timedelta(minutes=30)),
    }
    who = headers(world.staff, idempotency_key="k-1")
    first = await api.post("/v1/providers/prv_kim/slots", json=offer, headers=who)
    world.shift_clock(timedelta(days=3))

    second = await api.post("/v1/providers/prv_kim/slots", json=offer, headers=who)
    new = await api.post("/v1/providers/prv_kim/slots", json=offer, headers=headers(world.staff))

    assert (first.status_code, new.status_code) == (201, 400)
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_a_hold_that_was_confirmed_too_late_is_refused_again_byte_for_byte(
    world: World, api: httpx.AsyncClient
) -> None:
    slot_id = world.add_slot(world.at(9))
    held = await api.post(
        f"/v1/slots/{slot_id}/hold", json={"patient_id": "pat_ada"}, headers=headers(world.staff)
    )
    world.shift_clock(timedelta(minutes=6))
    who = headers(world.staff, idempotency_key="k-1", x_request_id="the-same")

    first, second = [
        await api.post(f"/v1/visits/{held.json()['id']}/confirm", headers=who) for _ in range(2)
    ]

    assert (first.status_code, first.json()["error"]) == (410, "hold_expired")
    assert (second.status_code, second.content) == (410, first.content)
    assert second.headers["Idempotency-Replayed"] == "true"
