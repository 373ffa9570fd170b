"""What staff choose for an affected visit: another time, which is held meanwhile; or to end it."""

from collections.abc import Collection, Iterable
from datetime import timedelta

from msgspec.structs import replace

from bookwell.domain.callers import Call
from bookwell.domain.disruptions import Action, Choice, DisruptedVisit, Disruption, Wish
from bookwell.domain.errors import InvalidInput, NotFound, RuleBroken, VisitNotReschedulable
from bookwell.domain.events import VisitCancelled
from bookwell.domain.holds import VISIT_TYPE_UNSPECIFIED, clinic_terms
from bookwell.domain.intervals import Interval
from bookwell.domain.rules import Rule
from bookwell.domain.visits import Visit, VisitStatus, Wanted
from bookwell.storage import disruptions, journal, takes
from bookwell.storage.disruptions import Stored, Touched
from bookwell.storage.journal import Change, Entry
from bookwell.storage.statements import AnyConnection

NOT_AFFECTED = "This disruption affects no such visit."


async def decide(
    connection: AnyConnection,
    call: Call,
    stored: Stored,
    wishes: Collection[Wish],
    *,
    hold_length: timedelta,
) -> list[Choice]:
    """Keep what is wanted for these visits, and hold the slots that they are to move to.

    The caller has the disruption's lock. Whatever was chosen for a visit before is no more.

    Raises:
        NotFound: No such visit is affected, or there is no such slot.
        VisitNotReschedulable: Only a booked visit moves.
        RuleBroken: A booking rule stands against the slot.
        SlotUnavailable: The slot has begun, or its time is taken.
    """
    if not wishes:
        return []
    disruption = stored.disruption
    wanted = {wish.visit_id for wish in wishes}
    slot_ids = [wish.slot_id for wish in wishes if wish.slot_id is not None]
    before = await disruptions.visits_of(connection, *stored)
    await disruptions.lock_time(
        connection,
        call,
        stored.provider_no,
        slot_ids=slot_ids,
        visits=[visit for visit in before if visit.visit_id in wanted],
    )
    affected = {
        visit.visit_id: visit
        for visit in await disruptions.visits_of(connection, *stored)
        if visit.visit_id in wanted and visit.is_affected
    }
    if wanted - affected.keys():
        raise NotFound(NOT_AFFECTED)
    changes = await release(connection, call, disruption, affected.values())
    choices = []
    for wish in wishes:
        hold = None
        if wish.slot_id is not None:
            hold = await _hold(
                connection, call, disruption, affected[wish.visit_id], wish.slot_id, hold_length
            )
        choice = _choice(disruption, wish, hold)
        await disruptions.keep_choice(connection, disruption, wish, choice.hold_id)
        choices.append(choice)
        changes.append(_chosen(choice))
    await journal.record_all(connection, call, changes)
    return choices


async def release(
    connection: AnyConnection,
    call: Call,
    disruption: Disruption,
    visits: Iterable[DisruptedVisit],
) -> list[Change]:
    """End the holds that are there for these visits; answers what the journal says of it."""
    live = {
        visit.hold_id: None
        for visit in visits
        if visit.hold_id is not None and visit.hold_expires_at is not None
    }
    if not live:
        return []
    ended = await disruptions.cancel(connection, call, live, from_statuses={VisitStatus.HELD})
    return [cancelled(call, disruption, hold) for hold in ended]


def cancelled(call: Call, disruption: Disruption, visit: Touched) -> Change:
    """What the journal says of a visit, or a hold, that this disruption ended."""
    return Change(
        entry=Entry(
            event_type="visit.cancelled",
            entity_type="visit",
            entity_id=visit.visit_id,
            details={
                "status": str(VisitStatus.CANCELLED),
                "version": visit.version,
                "disruption_id": disruption.disruption_id,
            },
        ),
        fact=VisitCancelled(
            visit_id=visit.visit_id,
            patient_id=visit.patient_id,
            provider_id=visit.provider_id,
            brand_id=call.brand_id,
            slot_start=visit.starts_at,
            cancelled_at=visit.updated_at,
        ),
        sequence=visit.version,
    )


async def _hold(
    connection: AnyConnection,
    call: Call,
    disruption: Disruption,
    visit: DisruptedVisit,
    slot_id: str,
    hold_length: timedelta,
) -> Visit:
    """Hold the slot for the visit's patient, judged as if the visit itself were not there."""
    if visit.status is not VisitStatus.BOOKED:
        raise VisitNotReschedulable(status=str(visit.status))
    wanted = Wanted(
        patient_id=visit.patient_id,
        slot_id=slot_id,
        visit_type=visit.visit_type,
        terms=clinic_terms(hold_length),
    )
    try:
        hold = await takes.take_behind_locks(connection, call, wanted, instead_of=visit.visit_id)
    except InvalidInput:
        # The brand no longer has the type. A visit that moves keeps it all the same.
        wanted = replace(wanted, visit_type=VISIT_TYPE_UNSPECIFIED)
        hold = await takes.take_behind_locks(connection, call, wanted, instead_of=visit.visit_id)
    out = Interval(disruption.starts_at, disruption.ends_at)
    if hold.provider_id == disruption.provider_id and out.overlaps(
        Interval(hold.starts_at, hold.ends_at)
    ):
        raise RuleBroken(
            Rule.TIME_OFF.refusal,
            rule=Rule.TIME_OFF,
            rules=[Rule.TIME_OFF],
            slot_id=slot_id,
            may_be_overruled=False,
        )
    return hold


def _choice(disruption: Disruption, wish: Wish, hold: Visit | None) -> Choice:
    assert disruption.disruption_id is not None, "a preview has no choices"
    assert disruption.version is not None, "the same"
    return Choice(
        disruption_id=disruption.disruption_id,
        visit_id=wish.visit_id,
        action=wish.action,
        slot_id=wish.slot_id,
        hold_id=hold.visit_id if hold else None,
        hold_expires_at=hold.hold_expires_at if hold else None,
        cancel_reason=wish.cancel_reason,
        version=disruption.version,
    )


def _chosen(choice: Choice) -> Change:
    """A choice as the audit has it: who decided what for which visit, and never why."""
    details: dict[str, object] = {"visit_id": choice.visit_id, "action": str(choice.action)}
    if choice.action is Action.MOVE:
        details.update(slot_id=choice.slot_id, hold_id=choice.hold_id)
    return Change(
        entry=Entry(
            event_type="disruption.chosen",
            entity_type="disruption",
            entity_id=choice.disruption_id,
            details=details,
        )
    )
