"""The disruption desk while others book, cancel, move and hold; and two desks at once."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import psycopg
import pytest

from at_once import Doors, Shot
from books import (
    add_patients,
    add_provider,
    changes_audited,
    count,
    events_of,
    is_whole,
    overlapping_visits,
)
from clinic import said
from waiting import sessions_wait_for_locks
from world import LOOP, World, headers

OUT = (9, 14)


def as_staff(
    world: World, path: str, body: dict[str, Any] | None = None, method: str = "POST"
) -> Shot:
    return Shot(path=path, headers=headers(world.staff), body=body, method=method)


async def say(doors: Doors, shot: Shot, status: int) -> dict[str, Any]:
    (answer,) = await doors.race([shot])
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def booking(world: World, slot_id: str, patient_id: str = "pat_ada") -> Shot:
    return as_staff(world, "/v1/visits", world.book(slot_id, patient_id=patient_id))


def opening(world: World, provider_id: str = "prv_kim", day: int = 0, **more: object) -> Shot:
    first, last = (said(world.at(hours, days=day)) for hours in OUT)
    body = {"brand_id": LOOP, "from": first, "until": last, **more}
    return as_staff(world, f"/v1/providers/{provider_id}/disruptions", body)


def choosing(world: World, draft_id: str, visit_id: str, action: str, **more: object) -> Shot:
    path = f"/v1/disruptions/{draft_id}/choices/{visit_id}"
    return as_staff(world, path, {"action": action, **more}, method="PUT")


def committing(world: World, draft_id: str, **more: object) -> Shot:
    return as_staff(world, f"/v1/disruptions/{draft_id}/commit", more or None)


def locked(world: World, provider_id: str) -> psycopg.Connection[Any]:
    """A transaction that has the provider's lock until it is closed."""
    connection = psycopg.connect(world.database_url)
    connection.execute(
        "SELECT FROM booking.provider WHERE provider_id = %s FOR UPDATE", [provider_id]
    )
    return connection


async def one_after_the_other(
    doors: Doors, world: World, provider_id: str, shots: list[Shot]
) -> list[httpx.Response]:
    """Make the calls so that all wait for the provider, in this order, and then go on."""
    with locked(world, provider_id) as lock:
        waiting = []
        for number, shot in enumerate(shots):
            waiting.append(asyncio.create_task(doors.race([shot])))
            await sessions_wait_for_locks(world, number + 1)
        lock.rollback()
        return [answer for task in waiting for answer in await task]


async def test_of_a_commit_and_a_booking_in_its_time_the_first_wins(
    doors: Doors, world: World
) -> None:
    for day in range(6):
        slot_id = world.add_slot(world.at(10, days=day))
        draft = await say(doors, opening(world, day=day), 201)
        shots = [committing(world, draft["id"]), booking(world, slot_id)]

        answers = await one_after_the_other(
            doors, world, "prv_kim", shots if day % 2 else shots[::-1]
        )

        committed, booked = answers if day % 2 else answers[::-1]
        if day % 2:
            assert (committed.status_code, booked.status_code) == (200, 409)
            assert booked.json()["details"]["rule"] == "time_off"
        else:
            assert (committed.status_code, booked.status_code) == (409, 201)
            assert committed.json()["details"] == {"visits": [booked.json()["id"]]}
    assert is_whole(world)


async def test_bookings_in_the_time_and_a_commit_at_once_never_both_succeed(
    doors: Doors, world: World
) -> None:
    patients = add_patients(world, 10)
    for day in range(6):
        slots = [world.add_slot(world.at(9 + n / 2, days=day)) for n in range(10)]
        draft = await say(doors, opening(world, day=day), 201)
        bookings = [booking(world, *pair) for pair in zip(slots, patients, strict=True)]

        committed, *booked = await doors.race([committing(world, draft["id"]), *bookings])

        taken = [answer.json()["id"] for answer in booked if answer.status_code == 201]
        assert committed.status_code in (200, 409)
        if committed.status_code == 200:
            assert taken == []
        else:
            assert set(committed.json()["details"]["visits"]) <= set(taken)
    assert is_whole(world)


async def test_of_sixteen_commits_one_commits(doors: Doors, world: World) -> None:
    visit = await say(doors, booking(world, world.add_slot(world.at(9))), 201)
    draft = await say(doors, opening(world), 201)
    await say(doors, choosing(world, draft["id"], visit["id"], "cancel"), 200)

    answers = await doors.race([committing(world, draft["id"])] * 16)

    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 15}
    codes = {answer.json()["error"] for answer in answers if answer.status_code == 412}
    assert codes == {"disruption_not_open"}
    assert changes_audited(world, visit["id"]) == ["visit.created", "visit.cancelled"]
    assert count(world, "time_off") == 1
    assert is_whole(world)


