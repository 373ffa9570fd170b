import asyncio
from collections import Counter

import httpx
import psycopg

from at_once import Doors, Shot
from books import changes_audited, count, is_whole
from waiting import sessions_wait_for_locks
from world import World, headers

MISMATCH = "idempotency_key_payload_mismatch"


def booking(world: World, slot_id: str, *, token: str | None = None, **more: str) -> Shot:
    return Shot(
        path="/v1/visits",
        headers=headers(token or world.staff, **more),
        body=world.book(slot_id),
    )


def replays(answers: list[httpx.Response]) -> int:
    return sum(answer.headers.get("Idempotency-Replayed") == "true" for answer in answers)


def assert_one_effect_and_one_answer(answers: list[httpx.Response], status: int) -> None:
    assert {answer.status_code for answer in answers} == {status}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers.get("ETag") for answer in answers}) == 1
    assert replays(answers) == len(answers) - 1


async def test_sixteen_twins_of_a_booking_have_one_effect_and_one_answer(
    doors: Doors, world: World
) -> None:
    slot_id = world.add_slot(world.at(9))

    answers = await doors.race([booking(world, slot_id, idempotency_key="k-1")] * 16)

    assert_one_effect_and_one_answer(answers, 201)
    tables = ("visit", "event", "audit", "idempotency")
    assert [count(world, table) for table in tables] == [1, 1, 1, 1]


async def test_sixteen_twins_of_a_new_slot_have_one_effect_and_one_answer(
    doors: Doors, world: World
) -> None:
    offer = Shot(
        path="/v1/providers/prv_kim/slots",
        headers=headers(world.staff, idempotency_key="k-1"),
        body={
            "brand_id": "loop",
            "start_time": world.at(9).isoformat(),
            "end_time": world.at(10).isoformat(),
        },
    )

    answers = await doors.race([offer] * 16)

    assert_one_effect_and_one_answer(answers, 201)
    tables = ("slot", "event", "audit", "idempotency")
    assert [count(world, table) for table in tables] == [1, 1, 1, 1]


async def test_sixteen_twins_of_a_cancellation_have_one_effect_and_one_answer(
    doors: Doors, world: World
) -> None:
    (visit,) = await doors.race([booking(world, world.add_slot(world.at(9)))])
    visit_id = visit.json()["id"]
    cancellation = Shot(
        path=f"/v1/visits/{visit_id}/cancel",
        headers=headers(world.staff, idempotency_key="k-1"),
        body={"reason": "moved to Ålesund"},
    )

    answers = await doors.race([cancellation] * 16)

    assert_one_effect_and_one_answer(answers, 200)
    assert changes_audited(world, visit_id) == ["visit.created", "visit.cancelled"]


async def test_sixteen_twins_of_a_move_have_one_effect_and_one_answer(
    doors: Doors, world: World
) -> None:
    (visit,) = await doors.race([booking(world, world.add_slot(world.at(9)))])
    visit_id = visit.json()["id"]
    there = world.add_slot(world.at(11), provider_id="prv_both")
    move = Shot(
        path=f"/v1/visits/{visit_id}/reschedule",
        headers=headers(world.staff, idempotency_key="k-1"),
        body={"new_slot_id": there},
    )

    answers = await doors.race([move] * 16)

    assert_one_effect_and_one_answer(answers, 200)
    assert changes_audited(world, visit_id) == ["visit.created", "visit.rescheduled"]
    assert is_whole(world)


async def test_a_twin_that_comes_later_gets_the_answer_of_then(doors: Doors, world: World) -> None:
    shot = booking(world, world.add_slot(world.at(9)), idempotency_key="k-1")
    (first,) = await doors.race([shot])
    visit_id = first.json()["id"]
    await doors.race([Shot(path=f"/v1/visits/{visit_id}/cancel", headers=headers(world.staff))])

    (second,) = await doors.race([shot])

    assert second.content == first.content
    assert second.json()["status"] == "booked"
    assert second.headers["Idempotency-Replayed"] == "true"
    assert count(world, "visit") == 1


