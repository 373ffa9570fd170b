"""Take a visit along one transition: confirm, cancel, check in, complete, mark as no-show."""

from msgspec.structs import replace

from bookwell.domain.callers import Call, Role
from bookwell.domain.errors import Forbidden, HoldExpired, NotFound, VersionMismatch
from bookwell.domain.quotes import Cutoff, cancel_quote
from bookwell.domain.rules import refusal_of
from bookwell.domain.rulings import NOTHING_MORE, override_of, time_taken
from bookwell.domain.visits import CANCEL, COMPLETE, CONFIRM, MARK_NO_SHOW, Change, Visit
from bookwell.storage import rules, visits
from bookwell.storage.database import Database
from bookwell.storage.rules import Question
from bookwell.storage.visits import Ruling, Seen
from bookwell.usecases.overriding import is_overruled

# A visit that changed under us is looked at again this often before we give up.
_LOOKS_MAX = 3


async def change_visit(database: Database, call: Call, change: Change) -> Visit:
    """Confirm, cancel, check in, complete or mark as no-show: take the visit along one transition.

    Raises:
        NotFound: It is not this caller's to see, or not of the patient, slot and provider it must
            be of.
        WrongState: It is not in a state for this, has changed since the versions named, or it is
            too late under its terms, and nobody who may overrules that.
        HoldExpired: It was held, and not confirmed in time.
        InvalidInput: It is confirmed as a visit type that its brand does not have.
        RuleBroken: A booking rule stands against confirming it, and is not overruled.
        SlotUnavailable: It is confirmed as a type that takes time which is not free.
        Forbidden: A patient does not complete visits, or mark them as missed.
        InsufficientScope: A reason to overrule is given by somebody who may not.
    """
    if call.caller.role is Role.PATIENT and change.transition in (COMPLETE, MARK_NO_SHOW):
        raise Forbidden("Only staff and services may do this.")
    is_overruled(call, change.override_reason)
    if call.patient_id is not None:
        if change.patient_id not in (None, call.patient_id):
            raise NotFound(visits.NO_SUCH_VISIT)
        change = replace(change, patient_id=call.patient_id)
    attempt, ruling = change, None
    for _ in range(_LOOKS_MAX):
        changed = await visits.change_status(database, call, attempt, ruling)
        if changed is not None:
            return changed
        async with database.statement(call) as connection:
            seen = await visits.look(
                connection,
                call,
                change.visit_id,
                patient_id=change.patient_id,
                slot_id=change.slot_id,
                provider_id=change.provider_id,
            )
            attempt, ruling = _ruled(change, seen)
        if change.transition is CONFIRM:
            return await _confirm_behind_locks(database, call, change)
        # Somebody changed it between our two looks, and now it is in a state for this again; or it
        # is late, and that is overruled.
    raise VersionMismatch


def _ruled(change: Change, seen: Seen) -> tuple[Change, Ruling | None]:
    """The change to try again, with what is overruled; or raises why it is refused."""
    refusal = change.transition.refusal_of(seen.visit, now=seen.now, versions=change.versions)
    if refusal is not None:
        raise refusal
    if change.transition is not CANCEL:
        return change, None
    quote = cancel_quote(seen.visit, seen.terms, now=seen.now)
    if quote.refusal is None:
        return change, None
    override = override_of([Cutoff.CANCEL], change.override_reason)
    if override is None:
        raise quote.refusal
    # Of this version, so that what is overruled is what was looked at.
    return replace(change, versions=[seen.visit.version]), Ruling(override=override)


async def _confirm_behind_locks(database: Database, call: Call, change: Change) -> Visit:
    """Confirm a hold that has to be judged anew: as another type, or with rules in the way.

    The locks come first, so that what is counted of the patient and the provider stays so.
    """
    async with database.transaction(call) as connection:
        seen = await visits.lock(connection, call, change.visit_id)
        held = seen.visit
        refusal = CONFIRM.refusal_of(held, now=seen.now, versions=change.versions)
        if refusal is not None:
            raise refusal
        visit_type = change.visit_type or held.visit_type
        judged = await rules.judge_slot(
            connection,
            call,
            held.slot_id,
            Question(
                visit_type=visit_type,
                patient_id=held.patient_id,
                by_patient=call.caller.role is Role.PATIENT,
                ignored_visit=held.visit_id,
                asked_at=held.created_at,
            ),
        )
        is_other_type = visit_type != held.visit_type or seen.terms_no is None
        refusal = refusal_of(
            judged.broken,
            slot_id=held.slot_id,
            is_overruled=is_overruled(call, change.override_reason),
        )
        if refusal is not None:
            raise refusal
        taken = time_taken(judged.terms, held.starts_at, held.ends_at, overruled=judged.broken)
        ruling = Ruling(
            override=override_of(judged.broken, change.override_reason),
            terms_no=judged.terms_no if is_other_type else None,
            taken=taken if is_other_type else NOTHING_MORE,
        )
        confirmed = await visits.change_status_behind_locks(
            connection, call, change, ruling, slot_id=held.slot_id
        )
        if confirmed is None:
            # It ran out while this waited for its turn.
            raise HoldExpired(expired_at=held.hold_expires_at)
    return confirmed
