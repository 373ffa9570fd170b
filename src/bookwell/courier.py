"""What a service does that nobody waits for, in a process beside its workers.

A courier carries facts out (webhooks, the bus, reminders), keeps slots ahead of time, and gives up
what is old. Workers answer requests: what takes a courier's processor for a second must not take
theirs. Any number of couriers share the work in PostgreSQL, by locks and by leases.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from bookwell import logs
from bookwell.chores import (
    Chores,
    hear_events,
    keep_events_numbered,
    keep_keys_short,
    keep_log_short,
    keep_slots_derived,
)
from bookwell.publishing import publish_events
from bookwell.reminding import keep_reminders_short, keep_reminding
from bookwell.sending import send_events, way_out
from bookwell.settings import Settings
from bookwell.storage.database import Database
from bookwell.storage.hearing import Hearing


@asynccontextmanager
async def at_work(settings: Settings) -> AsyncIterator[None]:
    """A courier is at work within the block; the database may come later, go, and come back."""
    assert settings.database_url is not None, "whoever starts a courier has a database"
    async with AsyncExitStack() as stack:
        stack.callback(logs.settle)
        database = await Database.connect(settings.database_url, pool_size=settings.pool_size)
        stack.push_async_callback(database.close)
        chores = Chores(stack)
        # The workers do it too: whoever of them dies, the log goes on.
        keep_events_numbered(chores, database)
        carry(chores, database, hear_events(chores, settings.database_url), settings)
        yield


def carry(chores: Chores, database: Database, heard: Hearing, settings: Settings) -> None:
    """All of a courier's work, from now on. `heard` tells of new events."""
    send_events(chores, database, way_out(chores, settings), heard)
    publish_events(chores, database, heard, settings)
    keep_reminding(chores, database, settings)
    keep_slots_derived(chores, database, horizon=timedelta(days=settings.horizon_days))
    keep_keys_short(chores, database)
    kept_for = timedelta(days=settings.events_kept_days)
    keep_reminders_short(chores, database, kept_for=kept_for)
    keep_log_short(chores, database, kept_for=kept_for, is_published=settings.nats_url is not None)
