"""Who was refused in a batch stays refused under their key, as who was refused alone."""

import pytest

from at_once import Doors, Shot
from world import World, headers


@pytest.mark.parametrize("doors", [1], indirect=True)
async def test_a_booking_refused_among_others_is_not_made_when_it_is_repeated(
    doors: Doors, world: World
) -> None:
    slot_id = world.add_slot(world.at(9))
    shots = [
        Shot(
            path="/v1/visits",
            headers=headers(world.staff, idempotency_key=f"k-{n}"),
            body=world.book(slot_id),
        )
        for n in range(24)
    ]
    answers = await doors.race(shots)
    (won,) = [answer for answer in answers if answer.status_code == 201]
    cancel = Shot(path=f"/v1/visits/{won.json()['id']}/cancel", headers=headers(world.staff))
    (cancelled,) = await doors.race([cancel])

    again = await doors.race(shots)

    assert cancelled.status_code == 200
    assert [answer.status_code for answer in again] == [answer.status_code for answer in answers]
    assert {answer.headers.get("Idempotency-Replayed") for answer in again} == {"true"}
