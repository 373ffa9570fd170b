"""Reminders reach the message service, whatever it does, with one key for all tries of one."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bookwell.domain.callers import Call, operator
from bookwell.domain.reminders import Reminder, dedup_key
from bookwell.domain.visits import CANCEL, Change, Visit, Wanted
from bookwell.gateways.comms import Comms, Sent
from bookwell.storage.database import Database
from bookwell.storage.messages import Claimed
from bookwell.usecases.messages import ELSEWHERE, JITTER, send_due, wait_after
from bookwell.usecases.moves import reschedule_visit
from bookwell.usecases.reminder_rules import set_rule, set_time_zone
from bookwell.usecases.reminders import Planned, plan_of_visit, remind_brand
from bookwell.usecases.visit_changes import change_visit
from bookwell.usecases.visits import take_slot
from comms_service import CommsService
from waiting import until
from world import LOOP, World

CALL = Call(caller=operator("cli:tests"), brand_id=LOOP, request_id="req_messages")
REMINDER = Reminder(offset_minutes=60, channel="sms", template_key="visit_soon")
TOKEN = "comms-token"
# For a busy machine.
PATIENCE_SECONDS = 30.0


@pytest.fixture
async def hasty_comms(service: CommsService) -> AsyncIterator[Comms]:
    """For a service that hangs."""
    comms = Comms(url=service.url, token=TOKEN, timeout_seconds=0.5)
    yield comms
    await comms.close()


async def reminded(world: World, database: Database) -> Visit:
    """Ada's visit at noon, of which she was reminded at eleven; the message waits."""
    await set_rule(database, CALL, visit_type=None, wanted=[REMINDER])
    wanted = Wanted(
        patient_id="pat_ada", slot_id=world.add_slot(world.at(12)), visit_type="follow_up"
    )
    visit = await take_slot(database, CALL, wanted)
    clock_at(world, world.at(11.1))
    async with database.reading() as connection, connection.transaction():
        await remind_brand(connection, LOOP, with_messages=True)
    return visit


def clock_at(world: World, instant: datetime) -> None:
    world.shift_clock(instant - datetime.now(UTC))


async def send(database: Database, comms: Comms, refused: list[str] | None = None) -> None:
    def note(_: Claimed, code: str) -> None:
        assert refused is not None, code
        refused.append(code)

    await send_due(database, comms, timeout_seconds=PATIENCE_SECONDS, note=note)


async def message_of(database: Database, visit: Visit) -> Planned:
    """As the desk sees it."""
    plan = await plan_of_visit(database, CALL, visit.visit_id)
    return plan.reminders[-1]


def make_due(world: World) -> None:
    world.sql("UPDATE booking.message SET next_attempt_at = now() WHERE status = 'waiting'")


async def test_a_message_says_whom_in_which_words_and_nothing_else(
    world: World, database: Database, comms: Comms, service: CommsService
) -> None:
    visit = await reminded(world, database)

    await send(database, comms)
    await send(database, comms)

    (heard,) = service.heard
    key = dedup_key(visit.visit_id, visit.starts_at, 60)
    assert heard.body == {
        "channel": "sms",
        "template_key": "visit_soon",
        "brand_id": LOOP,
        "person_id": "pat_ada",
        "dedup_key": key,
    }
    assert (heard.idempotency_key, heard.authorization) == (key, f"Bearer {TOKEN}")
    sent = await message_of(database, visit)
    assert (sent.state, sent.message_status, sent.message_attempts) == ("sent", "sent", 1)


