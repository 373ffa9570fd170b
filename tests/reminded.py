"""A brand that reminds its patients, as the tests of reminders see it."""

from datetime import UTC, datetime

from bookwell.domain.callers import Call, operator
from bookwell.domain.reminders import Reminder
from bookwell.domain.visits import Visit, Wanted
from bookwell.storage.database import Database
from bookwell.usecases.reminder_rules import set_rule
from bookwell.usecases.reminders import remind_brand
from bookwell.usecases.visits import take_slot
from world import LOOP, World

CALL = Call(caller=operator("cli:tests"), brand_id=LOOP, request_id="req_reminders")
WEEK, DAY, HOUR = 10_080, 1_440, 60


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
