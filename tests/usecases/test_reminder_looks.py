"""Looks for due reminders find each once, whoever looks and whatever happens meanwhile."""

import asyncio
from datetime import time, timedelta

import pytest

from books import count, is_whole
from bookwell.domain.visits import CANCEL, Change
from bookwell.storage import reminding
from bookwell.storage.database import Database
from bookwell.usecases import reminders as reminders_of_visits
from bookwell.usecases.moves import reschedule_visit
from bookwell.usecases.reminder_rules import delete_rule, set_quiet_hours, set_rule
from bookwell.usecases.reminders import LOOK_THROUGH_EVERY, remind_brand, remind_due
from bookwell.usecases.visit_changes import change_visit
from reminded import CALL, HOUR, book, clock_at, look, rule, told
from world import LOOP, World

# Longer than most looks look back.
MISSED = timedelta(minutes=20)


async def test_one_transaction_settles_so_many_and_no_more(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders_of_visits, "SETTLED_AT_ONCE", 3)
    await rule(database, HOUR, 55, 50)
    for minutes in range(4):
        await book(database, world.add_slot(world.at(12) + timedelta(minutes=minutes), minutes=1))
    clock_at(world, world.at(11.25))

    settled, is_through = [0], False
    while not is_through:
        async with database.reading() as connection, connection.transaction():
            is_through = await remind_brand(connection, LOOP, with_messages=False)
        settled.append(count(world, "reminder"))

    assert [each - settled[number] for number, each in enumerate(settled[1:])] == [3, 3, 3, 3, 0]


async def test_workers_that_look_at_once_send_each_once(world: World, database: Database) -> None:
    await rule(database, HOUR, 55)
    visits = [
        await book(database, world.add_slot(world.at(12) + timedelta(minutes=n), minutes=1))
        for n in range(15)
    ]
    clock_at(world, world.at(11.45))

    await asyncio.gather(*(look(database) for _ in range(6)))
    await look(database)

    for visit in visits:
        assert [offset for _, _, offset in told(world, visit)] == [55]
    assert is_whole(world)


async def test_a_visit_that_somebody_is_changing_is_left_for_the_next_look(
    world: World, database: Database
) -> None:
    await rule(database, HOUR)
    visit = await book(database, world.add_slot(world.at(12)))
    clock_at(world, world.at(11.25))
    async with database.reading() as connection, connection.transaction():
        await connection.execute(
            "SELECT FROM booking.visit WHERE visit_id = $1 FOR NO KEY UPDATE", visit.visit_id
        )
        await look(database)
        assert told(world, visit) == []

    await look(database)

    assert told(world, visit) == [(2, world.at(12), HOUR)]


