"""Do all that was chosen for a disruption as one, or nothing of it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from bookwell.domain.callers import Call
from bookwell.domain.disruptions import (
    Action,
    DisruptedVisit,
    Disruption,
    DisruptionStatus,
    Outcome,
    check_decided,
)
from bookwell.domain.errors import Conflict, NotFound, SlotUnavailable
from bookwell.domain.events import DisruptionCommitted, VisitLeftForStaff
from bookwell.domain.ids import TIME_OFF, new_id
from bookwell.domain.rules import Rule, refusal_of
from bookwell.domain.rulings import time_taken
from bookwell.domain.schedules import TimeOff
from bookwell.domain.visits import CANCEL
from bookwell.storage import catalog, disruptions, journal, visits
from bookwell.storage.database import Database
from bookwell.storage.disruptions import Stored, Touched
from bookwell.storage.journal import Change, Entry
from bookwell.storage.statements import AnyConnection
from bookwell.usecases import time_off
from bookwell.usecases.disruption_choices import cancelled, release
from bookwell.usecases.disruptions import Desk, lock_open, refuse_patients
from bookwell.usecases.moves import judge_move, rescheduled


async def commit_disruption(
    database: Database,
    call: Call,
    disruption_id: str,
    desk: Desk,
    *,
    leave_undecided: bool = False,
    versions: Sequence[int] | None = None,
) -> Disruption:
    """Move, cancel and leave the visits as was chosen, and enter the provider's time off, as one.

    Nothing new can be booked in that time from then on. The clinic moves, so no cut-off counts.

    Raises:
        NotFound: The brand has no such disruption.
        DisruptionNotOpen: It was committed or abandoned already.
        VersionMismatch: It has changed since the versions named.
        DisruptionOutOfDate: Visits came, or changed their time, since staff last looked.
        VisitsUndecided: Nobody has decided about some, and they are not to be left.
        SlotUnavailable, RuleBroken: A visit cannot move to its slot any more; it is named.
    """
    refuse_patients(call)
    async with database.transaction(call) as connection:
        stored = await lock_open(connection, call, disruption_id, versions=versions)
        found = await disruptions.visits_of(connection, *stored)
        await disruptions.lock_time(
            connection,
            call,
            stored.provider_no,
            slot_ids=[visit.chosen_slot_id for visit in found if visit.chosen_slot_id is not None],
            visits=found,
        )
        # Behind the locks nobody books, moves or ends a visit of this provider.
        found = await disruptions.visits_of(connection, *stored)
        check_decided(found, leave_undecided=leave_undecided)
        changes = await release(connection, call, stored.disruption, found)
        outcomes = {visit.visit_id: _outcome(visit) for visit in found}
        changes += await _cancel(connection, call, stored.disruption, found, outcomes)
        changes += [
            await _move(connection, call, stored.disruption, visit)
            for visit in found
            if outcomes[visit.visit_id] is Outcome.MOVED
        ]
        changes += await _leave(connection, call, stored.disruption, found, outcomes)
        changes.append(await _enter_time_off(connection, stored, desk, outcomes))
        await journal.record_all(connection, call, changes)
        await disruptions.settle(connection, stored.disruption, outcomes)
        committed = await disruptions.change(
            connection, stored.disruption, DisruptionStatus.COMMITTED
        )
        committed = replace(
            committed,
            visits=await disruptions.visits_of(connection, committed, stored.provider_no),
        )
        fact = _fact(committed, outcomes)
        await journal.record(connection, call, _entry(committed, fact), fact=fact, answer=committed)
    return committed


def _outcome(visit: DisruptedVisit) -> Outcome:
    if not visit.is_affected:
        return Outcome.GONE
    return {
        Action.MOVE: Outcome.MOVED,
        Action.CANCEL: Outcome.CANCELLED,
        Action.LEAVE: Outcome.LEFT,
        Action.UNDECIDED: Outcome.LEFT,
    }[visit.action]


async def _cancel(
    connection: AnyConnection,
    call: Call,
    disruption: Disruption,
    found: Sequence[DisruptedVisit],
    outcomes: dict[str, Outcome],
) -> list[Change]:
    reasons = {
        visit.visit_id: visit.cancel_reason
        for visit in found
        if outcomes[visit.visit_id] is Outcome.CANCELLED
    }
    ended = await disruptions.cancel(connection, call, reasons, from_statuses=CANCEL.from_statuses)
    assert len(ended) == len(reasons), "behind the locks an affected visit stays one"
    return [cancelled(call, disruption, visit) for visit in ended]


async def _move(
    connection: AnyConnection, call: Call, disruption: Disruption, visit: DisruptedVisit
) -> Change:
    """Move the visit to its slot; judged as asked for when it was held, or now if that is over.

    Raises:
        SlotUnavailable, RuleBroken: It cannot move there any more; the visit is named.
    """
    slot_id = visit.chosen_slot_id
    assert slot_id is not None, "disruption_choice_moves_iff_to_a_slot"
    before = await visits.look(connection, call, visit.visit_id)
    try:
        judged = await judge_move(connection, call, before, slot_id, asked_at=visit.held_at)
        broken = [rule for rule in judged.broken if rule is not Rule.VISIT_TYPE]
        refusal = refusal_of(broken, slot_id=slot_id)
        if refusal is not None:
            raise refusal
        taken = time_taken(judged.terms or before.terms, judged.starts_at, judged.ends_at)
        after = await visits.move(
            connection, call, visit.visit_id, new_slot_id=slot_id, taken=taken
        )
    except NotFound as refusal:
        # Somebody took the slot back.
        raise SlotUnavailable(slot_id=slot_id, visit_id=visit.visit_id) from refusal
    except Conflict as refusal:
        refusal.facts["visit_id"] = visit.visit_id
        raise
    return Change(
        entry=Entry(
            event_type="visit.rescheduled",
            entity_type="visit",
            entity_id=visit.visit_id,
            details={
                "old_slot_id": before.visit.slot_id,
                "new_slot_id": slot_id,
                "version": after.version,
                "disruption_id": disruption.disruption_id,
            },
        ),
        fact=rescheduled(before.visit, after),
        sequence=after.version,
    )


async def _leave(
    connection: AnyConnection,
    call: Call,
    disruption: Disruption,
    found: Sequence[DisruptedVisit],
    outcomes: dict[str, Outcome],
) -> list[Change]:
    left = await disruptions.leave(
        connection,
        call,
        [visit.visit_id for visit in found if outcomes[visit.visit_id] is Outcome.LEFT],
    )
    return [_left(call, disruption, visit) for visit in left]


def _left(call: Call, disruption: Disruption, visit: Touched) -> Change:
    return Change(
        entry=Entry(
            event_type="visit.left_for_staff",
            entity_type="visit",
            entity_id=visit.visit_id,
            details={"version": visit.version, "disruption_id": disruption.disruption_id},
        ),
        fact=VisitLeftForStaff(
            visit_id=visit.visit_id,
            patient_id=visit.patient_id,
            provider_id=visit.provider_id,
            brand_id=call.brand_id,
            slot_start=visit.starts_at,
            left_at=visit.updated_at,
        ),
        sequence=visit.version,
    )


async def _enter_time_off(
    connection: AnyConnection, stored: Stored, desk: Desk, outcomes: dict[str, Outcome]
) -> Change:
    """The provider is off, in UTC: what was said were instants, and they stay what they are."""
    disruption = stored.disruption
    provider = await catalog.get_clinician(
        connection, brand_id=disruption.brand_id, provider_id=disruption.provider_id
    )
    _, change = await time_off.enter(
        connection,
        provider,
        TimeOff(
            time_off_id=new_id(TIME_OFF),
            brand_id=disruption.brand_id,
            provider_id=disruption.provider_id,
            wall_from=_wall_time(disruption.starts_at),
            wall_until=_wall_time(disruption.ends_at),
            time_zone="UTC",
            starts_at=disruption.starts_at,
            ends_at=disruption.ends_at,
            created_at=await journal.now(connection),
        ),
        horizon=desk.horizon,
        visits_kept=_count(outcomes, Outcome.LEFT),
    )
    return change


def _wall_time(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _fact(committed: Disruption, outcomes: dict[str, Outcome]) -> DisruptionCommitted:
    assert committed.disruption_id is not None, "only what is kept is committed"
    assert committed.updated_at is not None, "the same"
    return DisruptionCommitted(
        disruption_id=committed.disruption_id,
        provider_id=committed.provider_id,
        brand_id=committed.brand_id,
        out_start=committed.starts_at,
        out_end=committed.ends_at,
        visits_moved=_count(outcomes, Outcome.MOVED),
        visits_cancelled=_count(outcomes, Outcome.CANCELLED),
        visits_left=_count(outcomes, Outcome.LEFT),
        committed_at=committed.updated_at,
    )


def _entry(committed: Disruption, fact: DisruptionCommitted) -> Entry:
    return Entry(
        event_type="disruption.committed",
        entity_type="disruption",
        entity_id=fact.disruption_id,
        details={
            "provider_id": committed.provider_id,
            "visits_moved": fact.visits_moved,
            "visits_cancelled": fact.visits_cancelled,
            "visits_left": fact.visits_left,
        },
    )


def _count(outcomes: dict[str, Outcome], outcome: Outcome) -> int:
    return sum(each is outcome for each in outcomes.values())
