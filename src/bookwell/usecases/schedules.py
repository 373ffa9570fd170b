"""A provider's schedules: kept as they were said, with the slots that come of them.

Whoever changes one has its slots made in the same transaction, so a search shows them at once.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from bookwell.domain.affected import orphaned
from bookwell.domain.callers import Call
from bookwell.domain.catalog import Provider
from bookwell.domain.errors import InvalidInput, VersionMismatch, VisitsAffected
from bookwell.domain.events import ScheduleChanged, ScheduleCreated, ScheduleDeleted
from bookwell.domain.intervals import Interval
from bookwell.domain.schedules import Schedule, opened
from bookwell.domain.week import Week, types_unknown
from bookwell.storage import catalog, derivation, journal, schedules, visit_types
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.storage.schedules import VisitAhead
from bookwell.storage.statements import AnyConnection
from bookwell.usecases.derivation import Derived, derive
from bookwell.usecases.paging import Page
from bookwell.usecases.slots import refuse_patients

# A week in summer, one in winter, one for each place of work; more is a mistake.
SCHEDULES_MAX = 20
# As many as fit on a page that somebody reads; `count` says how many there are.
AFFECTED_TOLD_MAX = 50


class Upkeep(NamedTuple):
    """How a change treats slots and visits: made so far ahead; may it leave visits behind."""

    horizon: timedelta
    keep_visits: bool


async def add_schedule(
    database: Database, call: Call, provider_id: str, week: Week, upkeep: Upkeep
) -> Schedule:
    """Give the provider one more schedule for the brand, and make its slots.

    Raises:
        InvalidInput: A rule cannot be so, names no visit type of the brand, or there are too many.
        NotFound: No such provider works for the brand.
    """
    refuse_patients(call)
    async with database.transaction(call) as connection:
        provider = await locked_clinician(connection, call, provider_id)
        others = await _all_of(connection, provider)
        if len(others) >= SCHEDULES_MAX:
            raise InvalidInput(
                f"A provider has {SCHEDULES_MAX} schedules in a brand at most.", field="schedules"
            )
        now = await journal.now(connection)
        wanted = week.of(brand_id=provider.brand_id, provider_id=provider_id, now=now)
        await _refuse_unknown_types(connection, provider, wanted)
        await derivation.start(connection, provider)
        # A closed day closes its own schedule only, so one more schedule leaves nobody behind.
        added = await schedules.add(connection, provider, wanted)
        done = await derive(connection, provider, horizon=upkeep.horizon)
        await journal.record(
            connection,
            call,
            _entry("created", added, done),
            fact=ScheduleCreated(created_at=added.created_at, **_facts(added, done)),
            answer=added,
        )
    return added


async def list_schedules(
    database: Database, call: Call, provider_id: str, *, after_id: str | None, limit: int
) -> Page[Schedule]:
    """A page of the provider's schedules for the brand, in the order they were made.

    Raises:
        NotFound: No such provider works for the brand.
    """
    async with database.reading() as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        found = await schedules.list_of(
            connection, provider, after_id=after_id or "", row_limit=limit + 1
        )
    return Page.cut(found, limit, lambda schedule: (schedule.schedule_id,))


async def get_schedule(
    database: Database, call: Call, provider_id: str, schedule_id: str
) -> Schedule:
    """One schedule.

    Raises:
        NotFound: The provider has no such schedule for the brand.
    """
    async with database.reading() as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        return await schedules.get(connection, provider, schedule_id)


async def change_schedule(
    database: Database,
    call: Call,
    provider_id: str,
    schedule_id: str,
    week: Week,
    upkeep: Upkeep,
    *,
    versions: Sequence[int] | None = None,
) -> Schedule:
    """Put this week in the place of the schedule's; a rule that names its id keeps it.

    Raises:
        InvalidInput: A rule cannot be so, or names an id that the schedule does not have.
        NotFound: The provider has no such schedule for the brand.
        VersionMismatch: It is none of these versions.
        VisitsAffected: Visits would lie outside of all that is offered.
    """
    refuse_patients(call)
    async with database.transaction(call) as connection:
        provider = await locked_clinician(connection, call, provider_id)
        before = await schedules.get(connection, provider, schedule_id)
        if versions is not None and before.version not in versions:
            raise VersionMismatch(version=before.version)
        wanted = week.instead_of(before)
        await _refuse_unknown_types(connection, provider, wanted)
        kept = await _leave_nobody_behind(connection, provider, before, wanted, upkeep)
        changed = await schedules.change(connection, provider, wanted)
        done = await derive(connection, provider, horizon=upkeep.horizon)
        await journal.record(
            connection,
            call,
            _entry("changed", changed, done, kept),
            fact=ScheduleChanged(changed_at=changed.updated_at, **_facts(changed, done)),
            sequence=changed.version,
            answer=changed,
        )
    return changed


async def delete_schedule(
    database: Database,
    call: Call,
    provider_id: str,
    schedule_id: str,
    upkeep: Upkeep,
    *,
    versions: Sequence[int] | None = None,
) -> Schedule:
    """Take the schedule away, and the slots that only it offers. Raises as a change does."""
    refuse_patients(call)
    async with database.transaction(call) as connection:
        provider = await locked_clinician(connection, call, provider_id)
        schedule = await schedules.get(connection, provider, schedule_id)
        if versions is not None and schedule.version not in versions:
            raise VersionMismatch(version=schedule.version)
        kept = await _leave_nobody_behind(connection, provider, schedule, None, upkeep)
        await schedules.remove(connection, provider, schedule_id)
        done = await derive(connection, provider, horizon=upkeep.horizon)
        await journal.record(
            connection,
            call,
            _entry("deleted", schedule, done, kept),
            fact=ScheduleDeleted(
                deleted_at=await journal.now(connection), **_facts(schedule, done)
            ),
            sequence=schedule.version + 1,
            answer=schedule,
        )
    return schedule


async def locked_clinician(connection: AnyConnection, call: Call, provider_id: str) -> Provider:
    """The brand's clinician, whose time nobody else touches until the transaction ends."""
    provider = await catalog.get_clinician(
        connection, brand_id=call.brand_id, provider_id=provider_id
    )
    await catalog.lock_provider(connection, provider)
    return provider


