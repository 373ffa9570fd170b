"""Reminder rules, quiet hours and patients' time zones in PostgreSQL."""

from datetime import time

import msgspec
from asyncpg import Record
from msgspec import Struct

from bookwell.domain.errors import InvalidInput, NotFound
from bookwell.domain.ids import REMINDER_RULE, new_id
from bookwell.domain.quiet_hours import QuietHours
from bookwell.domain.reminders import Reminder, ReminderRule
from bookwell.storage.statements import AnyConnection, statement

_lock_reminder_rules = statement("lock_reminder_rules")
_knows_visit_type = statement("knows_visit_type")
_put_reminder_rule = statement("put_reminder_rule")
_start_looking = statement("start_looking")
_look_through_again = statement("look_through_again")
_delete_reminder_rule = statement("delete_reminder_rule")
_list_reminder_rules = statement("list_reminder_rules")
_find_reminder_rule = statement("find_reminder_rule")
_get_quiet_hours = statement("get_quiet_hours")
_put_quiet_hours = statement("put_quiet_hours")
_get_patient_time_zone = statement("get_patient_time_zone")
_set_patient_time_zone = statement("set_patient_time_zone")

_reminders = msgspec.json.Decoder(list[Reminder])

NO_SUCH_RULE = "There are no such reminder rules."
NO_SUCH_PATIENT = "There is no such patient."


class PatientTimeZone(Struct, frozen=True, kw_only=True):
    """What the clock on a patient's wall shows; None where nobody said."""

    patient_id: str
    time_zone: str | None


async def lock(connection: AnyConnection, brand_id: str) -> None:
    """Queue for the brand's reminders; the lock is held until the transaction ends."""
    await _lock_reminder_rules.value(connection, brand_id=brand_id)


async def check_visit_type(connection: AnyConnection, brand_id: str, visit_type: str) -> None:
    """InvalidInput where the brand has visit types, and never had this one."""
    if not await _knows_visit_type.value(connection, brand_id=brand_id, visit_type=visit_type):
        raise InvalidInput("visit_type must be one of the brand's visit types.", field="visit_type")


async def put_rule(
    connection: AnyConnection, *, brand_id: str, visit_type: str | None, reminders: list[Reminder]
) -> ReminderRule:
    """These reminders in place of those that the type had; visits are looked through from now."""
    row = await _put_reminder_rule.row(
        connection,
        rule_id=new_id(REMINDER_RULE),
        brand_id=brand_id,
        visit_type=visit_type,
        reminders=msgspec.json.encode(reminders).decode(),
    )
    assert row is not None, "INSERT RETURNING answers a row"
    await _start_looking.run(connection, brand_id=brand_id)
    return _rule_from(row)


async def delete_rule(connection: AnyConnection, rule: ReminderRule) -> None:
    """From now on, visits of its type are reminded as all others are."""
    await _delete_reminder_rule.run(connection, brand_id=rule.brand_id, rule_id=rule.rule_id)
    await _look_through_again.run(connection, brand_id=rule.brand_id)


async def get_rule(connection: AnyConnection, *, brand_id: str, rule_id: str) -> ReminderRule:
    """The rule of the brand; NotFound otherwise."""
    rows = await _list_reminder_rules.rows(
        connection, brand_id=brand_id, rule_id=rule_id, after_id="", row_limit=1
    )
    if not rows:
        raise NotFound(NO_SUCH_RULE)
    return _rule_from(rows[0])


async def find_rule(
    connection: AnyConnection, *, brand_id: str, visit_type: str | None
) -> ReminderRule | None:
    """The rule of exactly this visit type; without one, that of all others."""
    row = await _find_reminder_rule.row(connection, brand_id=brand_id, visit_type=visit_type)
    return _rule_from(row) if row else None


async def list_rules(
    connection: AnyConnection, *, brand_id: str, after_id: str, row_limit: int
) -> list[ReminderRule]:
    rows = await _list_reminder_rules.rows(
        connection, brand_id=brand_id, rule_id=None, after_id=after_id, row_limit=row_limit
    )
    return [_rule_from(row) for row in rows]


async def quiet_hours_of(connection: AnyConnection, brand_id: str) -> QuietHours:
    """The brand's quiet hours; off where nobody set them."""
    row = await _get_quiet_hours.row(connection, brand_id=brand_id)
    return QuietHours(**row) if row else QuietHours(brand_id=brand_id)


async def put_quiet_hours(
    connection: AnyConnection, *, brand_id: str, wall_from: time, wall_until: time, is_on: bool
) -> QuietHours:
    row = await _put_quiet_hours.row(
        connection, brand_id=brand_id, wall_from=wall_from, wall_until=wall_until, is_on=is_on
    )
    assert row is not None, "INSERT RETURNING answers a row"
    await _look_through_again.run(connection, brand_id=brand_id)
    return QuietHours(**row)


async def time_zone_of(
    connection: AnyConnection, *, brand_id: str, patient_id: str
) -> PatientTimeZone:
    """The patient's; NotFound where the brand has no such patient."""
    row = await _get_patient_time_zone.row(connection, brand_id=brand_id, patient_id=patient_id)
    if row is None:
        raise NotFound(NO_SUCH_PATIENT)
    return PatientTimeZone(**row)


async def set_time_zone(
    connection: AnyConnection, *, brand_id: str, patient_id: str, time_zone: str | None
) -> PatientTimeZone:
    """Say it, or with None forget it; NotFound where the brand has no such patient."""
    row = await _set_patient_time_zone.row(
        connection, brand_id=brand_id, patient_id=patient_id, time_zone=time_zone
    )
    if row is None:
        raise NotFound(NO_SUCH_PATIENT)
    return PatientTimeZone(**row)


def _rule_from(row: Record) -> ReminderRule:
    return ReminderRule(
        rule_id=row["rule_id"],
        brand_id=row["brand_id"],
        visit_type=row["visit_type"],
        reminders=_reminders.decode(row["reminders"]),
        holds_since=row["holds_since"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
    )
