"""Slots out of schedules: what the worker does, a provider at a time."""

from datetime import UTC, datetime, timedelta

import pytest

from bookwell.domain.callers import Call, operator
from bookwell.domain.wall_time import ZONE_DATA_VERSION
from bookwell.storage.database import Database
from bookwell.usecases.derivation import recall_freed_slots
from bookwell.usecases.rederivation import Moved, rederive
from bookwell.usecases.slots import delete_slot
from deriving import (
    HORIZON,
    add_schedule,
    cancel_all,
    change_hours,
    derive_all,
    make_due,
    offered,
    take,
)
from world import LOOP, LOOPBIO, World

NINE_TO_ELEVEN = ["09:00", "09:30", "10:00", "10:30"]


def live_slots(world: World) -> list[tuple[object, ...]]:
    return world.sql(
        "SELECT slot_id, starts_at, rule_id, visit_types FROM booking.slot"
        " WHERE deleted_at IS NULL ORDER BY starts_at, slot_id"
    )


def derivations(world: World) -> list[tuple[object, ...]]:
    return world.sql(
        "SELECT provider_id, due_at > booking.now(), zone_data"
        " FROM booking.derivation JOIN booking.provider USING (provider_no) ORDER BY 1"
    )


async def test_what_is_due_is_derived_for_every_brand_and_then_no_longer_due(
    world: World, database: Database
) -> None:
    add_schedule(world, "prv_kim")
    add_schedule(world, "prv_both", brand_id=LOOPBIO)

    assert await derive_all(database) == []

    assert offered(world, "prv_kim", day=world.day) == NINE_TO_ELEVEN
    assert offered(world, "prv_both", day=world.day) == NINE_TO_ELEVEN
    assert derivations(world) == [
        ("prv_both", True, ZONE_DATA_VERSION),
        ("prv_kim", True, ZONE_DATA_VERSION),
    ]


async def test_deriving_again_changes_no_slot(world: World, database: Database) -> None:
    add_schedule(world)
    await derive_all(database)
    before = live_slots(world)
    make_due(world)

    await derive_all(database)

    assert live_slots(world) == before


async def test_a_day_later_one_more_day_is_made_and_nothing_else_is_looked_at(
    world: World, database: Database
) -> None:
    add_schedule(world)
    await derive_all(database)
    before = live_slots(world)
    # Gone behind the service's back: whoever looked at all of the days would make it anew.
    world.sql("DELETE FROM booking.slot WHERE starts_at = %s", world.at(9.5))
    world.shift_clock(timedelta(days=1))

    await derive_all(database)

    assert len(live_slots(world)) == len(before) - 1 + len(NINE_TO_ELEVEN)
    assert offered(world, day=world.day) == ["09:00", "10:00", "10:30"]
    last = world.day + HORIZON - timedelta(days=1)
    assert offered(world, day=last) == NINE_TO_ELEVEN


async def test_after_a_long_sleep_all_days_up_to_the_horizon_are_made(
    world: World, database: Database
) -> None:
    add_schedule(world)
    await derive_all(database)
    world.shift_clock(timedelta(days=30))

    await derive_all(database)

    for number in range(6):
        assert offered(world, day=world.day + timedelta(days=30 + number)) == NINE_TO_ELEVEN


async def test_no_slot_is_made_that_has_begun(world: World, database: Database) -> None:
    add_schedule(world)
    world.shift_clock(world.at(9.75) - datetime.now(UTC))

    await derive_all(database)

    assert offered(world, day=world.day) == ["10:00", "10:30"]


@pytest.mark.parametrize("status", ["held", "booked", "checked_in"])
async def test_a_slot_with_a_live_visit_is_left_alone_and_goes_once_the_visit_does(
    world: World, database: Database, status: str
) -> None:
    schedule_id = add_schedule(world)
    await derive_all(database)
    slot_id = take(world, world.at(9), status=status)
    change_hours(world, schedule_id, "13:00", "14:00")

    await derive_all(database)
    await recall_freed_slots(database)
    await derive_all(database)

    assert offered(world, day=world.day) == ["09:00", "13:00", "13:30"]
    cancel_all(world)
    await recall_freed_slots(database)
    await derive_all(database)
    assert offered(world, day=world.day) == ["13:00", "13:30"]
    assert world.sql("SELECT is_withdrawn FROM booking.slot WHERE slot_id = %s", slot_id) == [
        (True,)
    ]