async def test_who_looked_before_a_change_sends_nothing_after_it(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the writing, the visit is cancelled, or moves, or another is quicker."""
    await rule(database, HOUR)
    starts = [world.at(12 + n / 10) for n in range(3)]
    visits = [await book(database, world.add_slot(at, minutes=5)) for at in starts]
    has_looked, may_write = asyncio.Event(), asyncio.Event()
    settle = reminding.settle

    async def settle_later(*given: object, **named: object) -> list[str]:
        has_looked.set()
        await may_write.wait()
        return await settle(*given, **named)  # type: ignore[arg-type]  # as given

    clock_at(world, world.at(11.3))
    monkeypatch.setattr(reminding, "settle", settle_later)
    slow = asyncio.ensure_future(look(database))
    await has_looked.wait()
    monkeypatch.setattr(reminding, "settle", settle)
    await change_visit(database, CALL, Change(visit_id=visits[0].visit_id, transition=CANCEL))
    new_slot_id = world.add_slot(world.at(20))
    await reschedule_visit(database, CALL, visits[1].visit_id, new_slot_id=new_slot_id)
    await look(database)
    may_write.set()
    await slow

    assert [len(told(world, visit)) for visit in visits] == [0, 0, 1]
    assert is_whole(world)


async def turn_of(database: Database, *, looked: bool = False) -> bool:
    """Whether the brand's visits are looked through next; `looked`: then they were."""
    async with database.reading() as connection, connection.transaction():
        turn = await reminding.next_brand(
            connection, every=timedelta(0), through_every=LOOK_THROUGH_EVERY
        )
        assert turn is not None
        assert turn.brand_id == LOOP
        if looked:
            await reminding.note_look(connection, LOOP, is_deep=turn.is_deep)
        return turn.is_deep


async def test_visits_are_looked_through_now_and_then_and_after_each_change_of_what_is_said(
    world: World, database: Database
) -> None:
    """Most looks are for what has just come due."""
    clock_at(world, world.at(8))
    await rule(database, HOUR)
    assert [await turn_of(database, looked=True) for _ in range(3)] == [True, False, False]

    clock_at(world, world.at(8) + LOOK_THROUGH_EVERY / 2)
    assert not await turn_of(database)
    clock_at(world, world.at(8) + LOOK_THROUGH_EVERY * 1.5)
    assert await turn_of(database, looked=True)
    clock_at(world, world.at(7))
    assert await turn_of(database, looked=True), "a clock that was put back"

    own = await set_rule(database, CALL, visit_type="follow_up", wanted=[])
    assert await turn_of(database, looked=True)
    await delete_rule(database, CALL, own.rule_id)
    assert await turn_of(database, looked=True)
    await set_quiet_hours(database, CALL, wall_from=time(21), wall_until=time(8), is_on=True)
    assert await turn_of(database, looked=True)
    assert not await turn_of(database)


async def test_a_look_that_fails_leaves_all_visits_to_be_looked_through(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rule(database, HOUR)
    visit = await book(database, world.add_slot(world.at(12)))
    clock_at(world, world.at(11.25))
    settle = reminding.settle

    async def fail(*_: object, **__: object) -> list[str]:
        raise RuntimeError

    monkeypatch.setattr(reminding, "settle", fail)
    with pytest.raises(RuntimeError):
        await remind_due(database, with_messages=False)
    monkeypatch.setattr(reminding, "settle", settle)
    world.sql("UPDATE booking.reminder_look SET looked_at = '-infinity'")
    await remind_due(database, with_messages=False)

    assert told(world, visit) == [(2, world.at(12), HOUR)]


async def test_what_came_due_long_ago_waits_for_all_visits_to_be_looked_through(
    world: World, database: Database
) -> None:
    await rule(database, HOUR)
    late = await book(database, world.add_slot(world.at(12)))
    clock_at(world, world.at(10.9))
    slot_id = world.add_slot(world.at(12) + MISSED, provider_id="prv_both")
    just_then = await book(database, slot_id, "pat_bob")
    clock_at(world, world.at(11) + MISSED)

    await look(database, is_deep=False)
    assert (told(world, late), len(told(world, just_then))) == ([], 1)
    await look(database)

    assert told(world, late) == [(2, world.at(12), HOUR)]


async def test_looks_for_what_has_just_come_due_find_whatever_is_booked_between_them(
    world: World, database: Database
) -> None:
    """Also what was due a little before it was booked."""
    await rule(database, HOUR)
    for minutes in range(0, 20, 5):
        clock_at(world, world.at(11) + timedelta(minutes=minutes, seconds=5))
        await look(database, is_deep=False)
        for number, provider_id in ((4, "prv_kim"), (0, "prv_both")):
            starts_at = world.at(12) + timedelta(minutes=minutes - number)
            slot_id = world.add_slot(starts_at, minutes=1, provider_id=provider_id)
            await book(database, slot_id, "pat_bob")
    clock_at(world, world.at(11.25) + timedelta(seconds=15))
    await look(database, is_deep=False)

    ((booked, reminded),) = world.sql(
        "SELECT count(DISTINCT entity_id), count(*) FILTER (WHERE event_type ="
        " 'booking.visit.reminder_due.v1') FROM booking.event WHERE event_type ~ 'visit'"
    )
    assert (booked, reminded) == (8, 8)
