"""Reminders are sent once for each visit, start and offset, whoever looks and whatever happens."""

from datetime import datetime, timedelta

import pytest

from books import is_whole
from bookwell.domain.errors import VersionMismatch
from bookwell.domain.holds import HoldTerms
from bookwell.domain.visits import CANCEL, CONFIRM, Change, Wanted
from bookwell.storage.database import Database
from bookwell.usecases.moves import reschedule_visit
from bookwell.usecases.reminder_rules import delete_rule, set_rule, set_time_zone
from bookwell.usecases.reminders import plan_of_visit
from bookwell.usecases.visit_changes import change_visit
from bookwell.usecases.visits import take_slot
from reminded import CALL, DAY, HOUR, WEEK, book, clock_at, look, rule, skipped, told
from world import World


async def test_each_reminder_is_told_once_when_its_time_has_come(
    world: World, database: Database
) -> None:
    await rule(database, WEEK, DAY, HOUR)
    starts_at = world.at(12, days=20)
    visit = await book(database, world.add_slot(starts_at))

    for minutes in (WEEK + 5, WEEK - 1, DAY + 5, DAY - 1, HOUR + 5, HOUR - 1, -10):
        clock_at(world, starts_at - timedelta(minutes=minutes))
        await look(database)
        await look(database)

    assert told(world, visit) == [(2, starts_at, WEEK), (3, starts_at, DAY), (4, starts_at, HOUR)]
    assert is_whole(world)


async def test_a_reminder_counts_as_a_change_and_leaves_updated_at(
    world: World, database: Database
) -> None:
    await rule(database, HOUR)
    visit = await book(database, world.add_slot(world.at(12)))
    clock_at(world, world.at(11, days=0) + timedelta(seconds=1))

    await look(database)

    ((version, updated_at),) = world.sql(
        "SELECT version, updated_at FROM booking.visit WHERE visit_id = %s", visit.visit_id
    )
    assert (version, updated_at) == (2, visit.updated_at)
    cancel = Change(visit_id=visit.visit_id, transition=CANCEL, versions=[1])
    with pytest.raises(VersionMismatch) as refused:
        await change_visit(database, CALL, cancel)
    assert refused.value.facts["version"] == 2


async def test_a_visit_that_moved_is_reminded_of_its_new_start(
    world: World, database: Database
) -> None:
    await rule(database, HOUR)
    first, second = world.at(12), world.at(15)
    visit = await book(database, world.add_slot(first))
    clock_at(world, first - timedelta(minutes=59))
    await look(database)

    await reschedule_visit(database, CALL, visit.visit_id, new_slot_id=world.add_slot(second))
    await look(database)
    clock_at(world, second - timedelta(minutes=59))
    await look(database)

    assert told(world, visit) == [(2, first, HOUR), (4, second, HOUR)]
    plan = await plan_of_visit(database, CALL, visit.visit_id)
    assert [each.starts_at for each in plan.reminders] == [second, first]
    assert is_whole(world)


async def test_a_cancelled_visit_is_reminded_of_nothing(world: World, database: Database) -> None:
    await rule(database, HOUR)
    visit = await book(database, world.add_slot(world.at(12)))
    await change_visit(database, CALL, Change(visit_id=visit.visit_id, transition=CANCEL))
    clock_at(world, world.at(11.45))

    await look(database)

    assert told(world, visit) == []


async def test_of_several_that_are_due_only_the_nearest_is_sent(
    world: World, database: Database
) -> None:
    await rule(database, HOUR, 70, 80)
    visit = await book(database, world.add_slot(world.at(12)))
    clock_at(world, world.at(11) + timedelta(minutes=1))

    await look(database)

    assert told(world, visit) == [(2, world.at(12), HOUR)]
    assert skipped(world, visit) == [(70, "superseded"), (80, "superseded")]


async def test_what_was_due_before_the_visit_was_booked_is_not_sent_but_for_a_moment(
    world: World, database: Database
) -> None:
    await rule(database, HOUR, DAY)
    starts_at = world.at(12, days=3)
    clock_at(world, starts_at - timedelta(minutes=40))
    late = await book(database, world.add_slot(starts_at))
    clock_at(world, starts_at - timedelta(minutes=HOUR - 3))
    just_then = await book(database, world.add_slot(starts_at, provider_id="prv_both"), "pat_bob")

    await look(database)

    assert told(world, late) == []
    assert told(world, just_then) == [(2, starts_at, HOUR)]
    plan = await plan_of_visit(database, CALL, late.visit_id)
    assert [(each.offset_minutes, each.because) for each in plan.reminders] == [
        (DAY, "booked_later"),
        (HOUR, "booked_later"),
    ]


