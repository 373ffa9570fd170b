"""Reminders are forgotten so long after their start, and never while they keep one from repeating."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from bookwell import reminding
from bookwell.chores import Chores
from bookwell.domain.callers import Call, operator
from bookwell.domain.reminders import Reminder
from bookwell.domain.visits import Wanted
from bookwell.reminding import keep_reminders_short
from bookwell.storage import reminder_retention
from bookwell.storage.database import Database
from bookwell.storage.statements import STATEMENTS
from bookwell.usecases.moves import reschedule_visit
from bookwell.usecases.reminder_rules import set_rule
from bookwell.usecases.reminders import remind_brand
from bookwell.usecases.visits import take_slot
from plans import nodes_of, rows_read
from world import LOOP, LOOPBIO, World

CALL = Call(caller=operator("cli:tests"), brand_id=LOOP, request_id="req_retention")
DAYS = timedelta(days=90)
OLD, YOUNG = 91, 89
PATIENCE_SECONDS = 30

# 500 reminders that may go, among 20,000.
MANY = f"""
INSERT INTO booking.reminder (
    brand_id, visit_id, starts_at, offset_minutes, due_at, channel, template_key)
SELECT 'loop', 'vis_' || n, now() - CASE WHEN n % 40 = 0 THEN {OLD} ELSE {YOUNG} END
       * interval '1 day' - n * interval '1 second', 60, now(), 'sms', 'soon'
