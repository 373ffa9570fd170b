"""Slots out of schedules: made far ahead, and made anew when something they come of has changed.

One transaction per provider and brand. It locks the provider first, as everybody does who touches
their time, so nobody books a slot while it is withdrawn.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from bookwell.domain.callers import Call, operator
from bookwell.domain.derivation import Changes, Offer, changes, offers
from bookwell.domain.errors import InvalidInput
from bookwell.domain.ids import REQUEST, new_id
from bookwell.domain.intervals import Interval
from bookwell.domain.schedules import Opened, TimeOff, instants_of, opened
from bookwell.domain.visit_types import Terms
from bookwell.domain.wall_time import ZONE_DATA_VERSION
from bookwell.storage import derivation, journal, schedules, visit_types
from bookwell.storage.database import Database
from bookwell.storage.derivation import Due, State, Stored
from bookwell.storage.schedules import Affiliated
from bookwell.storage.statements import AnyConnection

# How often each provider's slots are made for one more day.
ROLL = timedelta(days=1)
# A provider's slots for a brand: twenty a day for each of four lengths, over two years. More would
# hold up everybody else for a second, and is a grid of minutes by mistake.
SLOTS_MAX = 60_000
# While PostgreSQL writes one provider's slots, the next one's are made.
AT_ONCE = 2
# How long a provider whose slots could not be derived waits before the next try.
RETRY = timedelta(minutes=5)
# More than anybody has; all of them are read each time.
_ROWS_MAX = 10_000


class Derived(NamedTuple):
    """What a derivation came to. `left_ids` are slots that lost their place and have a visit."""

    changes: Changes
    left_ids: list[str]
    moved_time_off: int


NOTHING = Derived(Changes([], [], [], []), [], 0)


class _Plan(NamedTuple):
    """What is to be derived: the slots that begin in `window`, with this zone data."""

    window: Interval
    zone_data: str


async def derive(
    connection: AnyConnection,
    provider: Affiliated,
    *,
    horizon: timedelta,
    only_if_due: bool = False,
    is_trial: bool = False,
) -> Derived:
    """Make the provider's slots for the brand what the schedules say, as far ahead as `horizon`.

    The caller holds the provider's lock. A trial writes nothing. Where no more has happened than
    that a day went by, only that day's slots are made.

    Raises:
        InvalidInput: The schedules offer more slots than `SLOTS_MAX`.
    """
    state = await derivation.state_of(connection, provider)
    if state is None or (only_if_due and not state.is_due):
        return NOTHING
    now = await journal.now(connection)
    plan = _plan(state, now=now, horizon=horizon, may_roll=only_if_due)
    away = await schedules.list_time_off(
        connection, provider, after=(plan.window.starts_at, ""), row_limit=_ROWS_MAX
    )
    moved = _moved(away) if state.zone_data != plan.zone_data else {}
    if moved and not is_trial:
        await schedules.move_time_off(connection, provider, list(moved.items()))
    known = await schedules.list_of(connection, provider, row_limit=_ROWS_MAX)
    hours = opened(known, plan.window)
    terms = await visit_types.terms_of_brand(connection, provider.brand_id, provider.provider_no)
    _refuse_too_many(hours, terms)
    wanted = offers(
        hours,
        terms,
        [moved.get(off.time_off_id) or Interval(off.starts_at, off.ends_at) for off in away],
        plan.window,
    )
    stored = await derivation.stored_slots(connection, provider, plan.window)
    found = changes(wanted, stored.slots)
    if not is_trial:
        await derivation.write(
            connection,
            provider,
            changes=found,
            marked_ids=_marked(wanted, found, stored),
            state=state,
            derived_until=plan.window.ends_at,
            zone_data=plan.zone_data,
            again_after=ROLL,
        )
    left = [slot_id for slot_id in found.left if slot_id not in stored.waiting_ids]
    return Derived(found, left, len(moved))


async def derive_due(
    database: Database, *, horizon: timedelta, note: Callable[[Due, Exception], None]
) -> None:
    """Derive whatever is due, of every brand. Any number of workers may do so at once.

    A provider with whom it fails is told to `note`, and tried again later; the others go on.
    """

    async def derive_all() -> None:
        while await _derive_next(database, horizon=horizon, note=note):
            pass

    if await _derive_next(database, horizon=horizon, note=note):
        ended = await asyncio.gather(
            *(derive_all() for _ in range(AT_ONCE)), return_exceptions=True
        )
        for error in ended:
            if error is not None:
                raise error


async def recall_freed_slots(database: Database) -> None:
    """See that slots which waited for their visits to end are looked at, now that these have."""
    async with database.reading() as connection:
        await derivation.recall_freed(connection)


async def _derive_next(
    database: Database, *, horizon: timedelta, note: Callable[[Due, Exception], None]
) -> bool:
    """Derive one; whether there was one."""
    due = None
    try:
        async with database.transaction(_OWN_CALL) as connection:
            due = await derivation.lock_next_due(connection)
            if due is not None:
                await derive(connection, due, horizon=horizon, only_if_due=True)
    except Exception as error:  # one provider's failure must not stop the others
        if due is None:
            raise
        note(due, error)
        async with database.reading() as connection:
            await derivation.put_off(connection, due, RETRY)
    return due is not None


_OWN_CALL = Call(caller=operator("derivation"), brand_id="*", request_id=new_id(REQUEST))


def _plan(state: State, *, now: datetime, horizon: timedelta, may_roll: bool) -> _Plan:
    """All from now on; or what follows the last one, where only time has passed since."""
    until_at = now + horizon
    if state.derived_at is None or state.derived_until is None or state.zone_data is None:
        return _Plan(Interval(now, until_at), ZONE_DATA_VERSION)
    only_time_passed = state.due_at == state.derived_at + ROLL
    if may_roll and only_time_passed and now < state.derived_until < until_at:
        return _Plan(Interval(state.derived_until, until_at), state.zone_data)
    # A shorter horizon than before takes nothing back.
    return _Plan(Interval(now, max(until_at, state.derived_until)), ZONE_DATA_VERSION)


def _refuse_too_many(hours: Iterable[Opened], terms: Mapping[str, Terms]) -> None:
    """Raise InvalidInput where more starts lie in the hours than one call should make slots of."""
    starts = 0
    for one in hours:
        grids = {
            (its.duration_minutes, its.grid_minutes)
            for visit_type, its in terms.items()
            if its.is_offered and (one.visit_types is None or visit_type in one.visit_types)
        }
        starts += sum(one.interval.length // timedelta(minutes=grid) for _, grid in grids)
    if starts > SLOTS_MAX:
        raise InvalidInput(
            f"The schedules offer more than {SLOTS_MAX:,} slots; give the visit types coarser "
            "grids, or open fewer hours.",
            field="rules",
        )


def _moved(away: list[TimeOff]) -> dict[str, Interval]:
    """The time off whose wall times mean other instants than is written, by id."""
    meant = {off.time_off_id: _meaning_of(off) for off in away}
    return {
        off.time_off_id: meant[off.time_off_id]
        for off in away
        if meant[off.time_off_id] != Interval(off.starts_at, off.ends_at)
    }


def _meaning_of(off: TimeOff) -> Interval:
    try:
        return instants_of(off.wall_from, off.wall_until, off.time_zone)
    except InvalidInput:
        # The clock skips all of it now, or the zone is no more; then it stays where it was.
        return Interval(off.starts_at, off.ends_at)


def _marked(wanted: list[Offer], found: Changes, stored: Stored) -> list[str]:
    """Slots that begin to wait for their visits to end, and those that wait no longer.

    One waits where a visit is on it and the schedule offers the time no more, or otherwise.
    """
    taken = [slot for slot in stored.slots if slot.is_taken and slot.rule_id is not None]
    if not taken and not stored.waiting_ids:
        return []
    offered = {(offer.starts_at, offer.ends_at): offer[2:] for offer in wanted}
    waiting = {
        slot.slot_id
        for slot in taken
        if offered.get((slot.starts_at, slot.ends_at)) != (slot.rule_id, slot.visit_types)
    }
    settled = {*found.withdrawn, *(slot_id for slot_id, _ in found.retyped)}
    return sorted((stored.waiting_ids ^ waiting) - settled)
