"""Visits in PostgreSQL. What carries the day, booking and cancelling, is one statement each."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from asyncpg import Record

from bookwell.domain.callers import Call
from bookwell.domain.errors import NotFound, SlotUnavailable
from bookwell.domain.ids import EVENT, VISIT, new_id
from bookwell.domain.visits import Transition, Visit, VisitStatus
from bookwell.storage.idempotency import key_values
from bookwell.storage.journal import actor_values
from bookwell.storage.statements import AnyConnection, statement

_book_visit = statement("book_visit")
_change_visit_status = statement("change_visit_status")
_get_visit = statement("get_visit")
_lock_visit = statement("lock_visit")
_lock_providers_of_move = statement("lock_providers_of_move")
_move_visit = statement("move_visit")
_list_visits_of_brand = statement("list_visits_of_brand")
_list_visits_of_patient = statement("list_visits_of_patient")

NO_SUCH_SLOT = "There is no such slot."
NO_SUCH_PATIENT = "There is no such patient."
NO_SUCH_VISIT = "There is no such visit."


async def book(
    connection: AnyConnection,
    call: Call,
    *,
    patient_id: str,
    slot_id: str,
    visit_type: str,
    provider_id: str | None,
    reason: str | None,
    notes: str | None,
) -> Visit:
    """Book the slot for the patient, with its event, audit and idempotency rows.

    Raises:
        NotFound: The brand has no such slot (of that provider), or no such patient.
        SlotUnavailable: The slot has begun, or the provider's time is taken.
    """
    row = await _book_visit.row(
        connection,
        visit_id=new_id(VISIT),
        event_id=new_id(EVENT),
        brand_id=call.brand_id,
        patient_id=patient_id,
        slot_id=slot_id,
        provider_id=provider_id,
        visit_type=visit_type,
        reason=reason,
        notes=notes,
        **actor_values(call),
        **key_values(call),
    )
    assert row is not None, "book_visit answers one row"
    if row["visit_id"] is not None:
        return _visit_from(row)
    if not row["slot_found"] or not row["provider_matches"]:
        raise NotFound(NO_SUCH_SLOT)
    if not row["patient_found"]:
        raise NotFound(NO_SUCH_PATIENT)
    raise SlotUnavailable(slot_id=slot_id)


async def change_status(
    connection: AnyConnection,
    call: Call,
    visit_id: str,
    transition: Transition,
    *,
    versions: Sequence[int] | None,
    cancel_reason: str | None = None,
    notes: str | None = None,
) -> Visit | None:
    """Take the visit along `transition`; None where it is not in a state for it, or not there."""
    row = await _change_visit_status.row(
        connection,
        event_id=new_id(EVENT),
        brand_id=call.brand_id,
        patient_id=call.patient_id,
        visit_id=visit_id,
        to_status=transition.to_status,
        from_statuses=sorted(transition.from_statuses),
        once_begun=transition.only_once_begun,
        versions=versions,
        cancel_reason=cancel_reason,
        notes=notes,
        **actor_values(call),
        **key_values(call),
    )
    return _visit_from(row) if row else None


async def get(connection: AnyConnection, call: Call, visit_id: str) -> Visit:
    """The visit, if this caller may see it; NotFound otherwise."""
    return _found(
        await _get_visit.row(
            connection, brand_id=call.brand_id, patient_id=call.patient_id, visit_id=visit_id
        )
    )


async def lock_for_move(
    connection: AnyConnection, call: Call, visit_id: str, *, new_slot_id: str
) -> Visit:
    """Lock both providers and the visit, and return it as it is now; NotFound where it is not."""
    await _lock_providers_of_move.rows(
        connection, brand_id=call.brand_id, visit_id=visit_id, slot_id=new_slot_id
    )
    return _found(
        await _lock_visit.row(
            connection, brand_id=call.brand_id, patient_id=call.patient_id, visit_id=visit_id
        )
    )


async def move(connection: AnyConnection, call: Call, visit_id: str, *, new_slot_id: str) -> Visit:
    """Give the visit the new slot's time and provider; SlotUnavailable if the referee objects."""
    try:
        row = await _move_visit.row(
            connection, brand_id=call.brand_id, visit_id=visit_id, slot_id=new_slot_id
        )
    except asyncpg.ExclusionViolationError as error:
        raise SlotUnavailable(slot_id=new_slot_id) from error
    return _found(row)


async def list_newest_first(
    connection: AnyConnection,
    *,
    brand_id: str,
    patient_id: str | None,
    before: tuple[datetime, str],
    row_limit: int,
) -> list[Visit]:
    """At most `row_limit` visits whose (start, id) comes before `before`, newest slot first."""
    before_at, before_id = before
    if patient_id is None:
        rows = await _list_visits_of_brand.rows(
            connection,
            brand_id=brand_id,
            before_at=before_at,
            before_id=before_id,
            row_limit=row_limit,
        )
    else:
        rows = await _list_visits_of_patient.rows(
            connection,
            brand_id=brand_id,
            patient_id=patient_id,
            before_at=before_at,
            before_id=before_id,
            row_limit=row_limit,
        )
    return [_visit_from(row) for row in rows]


def _found(row: Record | None) -> Visit:
    if row is None:
        raise NotFound(NO_SUCH_VISIT)
    return _visit_from(row)


def _visit_from(row: Record) -> Visit:
    return Visit(
        visit_id=row["visit_id"],
        brand_id=row["brand_id"],
        patient_id=row["patient_id"],
        provider_id=row["provider_id"],
        slot_id=row["slot_id"],
        status=VisitStatus(row["status"]),
        visit_type=row["visit_type"],
        reason=row["reason"],
        notes=row["notes"],
        cancelled_at=row["cancelled_at"],
        cancel_reason=row["cancel_reason"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
    )
