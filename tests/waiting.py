"""Waiting for what the database itself can see, instead of for a while."""

import asyncio
from collections.abc import Callable

from world import World

# Below the service's lock timeout of 5 s.
PATIENCE_SECONDS = 4.0


async def until(is_so: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Return when it is so; TimeoutError when it does not become so."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(is_so):
            await asyncio.sleep(0.01)


async def sessions_wait_for_locks(world: World, number: int) -> None:
    """Return when so many sessions of the service wait for a lock."""

    def so_many_wait() -> bool:
        ((waiting,),) = world.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'bookwell' AND wait_event_type = 'Lock'"
        )
        return waiting == number

    await until(so_many_wait)
