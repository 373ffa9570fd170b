"""Caps under races: counted behind locks, so no number of callers gets past them."""

from collections import Counter
from datetime import timedelta

import psycopg

from at_once import Doors, Shot
from books import add_patients, add_provider
from world import LOOP, World, headers

CALLERS = 24


def capped(world: World, **caps: int | str) -> None:
    """Give loop one visit type with these caps."""
    names = ", ".join(caps)
    values = ", ".join(f"%({name})s" for name in caps)
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO booking.terms (brand_id, digest, is_offered, duration_minutes,"  # noqa: S608 - our own names
            " buffer_before_minutes, buffer_after_minutes, grid_minutes, notice_minutes,"
            " horizon_days, modality, booked_by, licence_required, time_zone, patient_cap_period,"
            " cancel_late_minutes, cancel_cutoff_minutes, reschedule_late_minutes,"
            f" reschedule_cutoff_minutes, {names})"
            " VALUES ('loop', 'x', true, 30, 0, 0, 30, 0, 365, 'video', 'patient', false, 'UTC',"
            f" 'year', 0, 0, 0, 0, {values})",
            caps,
        )
    world.sql(
        "INSERT INTO booking.visit_type (brand_id, visit_type, name, terms_no)"
        " SELECT 'loop', 'follow_up', 'Follow-up', terms_no FROM booking.terms"
    )


def booking(world: World, slot_id: str, patient_id: str) -> Shot:
    return Shot(
        path="/v1/visits",
        headers=headers(world.staff),
        body=world.book(slot_id, patient_id=patient_id),
    )


def holding(world: World, slot_id: str, patient_id: str) -> Shot:
    return Shot(
        path=f"/v1/slots/{slot_id}/hold",
        headers=headers(world.staff),
        body={"patient_id": patient_id, "visit_type": "follow_up"},
    )


async def test_of_24_bookings_of_one_patient_with_24_providers_as_many_succeed_as_the_cap_allows(
    world: World, doors: Doors
) -> None:
    capped(world, patient_cap=3)
    providers = [add_provider(world, f"prv_{number}") for number in range(CALLERS)]
    slots = [world.add_slot(world.at(9), provider_id=one) for one in providers]

    answers = await doors.race([booking(world, slot, "pat_ada") for slot in slots])

    assert Counter(answer.status_code for answer in answers) == {201: 3, 409: CALLERS - 3}
    refusals = [answer.json() for answer in answers if answer.status_code == 409]
    assert {body["details"]["rule"] for body in refusals} == {"patient_cap"}


async def test_of_24_patients_as_many_are_booked_with_one_provider_as_a_day_allows(
    world: World, doors: Doors
) -> None:
    capped(world, provider_day_cap=5)
    patients = add_patients(world, CALLERS)
    day = world.at(0) + timedelta(days=1)
    slots = [world.add_slot(day + timedelta(minutes=30 * number)) for number in range(CALLERS)]

    answers = await doors.race(
        [booking(world, *pair) for pair in zip(slots, patients, strict=True)]
    )

    assert Counter(answer.status_code for answer in answers) == {201: 5, 409: CALLERS - 5}


async def test_holds_and_bookings_of_one_patient_together_keep_the_cap(
    world: World, doors: Doors
) -> None:
    capped(world, patient_cap=2)
    providers = [add_provider(world, f"prv_{number}") for number in range(CALLERS)]
    slots = [world.add_slot(world.at(9), provider_id=one) for one in providers]
    kinds = [booking, holding] * (CALLERS // 2)

    answers = await doors.race(
        [kind(world, slot, "pat_ada") for kind, slot in zip(kinds, slots, strict=True)]
    )

    assert Counter(answer.status_code for answer in answers) == {201: 2, 409: CALLERS - 2}
    ((live,),) = world.sql(
        "SELECT count(*) FROM booking.visit WHERE brand_id = %s AND status IN ('held', 'booked')",
        LOOP,
    )
    assert live == 2


async def test_two_bookings_back_to_back_cannot_eat_each_others_buffer(
    world: World, doors: Doors
) -> None:
    capped(world, provider_day_cap=1000)
    world.sql("ALTER TABLE booking.terms DISABLE TRIGGER terms_never_change")
    world.sql("UPDATE booking.terms SET buffer_after_minutes = 15, provider_day_cap = NULL")
    patients = add_patients(world, CALLERS)
    slots = [world.add_slot(world.at(0) + timedelta(minutes=30 * n)) for n in range(CALLERS)]

    answers = await doors.race(
        [booking(world, *pair) for pair in zip(slots, patients, strict=True)]
    )

    assert set(Counter(answer.status_code for answer in answers)) == {201, 409}
    ((pairs,),) = world.sql(
        "SELECT count(*) FROM booking.visit AS a JOIN booking.visit AS b"
        " ON a.starts_at < b.starts_at AND b.starts_at < a.ends_at + interval '15 minutes'"
    )
    assert pairs == 0
