"""When a provider is away: whole days, parts of a day, or weeks."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bookwell.domain.affected import overtaken
from bookwell.domain.callers import Call
from bookwell.domain.catalog import Provider
from bookwell.domain.errors import InvalidInput
from bookwell.domain.events import TimeOffAdded, TimeOffRemoved
from bookwell.domain.ids import TIME_OFF, new_id
from bookwell.domain.intervals import Interval
from bookwell.domain.schedules import TimeOff, instants_of
from bookwell.storage import catalog, journal, schedules
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.storage.schedules import Affiliated
from bookwell.storage.statements import AnyConnection
from bookwell.usecases.derivation import Derived, derive
from bookwell.usecases.paging import FAR_PAST, Page
from bookwell.usecases.schedules import Upkeep, locked_clinician, refuse_to_leave
from bookwell.usecases.slots import refuse_patients

# Beyond it a list of what is still to come is no longer read as a whole.
TIME_OFF_MAX = 1_000

# What `instants_of` calls the two times, and what the request does.
_FIELDS = {"start_time": "from", "end_time": "until"}


class Away(NamedTuple):
    """From one wall time to another; without a zone, in that of the provider's schedule."""

    wall_from: datetime
    wall_until: datetime
    time_zone: str | None


async def add_time_off(
    database: Database, call: Call, provider_id: str, away: Away, upkeep: Upkeep
) -> TimeOff:
    """Say when the provider is away from the brand; their free slots of that time are withdrawn.

    Raises:
        InvalidInput: The times are not such, or there is no schedule to take the zone from.
        NotFound: No such provider works for the brand.
        VisitsAffected: Visits lie in that time.
    """
    refuse_patients(call)
    async with database.transaction(call) as connection:
        provider = await locked_clinician(connection, call, provider_id)
        time_zone = away.time_zone or await _zone_of(connection, provider)
        during = _instants_of(away, time_zone)
        now = await journal.now(connection)
        if during.ends_at <= now:
            raise InvalidInput("until must not be in the past.", field="until")
        others = await schedules.list_time_off(
            connection, provider, after=(now, ""), row_limit=TIME_OFF_MAX
        )
        if len(others) >= TIME_OFF_MAX:
            raise InvalidInput(
                f"A provider has {TIME_OFF_MAX} times off ahead in a brand at most.", field="from"
            )
        kept = await _leave_nobody_behind(connection, provider, during, others, upkeep)
        added, change = await enter(
            connection,
            provider,
            TimeOff(
                time_off_id=new_id(TIME_OFF),
                brand_id=provider.brand_id,
                provider_id=provider.provider_id,
                wall_from=away.wall_from,
                wall_until=away.wall_until,
                time_zone=time_zone,
                starts_at=during.starts_at,
                ends_at=during.ends_at,
                created_at=now,
            ),
            horizon=upkeep.horizon,
            visits_kept=kept,
        )
        await journal.record(connection, call, change.entry, fact=change.fact, answer=added)
    return added


async def enter(
    connection: AnyConnection,
    provider: Affiliated,
    off: TimeOff,
    *,
    horizon: timedelta,
    visits_kept: int,
) -> tuple[TimeOff, journal.Change]:
    """Keep the time off and derive the provider's slots; the caller writes the journal.

    The caller holds the provider's lock.
    """
    added = await schedules.add_time_off(connection, provider, off)
    done = await derive(connection, provider, horizon=horizon)
    return added, journal.Change(
        entry=_entry("added", added, done, visits_kept=visits_kept),
        fact=TimeOffAdded(
            slots_withdrawn=len(done.changes.withdrawn),
            added_at=added.created_at,
            **_facts(added),
        ),
    )


async def list_time_off(
    database: Database,
    call: Call,
    provider_id: str,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Page[TimeOff]:
    """A page of the provider's time off from the brand, what ends first before others.

    Raises:
        NotFound: No such provider works for the brand.
    """
    async with database.reading() as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        found = await schedules.list_time_off(
            connection, provider, after=after or (FAR_PAST, ""), row_limit=limit + 1
        )
    return Page.cut(found, limit, lambda off: (off.ends_at, off.time_off_id))


async def remove_time_off(
    database: Database, call: Call, provider_id: str, time_off_id: str, upkeep: Upkeep
) -> TimeOff:
    """The provider is there after all, and the schedule offers that time again.

    Raises:
        NotFound: The provider has no such time off from the brand.
    """
    refuse_patients(call)
    async with database.transaction(call) as connection:
        provider = await locked_clinician(connection, call, provider_id)
        removed = await schedules.get_time_off(connection, provider, time_off_id)
        await schedules.remove_time_off(connection, provider, time_off_id)
        done = await derive(connection, provider, horizon=upkeep.horizon)
        await journal.record(
            connection,
            call,
            _entry("removed", removed, done),
            fact=TimeOffRemoved(
                slots_added=len(done.changes.created),
                removed_at=await journal.now(connection),
                **_facts(removed),
            ),
            sequence=2,
            answer=removed,
        )
    return removed


async def _zone_of(connection: AnyConnection, provider: Provider) -> str:
    found = await schedules.list_of(connection, provider, row_limit=1)
    if not found:
        raise InvalidInput(
            "time_zone is required while the provider has no schedule.", field="time_zone"
        )
    return found[0].time_zone


def _instants_of(away: Away, time_zone: str) -> Interval:
    try:
        return instants_of(away.wall_from, away.wall_until, time_zone)
    except InvalidInput as error:
        message = error.message
        for ours, theirs in _FIELDS.items():
            message = message.replace(ours, theirs)
        field = error.facts["field"]
        raise InvalidInput(message, field=_FIELDS.get(field, field)) from error


async def _leave_nobody_behind(
    connection: AnyConnection,
    provider: Provider,
    during: Interval,
    others: list[TimeOff],
    upkeep: Upkeep,
) -> int:
    """How many visits lie in it because the caller wants so; raises VisitsAffected otherwise."""
    visits = await schedules.visits_ahead(connection, provider)
    behind = overtaken(
        [visit.during for visit in visits],
        [Interval(off.starts_at, off.ends_at) for off in others],
        during,
    )
    left = [visit for visit in visits if visit.during in behind]
    if not upkeep.keep_visits:
        refuse_to_leave(left)
    return len(left)


def _facts(off: TimeOff) -> dict[str, Any]:
    return {
        "time_off_id": off.time_off_id,
        "provider_id": off.provider_id,
        "brand_id": off.brand_id,
        "time_off_start": off.starts_at,
        "time_off_end": off.ends_at,
    }


def _entry(what: str, off: TimeOff, done: Derived, *, visits_kept: int = 0) -> Entry:
    return Entry(
        event_type=f"time_off.{what}",
        entity_type="time_off",
        entity_id=off.time_off_id,
        details={
            "provider_id": off.provider_id,
            "slots_added": len(done.changes.created),
            "slots_withdrawn": len(done.changes.withdrawn),
            "visits_kept": visits_kept,
        },
    )
