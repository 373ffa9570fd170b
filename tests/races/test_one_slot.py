import random
from collections import Counter

import httpx
import pytest

from at_once import Doors, Shot
from books import add_provider, changes_audited, count, events_of, is_whole, overlapping_visits
from world import LOOPBIO, World, headers

# A race of 64 takes half a second; whoever deadlocks waits a second for PostgreSQL to notice.
SECONDS_MAX = 3


def booking(world: World, slot_id: str, **more: str) -> Shot:
    return Shot(path="/v1/visits", headers=headers(world.staff), body=world.book(slot_id, **more))


def foreign_booking(world: World, slot_id: str) -> Shot:
    return Shot(
        path="/v1/visits",
        headers=headers(world.foreign_staff),
        body=world.book(slot_id, brand_id=LOOPBIO, patient_id="pat_eve"),
    )


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("doors", [1, 2], ids=["one service", "two services"], indirect=True)
async def test_of_64_callers_at_one_slot_one_books_and_63_hear_why(
    doors: Doors, world: World
) -> None:
    slot_id = world.add_slot(world.at(9))

    answers = await doors.race([booking(world, slot_id)] * 64)

    assert statuses(answers) == {201: 1, 409: 63}
    assert max(answer.elapsed.total_seconds() for answer in answers) < SECONDS_MAX
    for lost in (answer.json() for answer in answers if answer.status_code == 409):
        assert lost["error"] == "slot_unavailable"
        assert lost["details"] == {"slot_id": slot_id, "nearest_slots": []}
    (visit_id,) = (answer.json()["id"] for answer in answers if answer.status_code == 201)
    assert [count(world, table) for table in ("visit", "event", "audit")] == [1, 1, 1]
    assert events_of(world, visit_id) == [(1, "booking.visit.created.v1")]
    assert changes_audited(world, visit_id) == ["visit.created"]


async def test_an_hour_and_its_halves_are_never_both_booked(doors: Doors, world: World) -> None:
    for day in range(4):
        hour = world.add_slot(world.at(9, days=day), 60)
        first_half = world.add_slot(world.at(9, days=day), 30)
        second_half = world.add_slot(world.at(9.5, days=day), 30)
        shots = [booking(world, slot) for slot in (hour, first_half, second_half) * 5]
        random.shuffle(shots)

        answers = await doors.race(shots)

        won = {a.json()["slot_id"] for a in answers if a.status_code == 201}
        assert won in ({hour}, {first_half, second_half})
        assert statuses(answers) == {201: len(won), 409: 15 - len(won)}
    assert overlapping_visits(world) == []
    assert is_whole(world)


async def test_a_provider_of_two_brands_is_booked_by_one_of_them_at_a_time(
    doors: Doors, world: World
) -> None:
    for day in range(3):
        start = world.at(9, days=day)
        own = world.add_slot(start, 60, provider_id="prv_both")
        foreign = world.add_slot(
            world.at(9.25, days=day), 60, provider_id="prv_both", brand_id=LOOPBIO
        )

        answers = await doors.race([booking(world, own), foreign_booking(world, foreign)] * 8)

        assert statuses(answers) == {201: 1, 409: 15}
    assert overlapping_visits(world) == []


async def test_bookings_that_share_nothing_never_hear_of_a_conflict(
    doors: Doors, world: World
) -> None:
    providers = [add_provider(world, f"prv_{number}") for number in range(8)]
    slots = [
        world.add_slot(world.at(9 + hour), 60, provider_id=provider_id)
        for hour in range(4)
        for provider_id in providers
    ]

    answers = await doors.race([booking(world, slot_id) for slot_id in slots])

    # Each hour touches the next one of its provider, and half-open intervals do not overlap there.
    assert statuses(answers) == {201: 32}
    assert is_whole(world)


async def test_a_slot_is_booked_or_deleted_but_never_both(doors: Doors, world: World) -> None:
    for hour in range(8):
        slot_id = world.add_slot(world.at(9 + hour))
        delete = Shot(
            method="DELETE",
            path=f"/v1/providers/prv_kim/slots/{slot_id}",
            headers=headers(world.staff),
        )
        shots = [booking(world, slot_id), delete]

        answers = await doors.race(shots if hour % 2 else shots[::-1])

        booked, deleted = answers if hour % 2 else answers[::-1]
        codes = (booked.status_code, deleted.status_code)
        # Who still saw the slot before it went hears of a lost race, who came later of no slot.
        assert codes in {(201, 412), (409, 200), (404, 200)}
    gone = "SELECT count(*) FROM booking.visit JOIN booking.slot USING (slot_id) WHERE deleted_at IS NOT NULL"
    assert world.sql(gone) == [(0,)]
    assert count(world, "audit") == count(world, "event") == 8
