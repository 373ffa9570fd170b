"""Book and read visits, and say what ending or moving one would mean."""

from datetime import datetime

from bookwell.domain.callers import Call
from bookwell.domain.errors import NotFound
from bookwell.domain.quotes import Quote, cancel_quote, reschedule_quote
from bookwell.domain.visits import Visit, Wanted
from bookwell.storage import takes, visits
from bookwell.storage.database import Database
from bookwell.usecases.overriding import is_overruled
from bookwell.usecases.paging import FAR_FUTURE, Page


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


async def quote_visit(database: Database, call: Call, visit_id: str) -> tuple[Visit, Quote, Quote]:
    """The visit, and what cancelling it and moving it would mean now."""
    async with database.reading() as connection:
        seen = await visits.look(connection, call, visit_id)
    visit, terms, now = seen.visit, seen.terms, seen.now
    return visit, cancel_quote(visit, terms, now=now), reschedule_quote(visit, terms, now=now)


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
