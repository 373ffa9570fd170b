"""Derivation against bookings and against itself: nothing withdrawn is booked, nothing is twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import psycopg
import pytest

from at_once import Doors, Shot
from books import add_provider, is_whole
from bookwell.storage.database import Database
from deriving import add_schedule, derive_all, offered
from scheduled import every_day, week
from waiting import sessions_wait_for_locks
from world import World, headers

NINE_TO_ELEVEN = ["09:00", "09:30", "10:00", "10:30"]


@pytest.fixture
async def databases(world: World) -> AsyncIterator[list[Database]]:
    """As two services have them."""
    opened = [await Database.connect(world.database_url, pool_size=8) for _ in range(2)]
    yield opened
    for database in opened:
        await database.close()


def twice_there(world: World) -> list[tuple[object, ...]]:
    return world.sql(
        "SELECT provider_no, starts_at, ends_at FROM booking.slot WHERE deleted_at IS NULL"
        " GROUP BY 1, 2, 3 HAVING count(*) > 1"
    )


def withdrawn_with_a_visit(world: World) -> list[tuple[object, ...]]:
    return world.sql(
        "SELECT v.visit_id FROM booking.visit AS v JOIN booking.slot AS s USING (slot_id)"
        " WHERE v.status IN ('held', 'booked', 'checked_in') AND s.deleted_at IS NOT NULL"
    )


async def test_two_who_derive_at_once_share_the_work_and_make_no_slot_twice(
    world: World, databases: list[Database]
) -> None:
    providers = [add_provider(world, f"prv_{n}") for n in range(12)]
    for provider_id in providers:
        add_schedule(world, provider_id)

    failed = await asyncio.gather(*(derive_all(database) for database in databases * 2))

    assert failed == [[], [], [], []]
    assert twice_there(world) == []
    for provider_id in providers:
        assert offered(world, provider_id, day=world.day) == NINE_TO_ELEVEN
    assert world.sql("SELECT 1 FROM booking.derivation WHERE due_at <= booking.now()") == []


async def test_of_bookings_and_a_change_of_the_week_either_is_told_and_no_visit_loses_its_slot(
    doors: Doors, world: World, databases: list[Database]
) -> None:
    """Each round the week moves away from under eight who book; some are first, some are not."""
    schedule_id = add_schedule(world)
    await derive_all(databases[0])
    path = f"/v1/providers/prv_kim/schedules/{schedule_id}"
    morning, noon = every_day("09:00", "11:00"), every_day("12:00", "14:00")
    seen: Counter[int] = Counter()
    for day in range(6):
        away = noon if day % 2 == 0 else morning
        slots = world.sql(
            "SELECT slot_id FROM booking.slot WHERE deleted_at IS NULL AND NOT is_withdrawn"
            " AND starts_at >= %s AND starts_at < %s",
            world.at(0, days=day),
            world.at(24, days=day),
        )
        bookings = [
            Shot(path="/v1/visits", headers=headers(world.staff), body=world.book(str(slot_id)))
            for (slot_id,) in slots * 2
        ]
        body = week(weekly=away, keep_visits=True)
        change = Shot(method="PUT", path=path, headers=headers(world.staff), body=body)
        shots = [*bookings[: day + 1], change, *bookings[day + 1 :]]

        answers = await doors.race(shots)

        seen.update(answer.status_code for answer in answers)
        assert withdrawn_with_a_visit(world) == []
        assert twice_there(world) == []
    assert set(seen) <= {200, 201, 404, 409}
    assert seen[200] == 6
    assert seen[201] > 0
    assert is_whole(world)


async def test_a_booking_that_waits_while_its_slot_is_withdrawn_is_told_that_it_is_gone(
    doors: Doors, world: World, databases: list[Database]
) -> None:
    add_schedule(world)
    await derive_all(databases[0])
    ((slot_id,),) = world.sql("SELECT slot_id FROM booking.slot WHERE starts_at = %s", world.at(9))
    booking = Shot(path="/v1/visits", headers=headers(world.staff), body=world.book(str(slot_id)))
    with psycopg.connect(world.database_url) as deriving:
        deriving.execute(
            "SELECT FROM booking.provider WHERE provider_id = 'prv_kim' FOR NO KEY UPDATE"
        )
        deriving.execute(
            "UPDATE booking.slot SET deleted_at = now(), is_withdrawn = true WHERE slot_id = %s",
            (slot_id,),
        )
        racing = asyncio.ensure_future(doors.race([booking]))
        await sessions_wait_for_locks(world, 1)
        deriving.commit()

    (answer,) = await racing

    assert (answer.status_code, answer.json()["error"]) == (409, "slot_unavailable")
    assert world.sql("SELECT visit_id FROM booking.visit") == []


async def test_what_comes_due_while_it_is_derived_is_derived_once_more(
    world: World, databases: list[Database]
) -> None:
    schedule_id = add_schedule(world)
    with psycopg.connect(world.database_url) as changing:
        # Not committed before the derivation has read the old week.
        changing.execute("UPDATE booking.derivation SET due_at = booking.now()")
        changing.execute(
            "UPDATE booking.schedule SET rules = replace(rules::text, '11:00', '10:00')::jsonb"
            " WHERE schedule_id = %s",
            (schedule_id,),
        )
        deriving = asyncio.ensure_future(derive_all(databases[0]))
        await sessions_wait_for_locks(world, 1)
        changing.commit()

    assert await deriving == []

    assert offered(world, day=world.day) == ["09:00", "09:30"]


async def test_a_derivation_that_is_cut_off_leaves_nothing_half_done(
    world: World, databases: list[Database]
) -> None:
    add_schedule(world)
    with psycopg.connect(world.database_url) as blocking:
        blocking.execute("SELECT FROM booking.derivation FOR UPDATE")
        deriving = asyncio.ensure_future(derive_all(databases[0]))
        await sessions_wait_for_locks(world, 1)
        world.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'bookwell' AND wait_event_type = 'Lock'"
        )
        # Putting it off waits for the same row.
        await sessions_wait_for_locks(world, 1)
        blocking.rollback()
    failed = await deriving

    assert [due.provider_id for due in failed] == ["prv_kim"]
    assert world.sql("SELECT slot_id FROM booking.slot") == []
    world.sql("UPDATE booking.derivation SET due_at = booking.now()")
    assert await derive_all(databases[1]) == []
    assert offered(world, day=world.day) == NINE_TO_ELEVEN
    assert twice_there(world) == []