def refuse_to_leave(visits: Sequence[VisitAhead]) -> None:
    """Raise VisitsAffected naming the visits, the earliest first, if there are any."""
    if visits:
        raise VisitsAffected(
            visits=[
                {
                    "id": visit.visit_id,
                    "start_time": visit.during.starts_at,
                    "end_time": visit.during.ends_at,
                }
                for visit in visits[:AFFECTED_TOLD_MAX]
            ],
            count=len(visits),
        )


async def _all_of(connection: AnyConnection, provider: Provider) -> list[Schedule]:
    return await schedules.list_of(connection, provider, row_limit=SCHEDULES_MAX)


async def _leave_nobody_behind(
    connection: AnyConnection,
    provider: Provider,
    before: Schedule,
    after: Schedule | None,
    upkeep: Upkeep,
) -> int:
    """How many visits the change leaves behind because the caller wants so.

    Raises:
        VisitsAffected: It would, and the caller does not.
    """
    visits = [v for v in await schedules.visits_ahead(connection, provider) if v.is_derived]
    if not visits:
        return 0
    window = Interval(
        min(v.during.starts_at for v in visits), max(v.during.ends_at for v in visits)
    )
    old = await _all_of(connection, provider)
    new = [after if s.schedule_id == before.schedule_id else s for s in old]
    behind = orphaned(
        [visit.during for visit in visits],
        [hours.interval for hours in opened(old, window)],
        [hours.interval for hours in opened([s for s in new if s is not None], window)],
    )
    left = [visit for visit in visits if visit.during in behind]
    if not upkeep.keep_visits:
        refuse_to_leave(left)
    return len(left)


async def _refuse_unknown_types(
    connection: AnyConnection, provider: Provider, schedule: Schedule
) -> None:
    known = await visit_types.terms_of_brand(connection, provider.brand_id, provider.provider_no)
    field = types_unknown(schedule.rules, known)
    if field is not None:
        raise InvalidInput(f"{field} must be visit types of the brand.", field=field)


def _facts(schedule: Schedule, done: Derived) -> dict[str, Any]:
    return {
        "schedule_id": schedule.schedule_id,
        "provider_id": schedule.provider_id,
        "brand_id": schedule.brand_id,
        "slots_added": len(done.changes.created),
        "slots_withdrawn": len(done.changes.withdrawn),
    }


def _entry(what: str, schedule: Schedule, done: Derived, visits_kept: int = 0) -> Entry:
    return Entry(
        event_type=f"schedule.{what}",
        entity_type="schedule",
        entity_id=schedule.schedule_id,
        details={
            "provider_id": schedule.provider_id,
            "version": schedule.version,
            "slots_added": len(done.changes.created),
            "slots_withdrawn": len(done.changes.withdrawn),
            "visits_kept": visits_kept,
        },
    )