@pytest.mark.parametrize(
    ("illness", "cause"),
    [
        ("503 Away", "http_503"),
        ("408 Slow", "http_408"),
        ("425 Early", "http_425"),
        ("302 Elsewhere\r\nLocation: http://127.0.0.1/", "http_302"),
        ("reset", "connection"),
        ("hang", "timeout"),
    ],
)
async def test_what_may_pass_is_tried_again_with_the_same_key(
    world: World,
    database: Database,
    comms: Comms,
    hasty_comms: Comms,
    service: CommsService,
    illness: str,
    cause: str,
) -> None:
    visit = await reminded(world, database)
    service.ill = lambda _: illness

    await send(database, hasty_comms if illness == "hang" else comms)
    waiting = await message_of(database, visit)
    service.ill = lambda _: None
    make_due(world)
    await send(database, comms)

    assert (waiting.message_status, waiting.message_cause) == ("waiting", cause)
    assert waiting.message_next_attempt_at is not None
    assert [each.body["dedup_key"] for each in service.heard] == [*service.taken] * 2
    assert (await message_of(database, visit)).message_attempts == 2


async def test_retry_after_is_heeded(
    world: World, database: Database, comms: Comms, service: CommsService
) -> None:
    await reminded(world, database)
    service.ill = lambda _: "429 Slow\r\nRetry-After: 600"

    await send(database, comms)

    ((wait,),) = world.sql("SELECT next_attempt_at - pg_catalog.now() FROM booking.message")
    assert isinstance(wait, timedelta)
    assert timedelta(seconds=590) < wait <= timedelta(seconds=600 * (1 + JITTER))


async def test_a_refusal_is_final_and_told_by_its_code(
    world: World, database: Database, comms: Comms, service: CommsService
) -> None:
    visit = await reminded(world, database)
    service.ill = lambda _: "422 No such template"
    refused: list[str] = []

    await send(database, comms, refused)
    await send(database, comms, refused)

    assert refused == ["http_422"]
    assert len(service.heard) == 1
    failed = await message_of(database, visit)
    assert (failed.message_status, failed.message_cause) == ("failed", "http_422")


@pytest.mark.parametrize("end", ["cancelled", "moved", "begun", "quiet"])
async def test_what_is_no_longer_wanted_is_dropped_before_it_is_tried(
    world: World, database: Database, comms: Comms, service: CommsService, end: str
) -> None:
    visit = await reminded(world, database)
    if end == "cancelled":
        await change_visit(database, CALL, Change(visit_id=visit.visit_id, transition=CANCEL))
    if end == "moved":
        slot_id = world.add_slot(world.at(18))
        await reschedule_visit(database, CALL, visit.visit_id, new_slot_id=slot_id)
        clock_at(world, world.at(12.01))
    if end == "begun":
        clock_at(world, world.at(12.01))
    if end == "quiet":
        await set_time_zone(database, CALL, "pat_ada", "UTC")
        world.sql(
            "INSERT INTO booking.quiet_hours VALUES ('loop', '11:00', '13:00', true, now(), 2)"
        )

    await send(database, comms)

    assert service.heard == []
    causes = {
        "cancelled": "visit_cancelled",
        "moved": "visit_moved",
        "begun": "too_late",
        "quiet": "quiet_hours",
    }
    assert world.sql("SELECT status, cause, attempts FROM booking.message") == [
        ("dropped", causes[end], 0)
    ]


async def test_a_message_waits_for_its_visit_to_come_back(
    world: World, database: Database, comms: Comms, service: CommsService
) -> None:
    visit = await reminded(world, database)
    slot_id = world.add_slot(world.at(18))
    await reschedule_visit(database, CALL, visit.visit_id, new_slot_id=slot_id)

    await send(database, comms)
    ((status, cause, attempts, wait),) = world.sql(
        "SELECT status, cause, attempts, next_attempt_at - pg_catalog.now() FROM booking.message"
    )
    await reschedule_visit(database, CALL, visit.visit_id, new_slot_id=visit.slot_id)
    make_due(world)
    await send(database, comms)

    assert (status, cause, attempts) == ("waiting", "visit_moved", 0)
    assert isinstance(wait, timedelta)
    assert timedelta(0) < wait <= ELSEWHERE
    assert service.taken == {dedup_key(visit.visit_id, visit.starts_at, 60): 1}


