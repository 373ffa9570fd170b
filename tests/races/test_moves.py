from collections import Counter
from datetime import timedelta

import httpx

from at_once import Doors, Shot
from books import changes_audited, events_of, is_whole, overlapping_visits
from world import World, headers


async def booked(doors: Doors, world: World, slot_id: str) -> str:
    (answer,) = await doors.race(
        [Shot(path="/v1/visits", headers=headers(world.staff), body=world.book(slot_id))]
    )
    assert answer.status_code == 201
    visit_id: str = answer.json()["id"]
    return visit_id


def cancel(world: World, visit_id: str, **more: str) -> Shot:
    return Shot(path=f"/v1/visits/{visit_id}/cancel", headers=headers(world.staff, **more))


def move(world: World, visit_id: str, slot_id: str, **more: str) -> Shot:
    return Shot(
        path=f"/v1/visits/{visit_id}/reschedule",
        headers=headers(world.staff, **more),
        body={"new_slot_id": slot_id},
    )


def change(world: World, visit_id: str, verb: str) -> Shot:
    return Shot(path=f"/v1/visits/{visit_id}/{verb}", headers=headers(world.staff))


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def state_of(world: World, visit_id: str) -> tuple[object, ...]:
    ((status, slot_id, version),) = world.sql(
        "SELECT status, slot_id, version FROM booking.visit WHERE visit_id = %s", visit_id
    )
    return status, slot_id, version


async def test_of_cancel_and_reschedule_either_order_is_kept_whole(
    doors: Doors, world: World
) -> None:
    for day in range(8):
        old, new = world.add_slot(world.at(9, days=day)), world.add_slot(world.at(10, days=day))
        visit_id = await booked(doors, world, old)
        shots = [cancel(world, visit_id), move(world, visit_id, new)]

        answers = await doors.race(shots if day % 2 else shots[::-1])

        cancelled, moved = answers if day % 2 else answers[::-1]
        assert cancelled.status_code == 200
        created = (1, "booking.visit.created.v1")
        if moved.status_code == 200:
            assert state_of(world, visit_id) == ("cancelled", new, 3)
            assert events_of(world, visit_id) == [
                created,
                (2, "booking.visit.rescheduled.v1"),
                (3, "booking.visit.cancelled.v1"),
            ]
        else:
            assert (moved.status_code, moved.json()["error"]) == (412, "visit_not_reschedulable")
            assert state_of(world, visit_id) == ("cancelled", old, 2)
            assert events_of(world, visit_id) == [created, (2, "booking.visit.cancelled.v1")]
    assert is_whole(world)


async def test_of_sixteen_who_cancel_one_visit_one_does(doors: Doors, world: World) -> None:
    visit_id = await booked(doors, world, world.add_slot(world.at(9)))

    answers = await doors.race([cancel(world, visit_id)] * 16)

    assert statuses(answers) == {200: 1, 412: 15}
    assert changes_audited(world, visit_id) == ["visit.created", "visit.cancelled"]


async def test_of_sixteen_who_saw_the_same_version_one_may_change_it(
    doors: Doors, world: World
) -> None:
    slots = [world.add_slot(world.at(9 + n / 2)) for n in range(17)]
    visit_id = await booked(doors, world, slots[0])

    answers = await doors.race([move(world, visit_id, s, if_match='"1"') for s in slots[1:]])

    assert statuses(answers) == {200: 1, 412: 15}
    codes = {a.json()["error"] for a in answers if a.status_code == 412}
    assert codes == {"version_mismatch"}
    assert is_whole(world)


async def test_sixteen_moves_of_one_visit_happen_one_after_the_other(
    doors: Doors, world: World
) -> None:
    slots = [world.add_slot(world.at(9 + n / 2)) for n in range(17)]
    visit_id = await booked(doors, world, slots[0])

    answers = await doors.race([move(world, visit_id, slot_id) for slot_id in slots[1:]])

    assert statuses(answers) == {200: 16}
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 18))
    last = max(answers, key=lambda answer: int(answer.json()["version"])).json()
    assert state_of(world, visit_id) == ("booked", last["slot_id"], 17)
    assert is_whole(world)


