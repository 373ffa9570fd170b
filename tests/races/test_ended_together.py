"""What meets in one statement is judged each by its own terms and rules."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from at_once import Doors, Shot
from books import add_patients, add_provider, is_whole
from world import LOOP, World, headers

CALLERS = 24
SOON = timedelta(hours=5)


async def add_type(doors: Doors, world: World, visit_type: str, **terms: int) -> None:
    body = {"brand_id": LOOP, "id": visit_type, "name": "A visit", "duration_minutes": 30, **terms}
    shot = Shot(path="/v1/visit-types", headers=headers(world.admin), body=body)
    (answer,) = await doors.race([shot])
    assert answer.status_code == 201, answer.text


def slots_of(world: World) -> list[str]:
    """A slot that begins soon for each of so many providers."""
    at = (datetime.now(UTC) + SOON).replace(microsecond=0)
    return [
        world.add_slot(at, provider_id=add_provider(world, f"prv_{number}"))
        for number in range(CALLERS)
    ]


def change(world: World, visit: httpx.Response, verb: str, **body: str) -> Shot:
    path = f"/v1/visits/{visit.json()['id']}/{verb}"
    return Shot(path=path, headers=headers(world.staff), body=body)


@pytest.mark.parametrize("doors", [1], indirect=True)
async def test_of_visits_cancelled_together_each_meets_its_own_limits(
    doors: Doors, world: World
) -> None:
    hour = 60
    await add_type(doors, world, "free")
    await add_type(doors, world, "late", cancel_late_minutes=24 * hour)
    await add_type(doors, world, "closed", cancel_cutoff_minutes=24 * hour)
    types = ["free", "late", "closed"] * (CALLERS // 3)
    patients = add_patients(world, CALLERS)
    visits = await doors.race(
        [
            Shot(
                path="/v1/visits",
                headers=headers(world.staff),
                body=world.book(slot, patient_id=patient, visit_type=visit_type),
            )
            for slot, patient, visit_type in zip(slots_of(world), patients, types, strict=True)
        ]
    )

    answers = await doors.race([change(world, visit, "cancel") for visit in visits])

    outcomes = {
        (visit_type, answer.status_code, answer.json().get("late_cancel"))
        for visit_type, answer in zip(types, answers, strict=True)
    }
    assert outcomes == {("free", 200, False), ("late", 200, True), ("closed", 412, None)}
    audited = world.sql(
        "SELECT details ->> 'late', count(*) FROM booking.audit"
        " WHERE event_type = 'visit.cancelled' GROUP BY 1 ORDER BY 1"
    )
    assert audited == [("false", CALLERS // 3), ("true", CALLERS // 3)]
    assert is_whole(world)


@pytest.mark.parametrize("doors", [1], indirect=True)
async def test_of_holds_confirmed_together_each_is_judged_by_itself(
    doors: Doors, world: World
) -> None:
    await add_type(doors, world, "follow_up")
    await add_type(doors, world, "intake", buffer_after_minutes=5)
    patients = add_patients(world, CALLERS)
    holds = await doors.race(
        [
            Shot(
                path=f"/v1/slots/{slot}/hold",
                headers=headers(world.staff),
                body={"patient_id": patient, "visit_type": "follow_up"},
            )
            for slot, patient in zip(slots_of(world), patients, strict=True)
        ]
    )
    # Every third provider takes the day off, and every third visit becomes another type.
    world.sql(
        "INSERT INTO booking.time_off (time_off_id, brand_id, provider_no, wall_from, wall_until,"
        " time_zone, starts_at, ends_at)"
        " SELECT 'off_' || provider_no, %s, provider_no, now()::timestamp, now()::timestamp"
        " + interval '1 day', 'UTC', now(), now() + interval '1 day' FROM booking.provider"
        " WHERE provider_id = ANY (%s)",
        LOOP,
        [f"prv_{number}" for number in range(0, CALLERS, 3)],
    )

    answers = await doors.race(
        [
            change(world, hold, "confirm", **({"visit_type": "intake"} if number % 3 == 1 else {}))
            for number, hold in enumerate(holds)
        ]
    )

    outcomes = {
        (number % 3, answer.status_code, answer.json().get("visit_type"))
        for number, answer in enumerate(answers)
    }
    assert outcomes == {(0, 409, None), (1, 200, "intake"), (2, 200, "follow_up")}
    booked = world.sql(
        "SELECT DISTINCT v.visit_type = t.visit_type FROM booking.visit AS v"
        " JOIN booking.visit_type AS t USING (terms_no) WHERE v.status = 'booked'"
    )
    assert booked == [(True,)], "each under the terms of its type"
    assert is_whole(world)