FROM generate_series(1, 20000) AS n;
INSERT INTO booking.message (brand_id, visit_id, starts_at, offset_minutes, status, settled_at)
SELECT brand_id, visit_id, starts_at, offset_minutes, 'sent', now() FROM booking.reminder;
"""  # noqa: S608 - our own numbers


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    database = await Database.connect(world.database_url, pool_size=4)
    yield database
    await database.close()


def settle(world: World, *days_ago: int, status: str = "sent", brand_id: str = LOOP) -> None:
    """A reminder with a message for each age of a start."""
    ((visit_id, _),) = world.sql(
        "WITH slot AS (INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)"
        " SELECT 'slt_' || gen_random_uuid(), %(brand)s, provider_no, now() + interval '1 day',"
        " now() + interval '25 hours' FROM booking.provider WHERE provider_id = 'prv_both'"
        " RETURNING *), patient AS (SELECT min(patient_id) AS patient_id FROM booking.patient"
        " WHERE brand_id = %(brand)s)"
        " INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id,"
        " starts_at, ends_at, status, visit_type)"
        " SELECT 'vis_' || slot_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at,"
        " 'completed', 'follow_up' FROM slot, patient"
        " RETURNING visit_id, brand_id".replace("%(brand)s", f"'{brand_id}'")
    )
    for age in days_ago:
        world.sql(
            "INSERT INTO booking.reminder (brand_id, visit_id, starts_at, offset_minutes, due_at,"
            " channel, template_key) SELECT %s, %s, now() - %s, 60, now(), 'sms', 'soon'",
            brand_id,
            visit_id,
            timedelta(days=age),
        )
    world.sql(
        "INSERT INTO booking.message (brand_id, visit_id, starts_at, offset_minutes, status,"
        " settled_at) SELECT brand_id, visit_id, starts_at, offset_minutes, %s,"
        " CASE WHEN %s <> 'waiting' THEN now() END FROM booking.reminder WHERE visit_id = %s",
        status,
        status,
        visit_id,
    )
    world.sql(
        "INSERT INTO booking.reminder_look (brand_id) VALUES (%s) ON CONFLICT DO NOTHING", brand_id
    )


def ages(world: World, table: str = "reminder", brand_id: str = LOOP) -> list[object]:
    """How many days ago the starts are of what is still there."""
    rows = world.sql(
        "SELECT extract(day FROM now() - starts_at)::integer FROM"  # noqa: S608 - our own names
        f" booking.{table} WHERE brand_id = %s ORDER BY 1",
        brand_id,
    )
    return [age for (age,) in rows]


async def sweep(database: Database, brand_id: str = LOOP, kept_for: timedelta = DAYS) -> int:
    async with database.reading() as connection:
        return await reminder_retention.sweep(connection, brand_id=brand_id, kept_for=kept_for)


@pytest.mark.parametrize("status", ["sent", "dropped", "failed", "waiting"])
async def test_what_is_long_past_goes_with_its_message_whatever_became_of_it(
    world: World, database: Database, status: str
) -> None:
    settle(world, OLD, OLD + 1, YOUNG, status=status)
    settle(world, OLD, brand_id=LOOPBIO)

    gone = await sweep(database)

    assert gone == 2
    assert ages(world) == ages(world, "message") == [YOUNG]
    assert ages(world, brand_id=LOOPBIO) == [OLD]


async def test_it_goes_oldest_first_in_steps_until_all_of_it_is_gone(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminder_retention, "SWEEP_ROWS_MAX", 2)
    settle(world, 100, 102, 101, YOUNG)

    steps = [await sweep(database)]
    left = ages(world)
    steps += [await sweep(database) for _ in range(2)]

    assert (steps, left, ages(world)) == ([2, 1, 0], [YOUNG, 100], [YOUNG])


async def test_while_one_worker_sweeps_another_does_nothing(
    world: World, database: Database
) -> None:
    settle(world, OLD)
    async with database.reading() as connection, connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('booking.sweep_reminders'))"
        )
        meanwhile = await sweep(database)

    assert (meanwhile, await sweep(database)) == (0, 1)


async def test_only_brands_with_something_too_old_are_looked_at(
    world: World, database: Database
) -> None:
    settle(world, YOUNG)
    settle(world, OLD, brand_id=LOOPBIO)

    async with database.reading() as connection:
        assert await reminder_retention.list_old(connection, kept_for=DAYS) == [LOOPBIO]


async def test_a_step_reads_what_goes_and_not_what_stays(world: World, database: Database) -> None:
    world.sql("SET session_replication_role = replica; " + MANY)
    world.sql("ANALYZE booking.reminder, booking.message")
    sweeping = STATEMENTS["sweep_reminders"]
    given = {"brand_id": LOOP, "kept_for": "90 days", "row_limit": 100}
    said = ", ".join(f"'{given[each]}'" for each in sweeping.parameters)

    async with database.reading() as connection, connection.transaction():
        await connection.execute(f"PREPARE sweeping AS {sweeping.sql}")
        told = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE sweeping ({said})"
        )
        await connection.execute("DEALLOCATE sweeping")

    nodes = list(nodes_of(json.loads(told)[0]["Plan"]))
    assert [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"] == []
    assert rows_read(nodes, "reminder") == 3 * 100, "found, read, and deleted"
    assert rows_read(nodes, "message") == 100
    assert ages(world).count(OLD) == 400


async def test_nothing_is_told_again_because_a_reminder_was_forgotten(
    world: World, database: Database
) -> None:
    """Even where nothing is kept, a start to come is remembered, also while its visit is away."""
    await set_rule(
        database,
        CALL,
        visit_type=None,
        wanted=[Reminder(offset_minutes=60, channel="sms", template_key="soon")],
    )
    wanted = Wanted(
        patient_id="pat_ada", slot_id=world.add_slot(world.at(12)), visit_type="follow_up"
    )
    visit = await take_slot(database, CALL, wanted)
    away = world.add_slot(world.at(18))
    for minute in (1, 2, 3):
        world.shift_clock(world.at(11) + timedelta(minutes=minute) - datetime.now(UTC))
        async with database.reading() as connection, connection.transaction():
            await remind_brand(connection, LOOP, with_messages=True)
        await reschedule_visit(database, CALL, visit.visit_id, new_slot_id=away)
        assert await sweep(database, kept_for=timedelta(0)) == 0
        await reschedule_visit(database, CALL, visit.visit_id, new_slot_id=visit.slot_id)

    world.shift_clock(world.at(12.01) - datetime.now(UTC))
    assert await sweep(database, kept_for=timedelta(0)) == 1
    async with database.reading() as connection, connection.transaction():
        await remind_brand(connection, LOOP, with_messages=True)

    ((told,),) = world.sql(
        "SELECT count(*) FROM booking.event WHERE event_type = 'booking.visit.reminder_due.v1'"
    )
    assert told == 1
    assert ages(world) == []


async def test_each_brands_reminders_are_forgotten_step_by_step(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminding, "FORGET_SECONDS", 0.01)
    monkeypatch.setattr(reminder_retention, "SWEEP_ROWS_MAX", 2)
    settle(world, OLD, OLD + 1, OLD + 2, YOUNG)
    settle(world, OLD, brand_id=LOOPBIO)

    async with AsyncExitStack() as stack:
        keep_reminders_short(Chores(stack), database, kept_for=DAYS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while ages(world) != [YOUNG] or ages(world, brand_id=LOOPBIO):
                await asyncio.sleep(0.02)