async def test_a_disruption_is_committed_or_abandoned_but_never_both(
    doors: Doors, world: World
) -> None:
    other = add_provider(world, "prv_other")
    for day in range(6):
        visit = await say(doors, booking(world, world.add_slot(world.at(9, days=day))), 201)
        slot_id = world.add_slot(world.at(9, days=day), provider_id=other)
        draft = await say(doors, opening(world, day=day), 201)
        await say(doors, choosing(world, draft["id"], visit["id"], "move", slot_id=slot_id), 200)
        abandon = as_staff(world, f"/v1/disruptions/{draft['id']}/abandon")

        committed, abandoned = await doors.race([committing(world, draft["id"]), abandon])

        assert {committed.status_code, abandoned.status_code} == {200, 412}
        ((status, where),) = world.sql(
            "SELECT status, slot_id FROM booking.visit WHERE visit_id = %s", visit["id"]
        )
        assert status == "booked"
        assert (where == slot_id) == (committed.status_code == 200)
    assert world.sql("SELECT FROM booking.visit WHERE status = 'held'") == []
    assert is_whole(world)


async def test_a_hold_that_its_patient_confirmed_a_moment_before_is_not_released(
    doors: Doors, world: World
) -> None:
    other = add_provider(world, "prv_other")
    visit = await say(doors, booking(world, world.add_slot(world.at(9))), 201)
    draft = await say(doors, opening(world), 201)
    slot_id = world.add_slot(world.at(9), provider_id=other)
    choice = choosing(world, draft["id"], visit["id"], "move", slot_id=slot_id)
    hold_id = (await say(doors, choice, 200))["hold_id"]
    confirm = Shot(path=f"/v1/visits/{hold_id}/confirm", headers=headers(world.patient))
    abandon = as_staff(world, f"/v1/disruptions/{draft['id']}/abandon")

    answers = await one_after_the_other(doors, world, other, [confirm, abandon])

    assert [answer.status_code for answer in answers] == [200, 200]
    assert changes_audited(world, hold_id) == ["visit.held", "visit.confirmed"]
    assert is_whole(world)


async def test_a_slot_whose_hold_is_over_is_taken_once(doors: Doors, world: World) -> None:
    other = add_provider(world, "prv_other")
    for day in range(6):
        visit = await say(doors, booking(world, world.add_slot(world.at(9, days=day))), 201)
        slot_id = world.add_slot(world.at(9, days=day), provider_id=other)
        draft = await say(doors, opening(world, day=day), 201)
        await say(doors, choosing(world, draft["id"], visit["id"], "move", slot_id=slot_id), 200)
        world.sql("UPDATE booking.visit SET hold_expires_at = now() WHERE status = 'held'")

        committed, booked = await doors.race(
            [committing(world, draft["id"]), booking(world, slot_id, "pat_bob")]
        )

        assert (committed.status_code, booked.status_code) in {(200, 409), (409, 201)}
        if committed.status_code == 409:
            assert committed.json()["details"]["visit_id"] == visit["id"]
            assert events_of(world, visit["id"]) == [(1, "booking.visit.created.v1")]
    assert overlapping_visits(world) == []
    assert is_whole(world)


@pytest.mark.parametrize("action", ["cancel", "move", "leave"])
async def test_a_patient_who_cancels_meanwhile_has_cancelled(
    doors: Doors, world: World, action: str
) -> None:
    other = add_provider(world, "prv_other")
    for day in range(4):
        visit = await say(doors, booking(world, world.add_slot(world.at(9, days=day))), 201)
        slot_id = world.add_slot(world.at(9, days=day), provider_id=other)
        draft = await say(doors, opening(world, day=day), 201)
        more = {"slot_id": slot_id} if action == "move" else {}
        await say(doors, choosing(world, draft["id"], visit["id"], action, **more), 200)
        own = Shot(path=f"/v1/visits/{visit['id']}/cancel", headers=headers(world.patient))

        committed, cancelled = await doors.race([committing(world, draft["id"]), own])

        assert committed.status_code == 200, committed.text
        # Whoever was cancelled by the clinic a moment before hears that; all others have cancelled.
        outcome = committed.json()["visits"][0]["outcome"]
        expected = 412 if outcome == "cancelled" else 200
        assert cancelled.status_code == expected
        ((status,),) = world.sql(
            "SELECT status FROM booking.visit WHERE visit_id = %s", visit["id"]
        )
        assert status == "cancelled"
    assert world.sql("SELECT FROM booking.visit WHERE status = 'held'") == []
    assert is_whole(world)