@pytest.mark.parametrize("comes_back", [True, False])
@pytest.mark.parametrize(
    ("illness", "status", "tries_after"),
    [
        (None, "sent", 0),
        ("422 No", "failed", 0),
        ("503 Away", "waiting", 1),
        ("reset", "waiting", 1),
    ],
)
async def test_a_visit_may_move_while_its_message_is_on_its_way(
    world: World,
    database: Database,
    comms: Comms,
    service: CommsService,
    *,
    illness: str | None,
    status: str,
    tries_after: int,
    comes_back: bool,
) -> None:
    visit = await reminded(world, database)
    service.ill = lambda _: illness
    service.may_answer.clear()
    sending = asyncio.create_task(send(database, comms, []))
    await until(lambda: bool(service.heard), seconds=PATIENCE_SECONDS)
    slot_id = world.add_slot(world.at(18))
    await reschedule_visit(database, CALL, visit.visit_id, new_slot_id=slot_id)
    service.may_answer.set()
    await sending
    assert world.sql("SELECT status FROM booking.message") == [(status,)]

    service.ill = lambda _: None
    if comes_back:
        await reschedule_visit(database, CALL, visit.visit_id, new_slot_id=visit.slot_id)
    for _ in range(2):
        make_due(world)
        await send(database, comms)

    assert len(service.heard) == 1 + (tries_after if comes_back else 0)
    assert len({each.body["dedup_key"] for each in service.heard}) == 1


async def test_what_was_taken_is_not_tried_again_because_its_lease_was_over(
    world: World, database: Database, comms: Comms, service: CommsService
) -> None:
    """The first worker is slow to hear of it, so a second one tries meanwhile, in vain."""
    visit = await reminded(world, database)
    service.ill = lambda heard: None if heard is service.heard[0] else "503 Away"
    service.may_answer.clear()
    first = asyncio.create_task(send(database, comms))
    await until(lambda: len(service.heard) == 1, seconds=PATIENCE_SECONDS)
    world.sql("UPDATE booking.message SET leased_until = now()")
    second = asyncio.create_task(send(database, comms))
    await until(lambda: len(service.heard) == 2, seconds=PATIENCE_SECONDS)
    service.may_answer.set()
    await asyncio.gather(first, second)

    make_due(world)
    await send(database, comms)

    assert len(service.heard) == 2
    assert (await message_of(database, visit)).message_status == "sent"


async def test_workers_that_send_at_once_try_each_message_once(
    world: World, database: Database, comms: Comms, service: CommsService
) -> None:
    await reminded(world, database)

    await asyncio.gather(*(send(database, comms) for _ in range(6)))

    assert sorted(service.taken.values()) == [1]


async def test_a_message_whose_worker_died_is_free_again_when_its_lease_ends(
    world: World, database: Database, comms: Comms, service: CommsService
) -> None:
    await reminded(world, database)
    world.sql("UPDATE booking.message SET attempts = 1, leased_until = now() + interval '1 minute'")
    await send(database, comms)
    assert service.heard == [], "somebody has it"

    world.sql("UPDATE booking.message SET leased_until = now()")
    await send(database, comms)

    assert sorted(service.taken.values()) == [1]


def test_waits_double_to_a_minute_and_are_never_shorter_than_asked_for() -> None:
    waits = [wait_after(attempts, Sent("timeout")).total_seconds() for attempts in range(1, 30)]
    asked = wait_after(1, Sent("http_429", retry_after=30.0)).total_seconds()
    forever = wait_after(1, Sent("http_503", retry_after=1e9)).total_seconds()

    for wait, least in zip(waits, [1, 2, 4, 8, 16, 32, *[60] * 23], strict=True):
        assert least <= wait <= least * (1 + JITTER)
    assert 30 <= asked <= 30 * (1 + JITTER)
    assert forever <= 3600 * (1 + JITTER)
