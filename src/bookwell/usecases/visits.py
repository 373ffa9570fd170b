"""Book, read, move and end visits."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from bookwell.domain.callers import Call, Role
from bookwell.domain.errors import Forbidden, NotFound, SlotUnavailable, VersionMismatch
from bookwell.domain.events import VisitRescheduled
from bookwell.domain.visits import COMPLETE, MARK_NO_SHOW, RESCHEDULE, Change, Visit, Wanted
from bookwell.storage import journal, slots, takes, visits
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.usecases.overriding import is_overruled
from bookwell.usecases.paging import FAR_FUTURE, Page

# A visit that changed under us is looked at again this often before we give up.
_LOOKS_MAX = 3


async def take_slot(database: Database, call: Call, wanted: Wanted) -> Visit:
    """Book the slot for the patient, or hold it where `wanted` has terms; or say who was first.

    Raises:
        NotFound: No such slot of the brand, or no such patient for this caller.
        InvalidInput: The brand has visit types, and not this one.
        RuleBroken: A booking rule stands against it, and is not overruled.
        SlotUnavailable: The slot has begun, or the provider's time is taken in whatever brand.
        TooManyHolds: The patient holds as many slots as the terms allow.
    """
    if call.patient_id is not None and wanted.patient_id != call.patient_id:
        raise NotFound(takes.NO_SUCH_PATIENT)
    is_overruled(call, wanted.override_reason)
    return await takes.take(database, call, wanted)


async def get_visit(database: Database, call: Call, visit_id: str) -> Visit:
    """The visit, if it is this caller's to see."""
    async with database.reading() as connection:
        return await visits.get(connection, call, visit_id)


async def list_visits(
    database: Database,
    call: Call,
    *,
    patient_id: str | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> Page[Visit]:
    """A page of the brand's visits, or the patient's, newest slot first.

    A patient sees their own, whatever they ask for.
    """
    if call.patient_id is not None:
        if patient_id not in (None, call.patient_id):
            return Page(items=[])
        patient_id = call.patient_id
    async with database.reading() as connection:
        found = await visits.list_newest_first(
            connection,
            brand_id=call.brand_id,
            patient_id=patient_id,
            before=before or (FAR_FUTURE, ""),
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda visit: (visit.starts_at, visit.visit_id))


async def change_visit(database: Database, call: Call, change: Change) -> Visit:
    """Confirm, cancel, check in, complete or mark as no-show: take the visit along one transition.

    Raises:
        NotFound: It is not this caller's to see, or not of the patient, slot and provider it must
            be of.
        WrongState: It is not in a state for this, or has changed since the versions named.
        HoldExpired: It was held, and not confirmed in time.
        Forbidden: A patient does not complete visits, or mark them as missed.
    """
    if call.caller.role is Role.PATIENT and change.transition in (COMPLETE, MARK_NO_SHOW):
        raise Forbidden("Only staff and services may do this.")
    if call.patient_id is not None:
        if change.patient_id not in (None, call.patient_id):
            raise NotFound(visits.NO_SUCH_VISIT)
        change = replace(change, patient_id=call.patient_id)
    for _ in range(_LOOKS_MAX):
        changed = await visits.change_status(database, call, change)
        if changed is not None:
            return changed
        async with database.statement(call) as connection:
            visit = await visits.get(
                connection,
                call,
                change.visit_id,
                patient_id=change.patient_id,
                slot_id=change.slot_id,
                provider_id=change.provider_id,
            )
            now = await journal.now(connection)
            refusal = change.transition.refusal_of(visit, now=now, versions=change.versions)
            if refusal is not None:
                raise refusal
        # Somebody changed it between our two looks, and now it is in a state for this again.
    raise VersionMismatch


async def reschedule_visit(
    database: Database,
    call: Call,
    visit_id: str,
    *,
    new_slot_id: str,
    versions: Sequence[int] | None = None,
) -> Visit:
    """Move the visit to another slot of the brand; it keeps its id, and never blocks its own move.

    Raises:
        NotFound: The visit or the new slot is not this caller's to see.
        SlotUnavailable: The new slot has begun or is the visit's own, or its time is taken.
        WrongState: Only a booked visit moves.
    """
    async with database.transaction(call) as connection:
        before = await visits.lock_for_move(connection, call, visit_id, new_slot_id=new_slot_id)
        now = await journal.now(connection)
        refusal = RESCHEDULE.refusal_of(before, now=now, versions=versions)
        if refusal is not None:
            raise refusal
        slot = await slots.get(connection, brand_id=call.brand_id, slot_id=new_slot_id)
        if slot.starts_at <= now or slot.slot_id == before.slot_id:
            raise SlotUnavailable(slot_id=new_slot_id)
        visit = await visits.move(connection, call, visit_id, new_slot_id=new_slot_id)
        await journal.record(
            connection,
            call,
            Entry(
                event_type="visit.rescheduled",
                entity_type="visit",
                entity_id=visit_id,
                details={
                    "old_slot_id": before.slot_id,
                    "new_slot_id": visit.slot_id,
                    "version": visit.version,
                },
            ),
            fact=VisitRescheduled(
                visit_id=visit_id,
                patient_id=visit.patient_id,
                provider_id=visit.provider_id,
                brand_id=visit.brand_id,
                old_slot_start=before.starts_at,
                new_slot_start=visit.starts_at,
                new_slot_end=visit.ends_at,
                rescheduled_at=visit.updated_at,
            ),
            sequence=visit.version,
            answer=visit,
        )
    return visit
