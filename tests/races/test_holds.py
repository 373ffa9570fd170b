import itertools
from collections import Counter

import httpx
import pytest

from at_once import Doors, Shot
from books import (
    add_patients,
    add_provider,
    add_slots,
    changes_audited,
    count,
    events_of,
    is_whole,
    overlapping_visits,
)
from bookwell.settings import Settings
from waiting import until
from world import LOOPBIO, World, headers

HOLDS_MAX = Settings().holds_max
CONFIRMED = [(1, "booking.visit.held.v1"), (2, "booking.visit.created.v1")]
EXPIRED = [(1, "booking.visit.held.v1"), (2, "booking.visit.expired.v1")]


def holding(world: World, slot_id: str, patient_id: str = "pat_ada") -> Shot:
    return Shot(
        path=f"/v1/slots/{slot_id}/hold",
        headers=headers(world.staff),
        body={"patient_id": patient_id},
    )


def booking(world: World, slot_id: str, patient_id: str = "pat_ada", **more: str) -> Shot:
    return Shot(
        path="/v1/visits",
        headers=headers(world.staff),
        body=world.book(slot_id, patient_id=patient_id, **more),
    )


def change(world: World, visit_id: str, verb: str) -> Shot:
    return Shot(path=f"/v1/visits/{visit_id}/{verb}", headers=headers(world.staff))


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def held(doors: Doors, world: World, slots: list[str], patients: list[str]) -> list[str]:
    """The ids of visits that hold these slots for these patients."""
    pairs = zip(slots, patients, strict=True)
    answers = await doors.race([holding(world, *pair) for pair in pairs])
    assert statuses(answers) == {201: len(slots)}
    return [answer.json()["id"] for answer in answers]


def run_out(world: World, visits: list[str], *, in_ms: int = 0) -> None:
    """Let these holds end so many milliseconds from now."""
    world.sql(
        "UPDATE booking.visit SET hold_expires_at = now() + make_interval(secs => %s)"
        " WHERE visit_id = ANY (%s)",
        in_ms / 1000,
        visits,
    )


def written(world: World, visit_id: str) -> object:
    ((status,),) = world.sql("SELECT status FROM booking.visit WHERE visit_id = %s", visit_id)
    return status


async def all_are_written(world: World, visits: list[str]) -> None:
    """Return when the end of all these holds is written down."""
    await until(lambda: {written(world, visit_id) for visit_id in visits} == {"expired"})


@pytest.mark.parametrize("doors", [1, 2], ids=["one service", "two services"], indirect=True)
async def test_of_64_who_hold_or_book_one_slot_one_has_it(doors: Doors, world: World) -> None:
    slot_id, patients = world.add_slot(world.at(9)), add_patients(world, 64)
    shots = [
        (holding if number % 2 else booking)(world, slot_id, patient_id)
        for number, patient_id in enumerate(patients)
    ]

    answers = await doors.race(shots)

    assert statuses(answers) == {201: 1, 409: 63}
    for lost in (answer.json() for answer in answers if answer.status_code == 409):
        assert (lost["error"], lost["details"]) == (
            "slot_unavailable",
            {"slot_id": slot_id, "nearest_slots": []},
        )
    assert [count(world, table) for table in ("visit", "event", "audit")] == [1, 1, 1]


async def test_a_provider_of_two_brands_is_held_or_booked_by_one_of_them(
    doors: Doors, world: World
) -> None:
    own = world.add_slot(world.at(9), 60, provider_id="prv_both")
    foreign = world.add_slot(world.at(9.5), 60, provider_id="prv_both", brand_id=LOOPBIO)
    body = world.book(foreign, brand_id=LOOPBIO, patient_id="pat_eve")
    theirs = Shot(path="/v1/visits", headers=headers(world.foreign_staff), body=body)

    answers = await doors.race([holding(world, own), theirs] * 8)

    assert statuses(answers) == {201: 1, 409: 15}
    assert overlapping_visits(world) == []


