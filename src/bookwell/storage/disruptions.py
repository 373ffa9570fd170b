"""Disruptions in PostgreSQL: who is out, which visits that affects, what staff chose for each."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from asyncpg import Record
from msgspec.structs import replace

from bookwell.domain.callers import Call
from bookwell.domain.disruptions import (
    VISITS_MAX,
    Action,
    DisruptedVisit,
    Disruption,
    DisruptionStatus,
    Outcome,
    Wish,
)
from bookwell.domain.errors import NotFound
from bookwell.domain.visits import VisitStatus
from bookwell.storage import holds
from bookwell.storage.statements import AnyConnection, statement

_add_disruption = statement("add_disruption")
_get_disruption = statement("get_disruption")
_lock_disruption = statement("lock_disruption")
_list_disruptions = statement("list_disruptions")
_change_disruption = statement("change_disruption")
_list_disrupted_visits = statement("list_disrupted_visits")
_keep_choice = statement("keep_choice")
_know_visits = statement("know_visits")
_settle_choices = statement("settle_choices")
_lock_providers_of_slots = statement("lock_providers_of_slots")
_lock_patients_of_visits = statement("lock_patients_of_visits")
_cancel_for_the_clinic = statement("cancel_for_the_clinic")
_leave_for_staff = statement("leave_for_staff")

NO_SUCH_DISRUPTION = "There is no such disruption."


class Touched(NamedTuple):
    """A visit as it is after a change of the clinic's."""

    visit_id: str
    patient_id: str
    provider_id: str
    starts_at: datetime
    version: int
    updated_at: datetime


class Stored(NamedTuple):
    """A disruption without its visits, and the number of its provider."""

    disruption: Disruption
    provider_no: int


async def add(connection: AnyConnection, disruption: Disruption, provider_no: int) -> Disruption:
    """Keep a new disruption; its times and version are the row's."""
    row = await _add_disruption.row(
        connection,
        disruption_id=disruption.disruption_id,
        brand_id=disruption.brand_id,
        provider_no=provider_no,
        provider_id=disruption.provider_id,
        starts_at=disruption.starts_at,
        ends_at=disruption.ends_at,
    )
    assert row is not None, "INSERT RETURNING answers a row"
    return _stored_from(row).disruption


async def get(connection: AnyConnection, call: Call, disruption_id: str) -> Stored:
    """The brand's disruption; NotFound otherwise."""
    row = await _get_disruption.row(connection, brand_id=call.brand_id, disruption_id=disruption_id)
    if row is None:
        raise NotFound(NO_SUCH_DISRUPTION)
    return _stored_from(row)


async def lock(connection: AnyConnection, call: Call, disruption_id: str) -> Stored:
    """As `get`, and nobody else writes it until the transaction ends."""
    await _lock_disruption.row(connection, brand_id=call.brand_id, disruption_id=disruption_id)
    return await get(connection, call, disruption_id)


async def list_newest_first(
    connection: AnyConnection,
    *,
    brand_id: str,
    provider_no: int,
    provider_id: str,
    before_id: str | None,
    row_limit: int,
) -> list[Disruption]:
    """At most `row_limit` of the provider's, without their visits."""
    rows = await _list_disruptions.rows(
        connection,
        brand_id=brand_id,
        provider_no=provider_no,
        provider_id=provider_id,
        before_id=before_id,
        row_limit=row_limit,
    )
    return [_stored_from(row).disruption for row in rows]


async def change(
    connection: AnyConnection, disruption: Disruption, status: DisruptionStatus
) -> Disruption:
    """The disruption in this status, one version on. The caller has its lock."""
    row = await _change_disruption.row(
        connection,
        brand_id=disruption.brand_id,
        disruption_id=disruption.disruption_id,
        status=status,
    )
    assert row is not None, "the caller read it behind its lock"
    return replace(disruption, status=status, updated_at=row["updated_at"], version=row["version"])


