"""Reminders are sent once for each visit, start and offset, whoever looks and whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta

import pytest

from books import count, is_whole
from bookwell.domain.callers import Call, operator
from bookwell.domain.errors import VersionMismatch
from bookwell.domain.reminders import Reminder
from bookwell.domain.visits import CANCEL, Change, Visit, Wanted
from bookwell.storage import reminding
from bookwell.storage.database import Database
from bookwell.usecases import reminders as reminders_of_visits
from bookwell.usecases.moves import reschedule_visit
from bookwell.usecases.reminder_rules import (
    delete_rule,
    set_quiet_hours,
    set_rule,
    set_time_zone,
)
from bookwell.usecases.reminders import (
    LOOK_THROUGH_EVERY,
    plan_of_visit,
    remind_brand,
    remind_due,
)
from bookwell.usecases.visit_changes import change_visit
from bookwell.usecases.visits import take_slot
from world import LOOP, World

CALL = Call(caller=operator("cli:tests"), brand_id=LOOP, request_id="req_reminders")
WEEK, DAY, HOUR = 10_080, 1_440, 60
# Longer than most looks look back.
MISSED = timedelta(minutes=20)


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    database = await Database.connect(world.database_url, pool_size=8)
    yield database
    await database.close()


def reminders(*offsets: int) -> list[Reminder]:
    return [Reminder(offset_minutes=each, channel="sms", template_key="soon") for each in offsets]


async def rule(database: Database, *offsets: int, visit_type: str | None = None) -> None:
    await set_rule(database, CALL, visit_type=visit_type, wanted=reminders(*offsets))


async def book(database: Database, slot_id: str, patient_id: str = "pat_ada") -> Visit:
    wanted = Wanted(patient_id=patient_id, slot_id=slot_id, visit_type="follow_up")
    return await take_slot(database, CALL, wanted)


async def look(database: Database, *, is_deep: bool = True) -> None:
    """Look through the brand's visits, as a worker does whose turn it is."""
    async with database.reading() as connection, connection.transaction():
        while not await remind_brand(connection, LOOP, with_messages=False, is_deep=is_deep):
            pass


def clock_at(world: World, instant: datetime) -> None:
    world.shift_clock(instant - datetime.now(UTC))


def told(world: World, visit: Visit) -> list[tuple[object, ...]]:
    """The visit's reminders as others hear of them: version, start and offset."""
    return world.sql(
        "SELECT sequence, (data ->> 'slot_start')::timestamptz, (data ->> 'offset_minutes')::int"
        " FROM booking.event WHERE entity_id = %s"
        " AND event_type = 'booking.visit.reminder_due.v1' ORDER BY sequence",
        visit.visit_id,
    )


def skipped(world: World, visit: Visit) -> list[tuple[object, ...]]:
    return world.sql(
        "SELECT offset_minutes, skipped_because FROM booking.reminder"
        " WHERE visit_id = %s AND skipped_because IS NOT NULL ORDER BY offset_minutes",
        visit.visit_id,
    )


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