async def test_of_eight_payloads_under_one_key_one_counts_and_seven_hear_of_it(
    doors: Doors, world: World
) -> None:
    slots = [world.add_slot(world.at(9 + n)) for n in range(8)]

    answers = await doors.race([booking(world, s, idempotency_key="k-1") for s in slots])

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
    assert {a.json()["error"] for a in answers if a.status_code == 409} == {MISMATCH}
    assert count(world, "visit") == 1


async def test_another_payload_is_refused_while_the_first_is_in_flight(
    doors: Doors, world: World
) -> None:
    first, other = world.add_slot(world.at(9)), world.add_slot(world.at(10))
    with psycopg.connect(world.database_url) as session:
        session.execute("SELECT FROM booking.provider WHERE provider_id = 'prv_kim' FOR UPDATE")
        shots = [booking(world, s, idempotency_key="k-1") for s in (first, other)]
        racing = asyncio.ensure_future(doors.race(shots))
        await sessions_wait_for_locks(world, 2)
        session.rollback()
    answers = await racing

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert MISMATCH in [answer.json().get("error") for answer in answers]
    assert count(world, "visit") == 1


async def test_another_payload_is_refused_though_it_could_not_be_booked_anyway(
    doors: Doors, world: World
) -> None:
    slot_id, taken = world.add_slot(world.at(9)), world.add_slot(world.at(10))
    await doors.race([booking(world, taken)])
    await doors.race([booking(world, slot_id, idempotency_key="k-1")])

    (answer,) = await doors.race([booking(world, taken, idempotency_key="k-1")])

    assert (answer.status_code, answer.json()["error"]) == (409, MISMATCH)


async def test_a_refusal_is_replayed_even_when_the_slot_is_free_again(
    doors: Doors, world: World
) -> None:
    slot_id = world.add_slot(world.at(9))
    (winner,) = await doors.race([booking(world, slot_id)])
    shot = booking(world, slot_id, idempotency_key="k-1")
    (refused,) = await doors.race([shot])
    cancelled = f"/v1/visits/{winner.json()['id']}/cancel"
    await doors.race([Shot(path=cancelled, headers=headers(world.staff))])

    (again,) = await doors.race([shot])
    (anew,) = await doors.race([booking(world, slot_id, idempotency_key="k-2")])

    assert (refused.status_code, refused.json()["error"]) == (409, "slot_unavailable")
    assert again.status_code == 409
    same = {name: value for name, value in refused.json().items() if name != "request_id"}
    assert {name: value for name, value in again.json().items() if name != "request_id"} == same
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in refused.headers
    assert anew.status_code == 201


async def test_sixteen_twins_of_a_refusal_all_hear_the_same(doors: Doors, world: World) -> None:
    slot_id = world.add_slot(world.at(9))
    await doors.race([booking(world, slot_id)])

    answers = await doors.race([booking(world, slot_id, idempotency_key="k-1")] * 16)

    assert {(a.status_code, a.json()["error"]) for a in answers} == {(409, "slot_unavailable")}
    assert replays(answers) == 15
    assert count(world, "idempotency") == 1


async def test_a_key_belongs_to_its_caller_and_its_route(doors: Doors, world: World) -> None:
    mine, theirs = world.add_slot(world.at(9)), world.add_slot(world.at(10))
    offer = Shot(
        path="/v1/providers/prv_kim/slots",
        headers=headers(world.staff, idempotency_key="k-1"),
        body={
            "brand_id": "loop",
            "start_time": world.at(20).isoformat(),
            "end_time": world.at(21).isoformat(),
        },
    )

    answers = await doors.race(
        [
            booking(world, mine, idempotency_key="k-1"),
            booking(world, theirs, token=world.patient, idempotency_key="k-1"),
            offer,
        ]
    )

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert replays(answers) == 0