async def test_a_slot_whose_visit_is_of_the_past_is_withdrawn(
    world: World, database: Database
) -> None:
    schedule_id = add_schedule(world)
    await derive_all(database)
    take(world, world.at(9))
    cancel_all(world)
    change_hours(world, schedule_id, "13:00", "14:00")

    await derive_all(database)

    assert offered(world, day=world.day) == ["13:00", "13:30"]


async def test_a_taken_slot_gets_its_new_types_once_it_is_free(
    world: World, database: Database
) -> None:
    add_schedule(world)
    await derive_all(database)
    slot_id = take(world, world.at(9))
    world.add_visit_type("checkup", duration_minutes=30, grid_minutes=30)
    make_due(world)

    await derive_all(database)
    types = {str(slot): types for slot, _, _, types in live_slots(world)}
    assert types.pop(slot_id) == ["follow_up"]
    assert all(each == ["checkup", "follow_up"] for each in types.values())

    cancel_all(world)
    await recall_freed_slots(database)
    await derive_all(database)
    types = {str(slot): types for slot, _, _, types in live_slots(world)}
    assert types[slot_id] == ["checkup", "follow_up"]
    assert world.sql("SELECT slot_id FROM booking.slot WHERE is_withdrawn") == []


async def test_a_left_slot_that_is_offered_again_waits_for_nothing(
    world: World, database: Database
) -> None:
    schedule_id = add_schedule(world)
    await derive_all(database)
    slot_id = take(world, world.at(9))
    change_hours(world, schedule_id, "13:00", "14:00")
    await derive_all(database)
    change_hours(world, schedule_id, "09:00", "11:00")

    await derive_all(database)

    assert (
        world.sql("SELECT slot_id FROM booking.slot WHERE is_withdrawn AND deleted_at IS NULL")
        == []
    )
    assert slot_id in {slot for slot, *_ in live_slots(world)}


async def test_one_provider_who_cannot_be_derived_stops_nobody_and_is_tried_again_later(
    world: World, database: Database
) -> None:
    add_schedule(world, "prv_kim")
    add_schedule(world, "prv_both")
    world.sql("UPDATE booking.schedule SET rules = '[]' WHERE schedule_id = 'sch_prv_kim_loop'")

    failed = await derive_all(database)

    assert [due.provider_id for due in failed] == ["prv_kim"]
    assert offered(world, "prv_both", day=world.day) == NINE_TO_ELEVEN
    assert derivations(world) == [("prv_both", True, ZONE_DATA_VERSION), ("prv_kim", True, None)]
    # It is mended, and its turn comes.
    world.sql(
        "UPDATE booking.schedule SET rules = (SELECT rules FROM booking.schedule"
        " WHERE schedule_id = 'sch_prv_both_loop') WHERE schedule_id = 'sch_prv_kim_loop'"
    )
    world.shift_clock(timedelta(minutes=6))
    assert await derive_all(database) == []
    assert offered(world, "prv_kim", day=world.day) == NINE_TO_ELEVEN


def call_for(brand_id: str) -> Call:
    return Call(caller=operator("cli:tests"), brand_id=brand_id, request_id="req_rederive")


async def rederived(
    database: Database, *, is_trial: bool = False, also_current: bool = False
) -> list[Moved]:
    return [
        moved
        async for moved in rederive(
            database,
            call_for(LOOP),
            provider_id=None,
            also_current=also_current,
            is_trial=is_trial,
            horizon=HORIZON,
        )
    ]


def as_if_made_with_other_zone_data(world: World) -> None:
    """All that was derived an hour earlier than it would be today, and time off too."""
    world.sql("UPDATE booking.derivation SET zone_data = '2001a'")
    for table in ("slot", "visit", "time_off"):
        world.sql(
            f"UPDATE booking.{table} SET starts_at = starts_at - interval '1 hour',"  # noqa: S608 - our own names
            " ends_at = ends_at - interval '1 hour'"
        )