@pytest.mark.parametrize(("minutes", "reminders_told"), [(3, 1), (8, 0)])
async def test_a_held_visit_is_booked_when_it_is_confirmed(
    world: World, database: Database, minutes: int, reminders_told: int
) -> None:
    """Until then it has no reminders, and then it is as if it had been booked at that moment."""
    await rule(database, HOUR)
    clock_at(world, world.at(10.75))
    held = await take_slot(
        database,
        CALL,
        Wanted(
            patient_id="pat_ada",
            slot_id=world.add_slot(world.at(12)),
            visit_type="follow_up",
            terms=HoldTerms(length=timedelta(hours=1), holds_max=1),
        ),
    )
    clock_at(world, world.at(11) + timedelta(minutes=1))
    await look(database)
    assert told(world, held) == []

    clock_at(world, world.at(11) + timedelta(minutes=minutes))
    await change_visit(database, CALL, Change(visit_id=held.visit_id, transition=CONFIRM))
    await look(database)

    assert len(told(world, held)) == reminders_told
    assert is_whole(world)


async def test_a_new_rule_says_nothing_of_what_is_past(world: World, database: Database) -> None:
    visit = await book(database, world.add_slot(world.at(12)))
    clock_at(world, world.at(11) + timedelta(minutes=20))
    await rule(database, HOUR)

    await look(database)

    assert told(world, visit) == []
    assert skipped(world, visit) == [(HOUR, "rule_newer")]


async def test_a_rule_that_is_deleted_has_the_others_make_up_for_nothing(
    world: World, database: Database
) -> None:
    """A type that had no reminders has those of all types from now on."""
    await rule(database, HOUR)
    own = await set_rule(database, CALL, visit_type="follow_up", wanted=[])
    past = await book(database, world.add_slot(world.at(12)))
    to_come = await book(database, world.add_slot(world.at(13)), "pat_bob")
    clock_at(world, world.at(11) + timedelta(minutes=20))
    deleted = await delete_rule(database, CALL, own.rule_id)
    await look(database)
    clock_at(world, world.at(12) + timedelta(seconds=5))
    await look(database)

    assert (deleted, skipped(world, past)) == (own, [(HOUR, "rule_newer")])
    assert (told(world, past), told(world, to_come)) == ([], [(2, world.at(13), HOUR)])


async def test_after_an_outage_what_is_still_of_use_is_sent(
    world: World, database: Database
) -> None:
    await rule(database, HOUR, DAY)
    near = await book(database, world.add_slot(world.at(12, days=3)))
    far = await book(database, world.add_slot(world.at(16, days=3)), "pat_bob")

    # 45 minutes after the hour of the first: a quarter of its offset is left.
    clock_at(world, world.at(11.75, days=3))
    await look(database)

    assert told(world, near) == []
    assert told(world, far) == []
    clock_at(world, world.at(15.4, days=3))
    await look(database)
    assert told(world, far) == [(2, world.at(16, days=3), HOUR)]


async def test_a_type_with_a_rule_of_its_own_has_no_other(world: World, database: Database) -> None:
    await rule(database, HOUR)
    await rule(database, visit_type="follow_up")
    visit = await book(database, world.add_slot(world.at(12)))
    clock_at(world, world.at(11.45))

    await look(database)

    assert told(world, visit) == []


@pytest.mark.parametrize("is_deep", [True, False])
async def test_in_quiet_hours_nothing_leaves_and_nothing_is_lost(
    world: World, database: Database, *, is_deep: bool
) -> None:
    """A visit at seven in the morning is announced before the night."""
    await rule(database, HOUR, DAY)
    await set_time_zone(database, CALL, "pat_ada", "America/Bogota")
    world.sql("INSERT INTO booking.quiet_hours VALUES ('loop', '21:00', '08:00', true, now(), 2)")
    ((starts_at,),) = world.sql(
        "SELECT (%s::date + time '07:00') AT TIME ZONE 'America/Bogota'",
        world.at(0, days=5).date(),
    )
    assert isinstance(starts_at, datetime)
    visit = await book(database, world.add_slot(starts_at))
    evening = starts_at - timedelta(hours=10)  # nine o'clock

    seen = []
    for minutes in range(-60 * 15 + 1, 60 * 10, 5):
        clock_at(world, evening + timedelta(minutes=minutes))
        await look(database, is_deep=is_deep)
        seen.append((minutes, len(told(world, visit))))

    sent = [minutes for number, (minutes, count) in enumerate(seen) if count > seen[number - 1][1]]
    # The day's waits from seven until eight in the morning; the hour's leaves before nine.
    assert [each for _, _, each in told(world, visit)] == [DAY, HOUR]
    assert -13 * 60 <= sent[0] < -13 * 60 + 5
    assert -15 <= sent[1] < -10


async def test_another_provider_at_the_same_time_is_no_new_start(
    world: World, database: Database
) -> None:
    """Nobody was there when it came due, and a colleague has taken over meanwhile."""
    await rule(database, HOUR)
    visit = await book(database, world.add_slot(world.at(12)))
    clock_at(world, world.at(11.25))
    slot_id = world.add_slot(world.at(12), provider_id="prv_both")
    await reschedule_visit(database, CALL, visit.visit_id, new_slot_id=slot_id)

    plan = await plan_of_visit(database, CALL, visit.visit_id)
    await look(database)

    assert [each.state for each in plan.reminders] == ["due"]
    assert told(world, visit) == [(3, world.at(12), HOUR)]
