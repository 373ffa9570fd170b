import asyncio
from collections import Counter

import httpx
import psycopg

from at_once import Doors, Shot
from books import add_office_hour, add_patients, count
from waiting import sessions_wait_for_locks
from world import LOOPBIO, World, headers


def seat(world: World, coach_id: str, patient_id: str, *, hour: int = 9, token: str = "") -> Shot:
    return Shot(
        path=f"/v1/coaches/{coach_id}/bookings",
        headers=headers(token or world.staff),
        body={"slot_at": world.at(hour).isoformat(), "patient_id": patient_id},
    )


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def seats_taken(world: World) -> list[tuple[object, ...]]:
    return world.sql(
        "SELECT seats_taken, (SELECT count(*) FROM booking.office_hour_booking AS b"
        " WHERE b.office_hour_id = s.office_hour_id AND b.slot_at = s.starts_at"
        " AND b.status = 'booked') FROM booking.office_hour_session AS s WHERE seats_taken > 0"
    )


async def test_of_sixteen_patients_five_take_the_five_seats(doors: Doors, world: World) -> None:
    add_office_hour(world, "coach_jo", world.day, capacity=5)
    patients = add_patients(world, 16)

    answers = await doors.race([seat(world, "coach_jo", patient) for patient in patients])

    assert statuses(answers) == {201: 5, 409: 11}
    assert {a.json()["error"] for a in answers if a.status_code == 409} == {"slot_unavailable"}
    assert seats_taken(world) == [(5, 5)]
    tables = ("office_hour_booking", "event", "audit")
    assert [count(world, table) for table in tables] == [5, 5, 5]


async def test_one_patient_who_asks_sixteen_times_has_one_seat(doors: Doors, world: World) -> None:
    add_office_hour(world, "coach_jo", world.day, capacity=5)

    answers = await doors.race([seat(world, "coach_jo", "pat_ada")] * 16)

    assert statuses(answers) == {201: 1, 409: 15}
    assert seats_taken(world) == [(1, 1)]


async def test_the_coach_of_two_brands_never_sits_in_two_sessions_at_once(
    doors: Doors, world: World
) -> None:
    # At loop hours that begin at nine, at loopbio ninety minutes that begin at nine.
    add_office_hour(world, "coach_both", world.day, capacity=4)
    add_office_hour(
        world, "coach_both", world.day, brand_id=LOOPBIO, capacity=4, duration_minutes=90
    )
    own, foreign = add_patients(world, 4), add_patients(world, 4, LOOPBIO)
    shots = [
        shot
        for mine, theirs in zip(own, foreign, strict=True)
        for shot in (
            seat(world, "coach_both", mine, hour=10),
            seat(world, "coach_both", theirs, token=world.foreign_staff),
        )
    ]

    answers = await doors.race(shots)

    assert statuses(answers) == {201: 4, 409: 4}
    assert seats_taken(world) == [(4, 4)]
    winners = {a.json()["patient_id"] for a in answers if a.status_code == 201}
    assert winners in (set(own), set(foreign))


async def test_a_seat_that_is_given_back_is_taken_once(doors: Doors, world: World) -> None:
    add_office_hour(world, "coach_jo", world.day)
    first, *others = add_patients(world, 9)
    (booked,) = await doors.race([seat(world, "coach_jo", first)])
    give_back = Shot(
        method="DELETE",
        path=f"/v1/bookings/{booked.json()['id']}",
        headers=headers(world.staff),
    )

    freed, *answers = await doors.race(
        [give_back, *(seat(world, "coach_jo", patient) for patient in others)]
    )

    assert freed.status_code == 200
    won = statuses(answers)[201]
    assert won in (0, 1)
    assert statuses(answers)[409] == 8 - won
    assert seats_taken(world) == [(1, 1)] * won


async def test_who_gives_a_seat_back_and_takes_it_again_at_once_is_never_stuck(
    doors: Doors, world: World
) -> None:
    add_office_hour(world, "coach_jo", world.day, capacity=5)
    (booked,) = await doors.race([seat(world, "coach_jo", "pat_ada")])
    give_back = Shot(
        method="DELETE",
        path=f"/v1/bookings/{booked.json()['id']}",
        headers=headers(world.staff),
    )

    # The one who takes comes to the session's row first, then the one who gives back.
    with psycopg.connect(world.database_url) as session:
        session.execute("SELECT FROM booking.office_hour_session FOR UPDATE")
        taking = asyncio.ensure_future(doors.race([seat(world, "coach_jo", "pat_ada")]))
        await sessions_wait_for_locks(world, 1)
        giving = asyncio.ensure_future(doors.race([give_back]))
        await sessions_wait_for_locks(world, 2)
        session.rollback()
    (taken,), (given,) = await taking, await giving

    assert given.status_code == 200
    assert taken.status_code in (201, 409)
    left = 1 if taken.status_code == 201 else 0
    assert seats_taken(world) == [(1, 1)] * left