async def test_other_zone_data_move_slots_and_time_off_and_tell_the_visits_that_stay(
    world: World, database: Database
) -> None:
    add_schedule(world, time_zone="Europe/Berlin")
    world.sql(
        "INSERT INTO booking.time_off (time_off_id, brand_id, provider_no, wall_from, wall_until,"
        " time_zone, starts_at, ends_at) SELECT 'off_1', 'loop', provider_no, %s, %s, 'UTC', %s, %s"
        " FROM booking.provider WHERE provider_id = 'prv_kim'",
        world.at(0, days=2).replace(tzinfo=None),
        world.at(0, days=3).replace(tzinfo=None),
        world.at(0, days=2),
        world.at(0, days=3),
    )
    await derive_all(database)
    right = offered(world)
    ((first,),) = world.sql(
        "SELECT min(starts_at) FROM booking.slot WHERE starts_at > %s", world.day
    )
    assert isinstance(first, datetime)
    take(world, first)
    as_if_made_with_other_zone_data(world)

    looked = await rederived(database, is_trial=True)
    assert world.sql("SELECT starts_at FROM booking.time_off") == [(world.at(-1, days=2),)]
    (moved,) = await rederived(database)

    assert looked == [moved]
    assert moved.provider_id == "prv_kim"
    assert moved.time_off_moved == 1
    assert [visit.visit_id.startswith("vis_slt_") for visit in moved.visits] == [True]
    assert moved.slots_added > 0
    assert moved.slots_withdrawn > 0
    assert world.sql("SELECT starts_at FROM booking.time_off") == [(world.at(0, days=2),)]
    # The slot under the visit stays where it was, beside those of the right times.
    assert sorted(offered(world)) == sorted([*right, f"{first - timedelta(hours=1):%H:%M}"])
    assert await rederived(database) == []
    assert len(await rederived(database, also_current=True)) == 1


async def test_a_day_that_is_added_does_not_pass_for_new_zone_data(
    world: World, database: Database
) -> None:
    add_schedule(world)
    await derive_all(database)
    world.sql("UPDATE booking.derivation SET zone_data = '2001a'")
    world.shift_clock(timedelta(days=1))

    await derive_all(database)

    assert derivations(world) == [("prv_kim", True, "2001a")]


async def test_a_visit_type_may_be_any_words_of_a_clinic(world: World, database: Database) -> None:
    words = 'Erst, "kurz" {neu} \\N \\t Ärztin NULL'
    add_schedule(world)
    world.add_visit_type(words, duration_minutes=30, grid_minutes=30)

    await derive_all(database)
    make_due(world)
    await derive_all(database)

    assert all(types == [words, "follow_up"] for *_, types in live_slots(world))
    assert offered(world, day=world.day) == NINE_TO_ELEVEN


async def test_a_slot_posted_by_hand_stands_in_for_the_schedules_and_gives_the_time_back(
    world: World, database: Database
) -> None:
    by_hand = world.add_slot(world.at(9))
    add_schedule(world)
    await derive_all(database)
    assert offered(world, day=world.day) == NINE_TO_ELEVEN

    await delete_slot(database, call_for(LOOP), "prv_kim", by_hand)
    await derive_all(database)

    assert offered(world, day=world.day) == NINE_TO_ELEVEN
    assert world.sql("SELECT slot_id FROM booking.slot WHERE rule_id IS NULL") == [(by_hand,)]


async def test_a_slot_that_waits_for_its_visit_stays_away_once_a_person_took_it_back(
    world: World, database: Database
) -> None:
    schedule_id = add_schedule(world)
    await derive_all(database)
    slot_id = take(world, world.at(9))
    change_hours(world, schedule_id, "13:00", "14:00")
    await derive_all(database)
    cancel_all(world)

    await delete_slot(database, call_for(LOOP), "prv_kim", slot_id)
    change_hours(world, schedule_id, "09:00", "11:00")
    await derive_all(database)

    assert offered(world, day=world.day) == ["09:30", "10:00", "10:30"]
