"""Say when a brand's patients are reminded, and when they are left in peace."""

from collections.abc import Sequence
from datetime import time

from bookwell.domain.callers import Call
from bookwell.domain.errors import NotFound, VersionMismatch
from bookwell.domain.quiet_hours import QuietHours
from bookwell.domain.reminders import Reminder, ReminderRule, checked
from bookwell.domain.wall_time import zone_named
from bookwell.storage import catalog, journal, reminders
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.storage.reminders import PatientTimeZone
from bookwell.usecases.paging import Page


async def list_rules(
    database: Database, call: Call, *, after_id: str | None, limit: int
) -> Page[ReminderRule]:
    """A page of the brand's reminder rules, by id; NotFound where there is no such brand."""
    async with database.reading() as connection:
        await catalog.get_brand(connection, call.brand_id)
        found = await reminders.list_rules(
            connection, brand_id=call.brand_id, after_id=after_id or "", row_limit=limit + 1
        )
    return Page.cut(found, limit, lambda each: (each.rule_id,))


async def set_rule(
    database: Database,
    call: Call,
    *,
    visit_type: str | None,
    wanted: Sequence[Reminder],
    versions: Sequence[int] | None = None,
) -> ReminderRule:
    """Have visits of this type, or without one of all other types, reminded of so and no more.

    Raises:
        InvalidInput: Two of the reminders have one offset, or the brand has visit types and not
            this one.
        NotFound: There is no such brand.
        VersionMismatch: The rule has changed since the versions named.
    """
    in_order = checked(wanted)
    async with database.transaction(call) as connection:
        await catalog.get_brand(connection, call.brand_id)
        await reminders.lock(connection, call.brand_id)
        if visit_type is not None:
            await reminders.check_visit_type(connection, call.brand_id, visit_type)
        before = await reminders.find_rule(
            connection, brand_id=call.brand_id, visit_type=visit_type
        )
        if versions is not None and (before is None or before.version not in versions):
            raise VersionMismatch(version=before.version if before else None)
        rule = await reminders.put_rule(
            connection, brand_id=call.brand_id, visit_type=visit_type, reminders=in_order
        )
        await journal.record(connection, call, _entry("set", rule), answer=rule)
    return rule


async def delete_rule(
    database: Database, call: Call, rule_id: str, *, versions: Sequence[int] | None = None
) -> ReminderRule:
    """Have the type reminded as all others are; without the rule of all others, not at all.

    Raises:
        NotFound: The brand has no such rule.
        VersionMismatch: It has changed since the versions named.
    """
    async with database.transaction(call) as connection:
        await reminders.lock(connection, call.brand_id)
        rule = await reminders.get_rule(connection, brand_id=call.brand_id, rule_id=rule_id)
        if versions is not None and rule.version not in versions:
            raise VersionMismatch(version=rule.version)
        await reminders.delete_rule(connection, rule)
        await journal.record(connection, call, _entry("deleted", rule), answer=rule)
    return rule


async def get_quiet_hours(database: Database, call: Call) -> QuietHours:
    """The brand's quiet hours, off where nobody set them; NotFound where there is no such brand."""
    async with database.reading() as connection:
        await catalog.get_brand(connection, call.brand_id)
        return await reminders.quiet_hours_of(connection, call.brand_id)


async def set_quiet_hours(
    database: Database,
    call: Call,
    *,
    wall_from: time,
    wall_until: time,
    is_on: bool,
    versions: Sequence[int] | None = None,
) -> QuietHours:
    """Send patients nothing at these times of their day.

    Raises:
        InvalidInput: They end when they begin, or leave too little of a day.
        NotFound: There is no such brand.
        VersionMismatch: They have changed since the versions named.
    """
    QuietHours(brand_id=call.brand_id, wall_from=wall_from, wall_until=wall_until).check()
    async with database.transaction(call) as connection:
        await catalog.get_brand(connection, call.brand_id)
        await reminders.lock(connection, call.brand_id)
        before = await reminders.quiet_hours_of(connection, call.brand_id)
        if versions is not None and before.version not in versions:
            raise VersionMismatch(version=before.version)
        quiet = await reminders.put_quiet_hours(
            connection,
            brand_id=call.brand_id,
            wall_from=wall_from,
            wall_until=wall_until,
            is_on=is_on,
        )
        await journal.record(
            connection,
            call,
            Entry(
                event_type="quiet_hours.set",
                entity_type="quiet_hours",
                entity_id=call.brand_id,
                details={
                    "from": wall_from.isoformat(),
                    "until": wall_until.isoformat(),
                    "is_on": is_on,
                    "version": quiet.version,
                },
            ),
            answer=quiet,
        )
    return quiet


async def get_time_zone(database: Database, call: Call, patient_id: str) -> PatientTimeZone:
    """The patient's time zone; NotFound where the patient is not this caller's to see."""
    _check_reach(call, patient_id)
    async with database.reading() as connection:
        return await reminders.time_zone_of(
            connection, brand_id=call.brand_id, patient_id=patient_id
        )


async def set_time_zone(
    database: Database, call: Call, patient_id: str, time_zone: str | None
) -> PatientTimeZone:
    """Say what the clock on the patient's wall shows; None forgets it.

    Raises:
        InvalidInput: There is no such time zone.
        NotFound: The patient is not this caller's to see.
    """
    if time_zone is not None:
        zone_named(time_zone)
    _check_reach(call, patient_id)
    async with database.transaction(call) as connection:
        said = await reminders.set_time_zone(
            connection, brand_id=call.brand_id, patient_id=patient_id, time_zone=time_zone
        )
        # Where a patient is stays out of the audit.
        entry = Entry(
            event_type="patient.time_zone_set",
            entity_type="patient",
            entity_id=patient_id,
            details={"is_known": time_zone is not None},
        )
        await journal.record(connection, call, entry, answer=said)
    return said


def _check_reach(call: Call, patient_id: str) -> None:
    if call.patient_id not in (None, patient_id):
        raise NotFound(reminders.NO_SUCH_PATIENT)


def _entry(verb: str, rule: ReminderRule) -> Entry:
    return Entry(
        event_type=f"reminder_rule.{verb}",
        entity_type="reminder_rule",
        entity_id=rule.rule_id,
        details={
            "visit_type": rule.visit_type,
            "offsets": [each.offset_minutes for each in rule.reminders],
            "version": rule.version,
        },
    )
