"""Slots made anew after the world's clocks were changed by law, and what that moved.

A rule is kept as wall time, so other zone data make other instants of it. Nobody's visit is moved:
those that no longer lie where the wall clock says are told, and people decide.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import NamedTuple

from bookwell.domain.callers import Call
from bookwell.domain.catalog import Provider
from bookwell.domain.wall_time import ZONE_DATA_VERSION
from bookwell.storage import catalog, derivation, schedules
from bookwell.storage.database import Database
from bookwell.storage.schedules import VisitAhead
from bookwell.storage.statements import AnyConnection
from bookwell.usecases.derivation import derive

_PAGE_ROWS = 500


class Moved(NamedTuple):
    """What it came to for one provider; `visits` no longer lie where the wall clock says."""

    provider_id: str
    slots_added: int
    slots_withdrawn: int
    time_off_moved: int
    visits: list[VisitAhead]


async def rederive(
    database: Database,
    call: Call,
    *,
    provider_id: str | None,
    also_current: bool,
    is_trial: bool,
    horizon: timedelta,
) -> AsyncIterator[Moved]:
    """Derive the brand's slots anew where they were made with other zone data; or all of them.

    Each provider is a transaction. A trial changes nothing.

    Raises:
        NotFound: The provider that was named does not work for the brand.
    """
    async for provider in _outdated(database, call, provider_id, also_current=also_current):
        # A look changes nothing, so it needs no lock.
        unit = database.reading() if is_trial else database.transaction(call)
        async with unit as connection:
            moved = await _one(connection, provider, is_trial=is_trial, horizon=horizon)
        yield moved


async def _one(
    connection: AnyConnection, provider: Provider, *, is_trial: bool, horizon: timedelta
) -> Moved:
    if not is_trial:
        await catalog.lock_provider(connection, provider)
    done = await derive(connection, provider, horizon=horizon, is_trial=is_trial)
    left = set(done.left_ids)
    visits = await schedules.visits_ahead(connection, provider) if left else []
    return Moved(
        provider_id=provider.provider_id,
        slots_added=len(done.changes.created),
        slots_withdrawn=len(done.changes.withdrawn),
        time_off_moved=done.moved_time_off,
        visits=[visit for visit in visits if visit.slot_id in left],
    )


async def _outdated(
    database: Database, call: Call, provider_id: str | None, *, also_current: bool
) -> AsyncIterator[Provider]:
    """The brand's providers with derived slots that are to be made anew, by id."""
    if provider_id is not None:
        async with database.reading() as connection:
            await catalog.get_clinician(connection, brand_id=call.brand_id, provider_id=provider_id)
    after_id: str | None = ""
    while after_id is not None:
        async with database.reading() as connection:
            found = await derivation.list_outdated(
                connection,
                brand_id=call.brand_id,
                provider_id=provider_id,
                zone_data=None if also_current else ZONE_DATA_VERSION,
                after_id=after_id,
                row_limit=_PAGE_ROWS,
            )
            providers = [
                await catalog.get_clinician(connection, brand_id=call.brand_id, provider_id=each)
                for each in found
            ]
        for provider in providers:
            yield provider
        after_id = found[-1] if len(found) == _PAGE_ROWS else None