async def test_a_hold_that_runs_out_while_it_is_confirmed_is_booked_or_expired_and_never_both(
    doors: Doors, world: World
) -> None:
    for day in range(12):
        slot_id = world.add_slot(world.at(9, days=day))
        (visit_id,) = await held(doors, world, [slot_id], ["pat_ada"])
        ways = [change(world, visit_id, "confirm"), booking(world, slot_id, hold_id=visit_id)]
        shots = [*ways * 4, *[booking(world, slot_id, "pat_bob")] * 8]
        run_out(world, [visit_id], in_ms=15 * day)

        answers = await doors.race(shots)

        confirmed, booked = statuses(answers[:8]), statuses(answers[8:])
        if written(world, visit_id) == "booked":
            assert confirmed[200] + confirmed[201] == 1
            assert confirmed[412] == 7
            assert booked == {409: 8}
            assert events_of(world, visit_id) == CONFIRMED
        else:
            assert confirmed == {410: 8}
            assert booked[201] <= 1
            assert booked[409] == 8 - booked[201]
            await all_are_written(world, [visit_id])
            assert events_of(world, visit_id) == EXPIRED
    assert overlapping_visits(world) == []
    assert is_whole(world)


async def test_a_patient_who_holds_everything_at_once_holds_as_many_as_they_may(
    doors: Doors, world: World
) -> None:
    slots = [
        world.add_slot(world.at(9), provider_id=add_provider(world, f"prv_{number}"))
        for number in range(24)
    ]

    answers = await doors.race([holding(world, slot_id) for slot_id in slots])

    assert statuses(answers) == {201: HOLDS_MAX, 409: 24 - HOLDS_MAX}
    lost = [answer.json() for answer in answers if answer.status_code == 409]
    assert {answer["error"] for answer in lost} == {"too_many_holds"}
    assert lost[0]["details"] == {"holds_max": HOLDS_MAX}
    # And again while some are given back: one for each of those at most.
    held_ids = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    free = [s for s, answer in zip(slots, answers, strict=True) if answer.status_code == 409]
    verbs = itertools.cycle(("cancel", "confirm"))
    ends = [change(world, *each) for each in zip(held_ids, verbs, strict=False)]
    again = await doors.race([*ends, *(holding(world, slot_id) for slot_id in free)])
    assert statuses(again[: len(ends)]) == {200: HOLDS_MAX}
    won = statuses(again[len(ends) :])[201]
    assert won <= HOLDS_MAX
    live = "SELECT count(*) FROM booking.visit WHERE status = 'held'"
    assert world.sql(live) == [(won,)]
    assert is_whole(world)


async def test_of_64_who_come_to_a_past_hold_one_gets_its_time_and_its_end_is_written_once(
    doors: Doors, world: World
) -> None:
    slot_id, patients = world.add_slot(world.at(9)), add_patients(world, 64)
    (past,) = await held(doors, world, [slot_id], ["pat_ada"])
    run_out(world, [past])

    answers = await doors.race(
        [
            (holding if number % 2 else booking)(world, slot_id, patient_id)
            for number, patient_id in enumerate(patients)
        ]
    )

    assert statuses(answers) == {201: 1, 409: 63}
    assert events_of(world, past) == EXPIRED
    assert changes_audited(world, past) == ["visit.held", "visit.expired"]
    assert overlapping_visits(world) == []
    assert is_whole(world)


async def test_sweepers_and_bookers_who_meet_at_many_past_holds_end_each_once(
    doors: Doors, world: World
) -> None:
    slots, patients = add_slots(world, 48), add_patients(world, 48)
    past = await held(doors, world, slots, patients)
    shots = [booking(world, slot_id, "pat_bob") for slot_id in slots[:32]]
    run_out(world, past)

    answers = await doors.race(shots)
    await all_are_written(world, past)

    assert statuses(answers) == {201: 32}
    for visit_id in past:
        assert events_of(world, visit_id) == EXPIRED
        assert changes_audited(world, visit_id) == ["visit.held", "visit.expired"]
    assert is_whole(world)