async def visits_of(
    connection: AnyConnection, disruption: Disruption, provider_no: int
) -> list[DisruptedVisit]:
    """The visits it is about, the earliest first; while it is open, those affected now too.

    Of a preview one more than may be handled as one, where there are so many.
    """
    is_preview = disruption.status is DisruptionStatus.PREVIEW
    rows = await _list_disrupted_visits.rows(
        connection,
        brand_id=disruption.brand_id,
        provider_no=provider_no,
        disruption_id=disruption.disruption_id,
        starts_at=disruption.starts_at,
        ends_at=disruption.ends_at,
        is_open=is_preview or disruption.status is DisruptionStatus.OPEN,
        row_limit=VISITS_MAX + 1 if is_preview else None,
    )
    return [_visit_from(row) for row in rows]


async def know(
    connection: AnyConnection, disruption: Disruption, visit_ids: Collection[str]
) -> None:
    """Note that staff have seen these visits. None of them was noted before."""
    await _know_visits.run(
        connection,
        brand_id=disruption.brand_id,
        disruption_id=disruption.disruption_id,
        visit_ids=list(visit_ids),
    )


async def keep_choice(
    connection: AnyConnection, disruption: Disruption, wish: Wish, hold_id: str | None
) -> None:
    """Note what staff want for a visit, in the place of what they wanted before."""
    await _keep_choice.run(
        connection,
        brand_id=disruption.brand_id,
        disruption_id=disruption.disruption_id,
        visit_id=wish.visit_id,
        action=None if wish.action is Action.UNDECIDED else wish.action,
        slot_id=wish.slot_id,
        hold_id=hold_id,
        cancel_reason=wish.cancel_reason,
    )


async def settle(
    connection: AnyConnection, disruption: Disruption, outcomes: Mapping[str, Outcome | None]
) -> None:
    """Note what came of each visit, by id."""
    await _settle_choices.run(
        connection,
        brand_id=disruption.brand_id,
        disruption_id=disruption.disruption_id,
        visit_ids=list(outcomes),
        outcomes=list(outcomes.values()),
    )


async def lock_time(
    connection: AnyConnection,
    call: Call,
    provider_no: int,
    *,
    slot_ids: Collection[str],
    visits: Collection[DisruptedVisit],
) -> None:
    """Lock the provider, those of the slots and of the visits' holds; then the visits' patients.

    Their past holds are ended, so that none is in the way. The caller has the disruption's lock,
    which comes before these.
    """
    providers = await _lock_providers_of_slots.rows(
        connection,
        brand_id=call.brand_id,
        provider_no=provider_no,
        slot_ids=list(slot_ids),
        hold_ids=[visit.hold_id for visit in visits if visit.hold_id is not None],
    )
    await holds.expire_of_providers(connection, [row["provider_no"] for row in providers])
    await _lock_patients_of_visits.rows(
        connection, brand_id=call.brand_id, visit_ids=[visit.visit_id for visit in visits]
    )


async def cancel(
    connection: AnyConnection,
    call: Call,
    reasons: Mapping[str, str | None],
    *,
    from_statuses: Collection[VisitStatus],
) -> list[Touched]:
    """Cancel these visits, by id with their reasons; answers those that were.

    The caller has the locks of their providers, and writes the journal.
    """
    rows = await _cancel_for_the_clinic.rows(
        connection,
        brand_id=call.brand_id,
        visit_ids=list(reasons),
        cancel_reasons=list(reasons.values()),
        from_statuses=sorted(from_statuses),
    )
    return [Touched(**row) for row in rows]


async def leave(connection: AnyConnection, call: Call, visit_ids: Collection[str]) -> list[Touched]:
    """Count one more version of each of these visits. As `cancel`."""
    rows = await _leave_for_staff.rows(
        connection, brand_id=call.brand_id, visit_ids=list(visit_ids)
    )
    return [Touched(**row) for row in rows]


def _stored_from(row: Record) -> Stored:
    values = dict(row)
    provider_no = values.pop("provider_no")
    values["status"] = DisruptionStatus(values["status"])
    return Stored(Disruption(**values), provider_no)


def _visit_from(row: Record) -> DisruptedVisit:
    return DisruptedVisit(
        **{
            **row,
            "status": VisitStatus(row["status"]),
            "action": Action(row["action"]),
            "outcome": None if row["outcome"] is None else Outcome(row["outcome"]),
        }
    )