async def test_of_two_moves_to_one_slot_one_arrives_and_the_other_stays(
    doors: Doors, world: World
) -> None:
    for day in range(4):
        olds = [world.add_slot(world.at(9 + n, days=day)) for n in range(2)]
        wanted = world.add_slot(world.at(12, days=day))
        visits = [await booked(doors, world, slot_id) for slot_id in olds]

        answers = await doors.race([move(world, visit_id, wanted) for visit_id in visits])

        assert statuses(answers) == {200: 1, 409: 1}
        for visit_id, old, answer in zip(visits, olds, answers, strict=True):
            won = answer.status_code == 200
            expected = ("booked", wanted, 2) if won else ("booked", old, 1)
            assert state_of(world, visit_id) == expected
    assert overlapping_visits(world) == []
    assert is_whole(world)


async def test_a_move_and_a_booking_of_its_target_never_both_succeed(
    doors: Doors, world: World
) -> None:
    for day in range(4):
        old, wanted = world.add_slot(world.at(9, days=day)), world.add_slot(world.at(10, days=day))
        visit_id = await booked(doors, world, old)
        booking = Shot(path="/v1/visits", headers=headers(world.staff), body=world.book(wanted))

        moved, other = await doors.race([move(world, visit_id, wanted), booking])

        assert (moved.status_code, other.status_code) in {(200, 409), (409, 201)}
    assert overlapping_visits(world) == []
    assert is_whole(world)


async def test_freed_time_is_taken_once(doors: Doors, world: World) -> None:
    for day in range(4):
        slot_id = world.add_slot(world.at(9, days=day))
        visit_id = await booked(doors, world, slot_id)
        booking = Shot(path="/v1/visits", headers=headers(world.staff), body=world.book(slot_id))

        freed, *others = await doors.race([cancel(world, visit_id), *[booking] * 11])

        assert freed.status_code == 200
        won = statuses(others)[201]
        assert won in (0, 1)
        assert statuses(others)[409] == 11 - won
    assert overlapping_visits(world) == []
    assert is_whole(world)


async def test_moves_across_two_providers_in_both_directions_never_deadlock(
    doors: Doors, world: World
) -> None:
    providers = ("prv_kim", "prv_both")
    day_slots = [
        {p: [world.add_slot(world.at(n, days=day), 60, provider_id=p) for n in range(8)]}
        for day in range(5)
        for p in providers
    ]
    slots = {p: [day[p] for day in day_slots if p in day] for p in providers}
    visits = {
        p: [await booked(doors, world, slot_id) for slot_id in slots[p][0]] for p in providers
    }

    for day in range(1, 5):
        kim, both = providers if day % 2 else providers[::-1]
        shots = [
            shot
            for n in range(8)
            for shot in (
                move(world, visits["prv_kim"][n], slots[both][day][n]),
                move(world, visits["prv_both"][n], slots[kim][day][n]),
            )
        ]
        assert statuses(await doors.race(shots)) == {200: 16}

    assert overlapping_visits(world) == []
    assert is_whole(world)


async def test_a_visit_is_completed_or_missed_but_never_both(doors: Doors, world: World) -> None:
    visits = [await booked(doors, world, world.add_slot(world.at(9 + n))) for n in range(6)]
    world.shift_clock(timedelta(days=2))

    for number, visit_id in enumerate(visits):
        verbs = ["complete", "no-show"] if number % 2 else ["no-show", "complete"]
        answers = await doors.race([change(world, visit_id, verb) for verb in verbs])

        assert statuses(answers) == {200: 1, 412: 1}
        (won,) = (a.json()["status"] for a in answers if a.status_code == 200)
        (lost,) = (a.json() for a in answers if a.status_code == 412)
        assert lost["error"] in {"visit_not_completable", "visit_not_missed"}
        assert lost["details"] == {"status": won}
        assert state_of(world, visit_id)[0] == won
    assert is_whole(world)
