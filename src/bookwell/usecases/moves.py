"""Move a visit to another time."""

from collections.abc import Sequence
from datetime import datetime

from bookwell.domain.callers import Call, Role
from bookwell.domain.errors import SlotUnavailable
from bookwell.domain.events import VisitRescheduled
from bookwell.domain.quotes import Cutoff, Quote, reschedule_quote
from bookwell.domain.rules import Rule, refusal_of
from bookwell.domain.rulings import Override, override_of, time_taken
from bookwell.domain.visits import Visit
from bookwell.storage import journal, rules, visits
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.storage.nearby import slot_unavailable
from bookwell.storage.rules import Judged, Question
from bookwell.storage.statements import AnyConnection
from bookwell.storage.visits import Seen
from bookwell.usecases.overriding import is_overruled


async def reschedule_visit(
    database: Database,
    call: Call,
    visit_id: str,
    *,
    new_slot_id: str,
    versions: Sequence[int] | None = None,
    override_reason: str | None = None,
) -> Visit:
    """Move the visit to another slot of the brand; it keeps its id, and never blocks its own move.

    Whether it may leave its time is a matter of the terms it was booked under, which it keeps;
    whether it may have the new one, of the booking rules of today.

    Raises:
        NotFound: The visit or the new slot is not this caller's to see.
        SlotUnavailable: The new slot has begun or is the visit's own, or its time is taken.
        RuleBroken: A booking rule stands against the new time, and is not overruled.
        WrongState: Only a booked visit moves; or it is too late under its terms, and nobody who may
            overrules that.
        InsufficientScope: A reason to overrule is given by somebody who may not.
    """
    overruling = is_overruled(call, override_reason)
    async with database.transaction(call) as connection:
        before = await visits.lock(connection, call, visit_id, new_slot_id=new_slot_id)
        quote = reschedule_quote(before.visit, before.terms, now=before.now, versions=versions)
        is_closed = quote.allowed_until is not None and before.now >= quote.allowed_until
        if quote.refusal is not None and not (is_closed and overruling):
            raise quote.refusal
        judged = await judge_move(connection, call, before, new_slot_id)
        # A move leaves the visit type as it is, also one that its brand no longer has.
        broken = [rule for rule in judged.broken if rule is not Rule.VISIT_TYPE]
        refusal = refusal_of(broken, slot_id=new_slot_id, is_overruled=overruling)
        if isinstance(refusal, SlotUnavailable):
            refusal = await slot_unavailable(
                connection,
                _question(call, before.visit),
                brand_id=call.brand_id,
                slot_id=new_slot_id,
                provider_id=judged.provider_id,
                near_at=judged.starts_at,
                left_slot_id=before.visit.slot_id,
            )
        if refusal is not None:
            raise refusal
        taken = time_taken(
            judged.terms or before.terms, judged.starts_at, judged.ends_at, overruled=broken
        )
        visit = await visits.move(connection, call, visit_id, new_slot_id=new_slot_id, taken=taken)
        cutoffs = [Cutoff.RESCHEDULE] if is_closed else []
        override = override_of([*cutoffs, *broken], override_reason)
        await journal.record(
            connection,
            call,
            _entry(before, visit, quote, override),
            fact=rescheduled(before.visit, visit),
            sequence=visit.version,
            answer=visit,
        )
    return visit


async def judge_move(
    connection: AnyConnection,
    call: Call,
    before: Seen,
    new_slot_id: str,
    *,
    asked_at: datetime | None = None,
) -> Judged:
    """The new slot as the booking rules see it for this visit, asked for now or at `asked_at`.

    Raises:
        NotFound: The brand has no such slot.
        SlotUnavailable: It has begun, or is the visit's own.
    """
    visit = before.visit
    question = _question(call, visit, asked_at=asked_at)
    judged = await rules.judge_slot(connection, call, new_slot_id, question)
    if judged.starts_at <= before.now or new_slot_id == visit.slot_id:
        raise SlotUnavailable(slot_id=new_slot_id)
    return judged


def _question(call: Call, visit: Visit, *, asked_at: datetime | None = None) -> Question:
    return Question(
        visit_type=visit.visit_type,
        patient_id=visit.patient_id,
        by_patient=call.caller.role is Role.PATIENT,
        ignored_visit=visit.visit_id,
        asked_at=asked_at,
    )


def rescheduled(before: Visit, after: Visit) -> VisitRescheduled:
    """The fact that the one became the other."""
    return VisitRescheduled(
        visit_id=after.visit_id,
        patient_id=after.patient_id,
        provider_id=after.provider_id,
        brand_id=after.brand_id,
        old_slot_start=before.starts_at,
        new_slot_start=after.starts_at,
        new_slot_end=after.ends_at,
        rescheduled_at=after.updated_at,
    )


def _entry(before: Seen, visit: Visit, quote: Quote, override: Override | None) -> Entry:
    details: dict[str, object] = {
        "old_slot_id": before.visit.slot_id,
        "new_slot_id": visit.slot_id,
        "version": visit.version,
    }
    if before.terms is not None:
        details["late"] = quote.is_late
    if override is not None:
        details["override"] = override.as_details()
    return Entry(
        event_type="visit.rescheduled",
        entity_type="visit",
        entity_id=visit.visit_id,
        details=details,
    )
