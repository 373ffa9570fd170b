"""Caps under races of what is moved or confirmed: counted behind locks, as when it is booked."""

from collections import Counter
from datetime import timedelta

import httpx

from at_once import Doors, Shot
from books import add_patients, add_provider, is_whole, overlapping_visits
from world import LOOP, World, headers

CALLERS = 16
DAY = timedelta(days=1)


async def capped(doors: Doors, world: World, **caps: int | str) -> None:
    """Give loop one visit type with these caps."""
    body = {
        "brand_id": LOOP,
        "id": "follow_up",
        "name": "Follow-up",
        "duration_minutes": 30,
        **caps,
    }
    shot = Shot(path="/v1/visit-types", headers=headers(world.admin), body=body)
    (answer,) = await doors.race([shot])
    assert answer.status_code == 201, answer.text


def booking(world: World, slot_id: str, patient_id: str) -> Shot:
    body = world.book(slot_id, patient_id=patient_id)
    return Shot(path="/v1/visits", headers=headers(world.staff), body=body)


def holding(world: World, slot_id: str, patient_id: str) -> Shot:
    """A hold that leaves its type open, so that no cap counts it yet."""
    path = f"/v1/slots/{slot_id}/hold"
    return Shot(path=path, headers=headers(world.staff), body={"patient_id": patient_id})


def moving(world: World, visit: httpx.Response, slot_id: str) -> Shot:
    path = f"/v1/visits/{visit.json()['id']}/reschedule"
    return Shot(path=path, headers=headers(world.staff), body={"new_slot_id": slot_id})


def confirming(world: World, visit: httpx.Response) -> Shot:
    path = f"/v1/visits/{visit.json()['id']}/confirm"
    return Shot(path=path, headers=headers(world.staff), body={"visit_type": "follow_up"})


def providers_of(world: World) -> list[str]:
    return [add_provider(world, f"prv_{number}") for number in range(CALLERS)]


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def rules_of(answers: list[httpx.Response]) -> set[str]:
    return {answer.json()["details"]["rule"] for answer in answers if answer.status_code == 409}


async def test_of_16_visits_of_a_patient_moved_into_one_day_as_many_get_there_as_the_cap_allows(
    doors: Doors, world: World
) -> None:
    await capped(doors, world, patient_cap=3, patient_cap_period="day")
    providers = providers_of(world)
    olds = [
        world.add_slot(world.at(9) + number * DAY, provider_id=provider)
        for number, provider in enumerate(providers, start=2)
    ]
    visits = await doors.race([booking(world, slot, "pat_ada") for slot in olds])
    assert statuses(visits) == {201: CALLERS}
    news = [world.add_slot(world.at(9), provider_id=provider) for provider in providers]

    answers = await doors.race([moving(world, *pair) for pair in zip(visits, news, strict=True)])

    assert statuses(answers) == {200: 3, 409: CALLERS - 3}
    assert rules_of(answers) == {"patient_cap"}
    assert is_whole(world)


async def test_of_16_patients_moved_to_one_provider_as_many_get_there_as_a_day_allows(
    doors: Doors, world: World
) -> None:
    await capped(doors, world, provider_day_cap=4)
    patients = add_patients(world, CALLERS)
    olds = [world.add_slot(world.at(9), provider_id=provider) for provider in providers_of(world)]
    visits = await doors.race([booking(world, *pair) for pair in zip(olds, patients, strict=True)])
    assert statuses(visits) == {201: CALLERS}
    midnight = world.at(0) + DAY
    news = [world.add_slot(midnight + number * timedelta(minutes=30)) for number in range(CALLERS)]

    answers = await doors.race([moving(world, *pair) for pair in zip(visits, news, strict=True)])

    assert statuses(answers) == {200: 4, 409: CALLERS - 4}
    assert rules_of(answers) == {"provider_cap"}


async def test_of_16_holds_confirmed_as_a_capped_type_as_many_are_as_the_cap_allows(
    doors: Doors, world: World
) -> None:
    await capped(doors, world, provider_day_cap=5)
    patients = add_patients(world, CALLERS)
    midnight = world.at(0) + DAY
    slots = [world.add_slot(midnight + number * timedelta(minutes=30)) for number in range(CALLERS)]
    holds = await doors.race([holding(world, *pair) for pair in zip(slots, patients, strict=True)])
    assert statuses(holds) == {201: CALLERS}

    answers = await doors.race([confirming(world, hold) for hold in holds])

    assert statuses(answers) == {200: 5, 409: CALLERS - 5}
    assert rules_of(answers) == {"provider_cap"}
    assert is_whole(world)


async def test_moves_bookings_and_confirmations_of_one_patient_together_keep_the_cap(
    doors: Doors, world: World
) -> None:
    await capped(doors, world, patient_cap=2, patient_cap_period="day")
    providers = providers_of(world)
    olds = [
        world.add_slot(world.at(9) + (2 + number) * DAY, provider_id=provider)
        for number, provider in enumerate(providers[:6])
    ]
    visits = await doors.race([booking(world, slot, "pat_ada") for slot in olds])
    today = [world.add_slot(world.at(9), provider_id=provider) for provider in providers]
    holds = await doors.race([holding(world, slot, "pat_ada") for slot in today[6:9]])
    assert statuses([*visits, *holds]) == {201: 9}

    answers = await doors.race(
        [
            *(moving(world, *pair) for pair in zip(visits, today[:6], strict=True)),
            *(confirming(world, hold) for hold in holds),
            *(booking(world, slot, "pat_ada") for slot in today[9:]),
        ]
    )

    done = statuses(answers)
    assert done[409] == CALLERS - 2, done
    assert done[200] + done[201] == 2
    assert rules_of(answers) == {"patient_cap"}
    assert overlapping_visits(world) == []
    assert is_whole(world)


async def test_of_a_hold_confirmed_with_a_longer_buffer_and_a_booking_in_it_one_wins(
    doors: Doors, world: World
) -> None:
    await capped(doors, world, buffer_after_minutes=30)
    patients = add_patients(world, CALLERS)
    for number in range(0, CALLERS, 2):
        at = world.at(9) + (2 + number) * DAY
        held, booked = patients[number : number + 2]
        (hold,) = await doors.race([holding(world, world.add_slot(at), held)])
        next_to_it = world.add_slot(at + timedelta(minutes=30))
        shots = [confirming(world, hold), booking(world, next_to_it, booked)]

        answers = await doors.race(shots if number % 4 else shots[::-1])

        assert sorted(statuses(answers).values()) == [1, 1]
        assert 409 in statuses(answers)