async def test_two_providers_out_at_once_who_stand_in_for_each_other_never_deadlock(
    doors: Doors, world: World
) -> None:
    pair = [add_provider(world, "prv_a"), add_provider(world, "prv_b")]
    patients = add_patients(world, 8)
    for day in range(4):
        drafts = []
        for out, other in (pair, pair[::-1]):
            choices = []
            for n in range(4):
                old = world.add_slot(world.at(9 + n, days=day), provider_id=out)
                patient = patients[n if out == "prv_a" else n + 4]
                visit = await say(doors, booking(world, old, patient), 201)
                # After the other's time out, so that each can stand in for the other.
                new = world.add_slot(world.at(15 + n, days=day), provider_id=other)
                choices.append({"visit_id": visit["id"], "action": "move", "slot_id": new})
            drafts.append(await say(doors, opening(world, out, day, choices=choices), 201))

        answers = await doors.race([committing(world, draft["id"]) for draft in drafts])

        assert Counter(answer.status_code for answer in answers) == {200: 2}
    assert overlapping_visits(world) == []
    assert is_whole(world)


async def test_thirty_visits_go_at_once(doors: Doors, world: World) -> None:
    other = add_provider(world, "prv_other")
    patients = add_patients(world, 30)
    choices: list[dict[str, object]] = []
    for n, patient_id in enumerate(patients):
        old = world.add_slot(world.at(9 + n / 6), 10)
        visit = await say(doors, booking(world, old, patient_id), 201)
        new = world.add_slot(world.at(9 + n / 6), 10, provider_id=other)
        moves = {"action": "move", "slot_id": new}
        what = (moves, {"action": "cancel", "reason": "ill"}, {"action": "leave"})[n % 3]
        choices.append({"visit_id": visit["id"], **what})
    draft = await say(doors, opening(world, choices=choices), 201)
    # Whoever looks on sees all of it or nothing.
    reading = as_staff(world, f"/v1/disruptions/{draft['id']}", method="GET")

    committed, *seen = await doors.race([committing(world, draft["id"]), *[reading] * 7])

    assert committed.status_code == 200
    outcomes = Counter(visit["outcome"] for visit in committed.json()["visits"])
    assert outcomes == {"moved": 10, "cancelled": 10, "left": 10}
    for answer in seen:
        told = {visit["outcome"] is None for visit in answer.json()["visits"]}
        assert told == {answer.json()["status"] == "open"}
    statuses = world.sql(
        "SELECT status, count(*) FROM booking.visit WHERE visit_id = ANY (%s) GROUP BY 1 ORDER BY 1",
        [choice["visit_id"] for choice in choices],
    )
    assert statuses == [("booked", 20), ("cancelled", 10)]
    assert overlapping_visits(world) == []
    assert is_whole(world)


async def test_a_connection_that_breaks_in_the_middle_leaves_nothing_half_done(
    doors: Doors, world: World
) -> None:
    other = add_provider(world, "prv_other")
    first = await say(doors, booking(world, world.add_slot(world.at(9))), 201)
    second = await say(doors, booking(world, world.add_slot(world.at(10)), "pat_bob"), 201)
    slot_id = world.add_slot(world.at(9), provider_id=other)
    choices = [
        {"visit_id": first["id"], "action": "cancel"},
        {"visit_id": second["id"], "action": "move", "slot_id": slot_id},
    ]
    draft = await say(doors, opening(world, choices=choices), 201)
    before = [count(world, table) for table in ("event", "audit", "time_off")]

    # The journal comes last: everything else is written by then, and waits for this lock.
    with psycopg.connect(world.database_url) as lock:
        lock.execute("LOCK TABLE booking.audit IN ACCESS EXCLUSIVE MODE")
        task = asyncio.create_task(doors.race([committing(world, draft["id"])]))
        await sessions_wait_for_locks(world, 1)
        world.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
            " current_database() AND application_name = 'bookwell' AND wait_event_type = 'Lock'"
        )
        (answer,) = await task

    assert (answer.status_code, answer.json()["error"]) == (503, "database_unavailable")
    assert [count(world, table) for table in ("event", "audit", "time_off")] == before
    assert await say(doors, committing(world, draft["id"]), 200)
    assert is_whole(world)
