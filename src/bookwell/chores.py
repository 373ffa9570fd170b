"""What a service does beside answering requests, again and again while it runs.

What is cheap and near the truth each worker does (holds end, events are numbered), the rest a
courier (`courier.py`). Any number of either may: each chore shares its work in PostgreSQL, by locks
or by leases.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import structlog

from bookwell.domain.errors import BookwellError
from bookwell.logs import places_of
from bookwell.storage import event_log, event_retention, idempotency
from bookwell.storage import holds as hold_rows
from bookwell.storage.database import Database
from bookwell.storage.derivation import Due
from bookwell.storage.hearing import Hearing
from bookwell.storage.numbering import Numbering
from bookwell.usecases import derivation

# Idempotency keys are kept for a day; a minute more harms nobody.
SWEEP_SECONDS = 60.0
# Readers see a hold end to the second; its event follows within this.
EXPIRE_SECONDS = 1.0
# A change of a visit type is in the slots within this and what deriving takes.
DERIVE_SECONDS = 1.0
# A slot that nobody offers any more may be free for this long after its visit was cancelled.
RECALL_SECONDS = 5.0
# An event is in the log, and announced, this long after its change at most, while all is well.
NUMBER_SECONDS = 0.05
# Where it cannot be done now, the log of the service should not fill with that.
NUMBER_AGAIN_SECONDS = 1.0

_log = structlog.get_logger("bookwell.app")


class Chores:
    """Tasks that end when `stack` is closed."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    def keep_doing(
        self,
        what: str,
        work: Callable[[], Awaitable[None]],
        *,
        every: float,
        after_failure: float | None = None,
    ) -> None:
        """Do this again and again; a failure is logged and tried again later.

        `every` and `after_failure` are the seconds in between; `every` is also used for both.
        """

        async def forever() -> None:
            pause = every
            while True:
                await asyncio.sleep(pause)
                pause = every if after_failure is None else after_failure
                try:
                    await work()
                    pause = every
                except BookwellError as error:
                    _log.warning("chore_failed", chore=what, cause=error.code)
                except Exception:  # noqa: BLE001 - a chore that fails must not end the others
                    _log.exception("chore_failed", chore=what)

        self.keep(forever())

    def close_at_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call this at the end, after all that is begun later has ended."""
        self._stack.push_async_callback(close)

    def keep(self, work: Coroutine[object, object, None]) -> None:
        """Run this until the end."""
        task = asyncio.ensure_future(work)

        async def stop() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        self._stack.push_async_callback(stop)


def keep_holds_ended(chores: Chores, database: Database) -> None:
    """Holds that are past end, and say so."""

    async def expire_holds() -> None:
        async with database.reading() as connection:
            while await hold_rows.sweep(connection) == hold_rows.SWEEP_ROWS_MAX:
                pass

    chores.keep_doing("expire_holds", expire_holds, every=EXPIRE_SECONDS)


def keep_keys_short(chores: Chores, database: Database) -> None:
    """Idempotency keys that are too old are forgotten."""

    async def sweep() -> None:
        async with database.reading() as connection:
            await idempotency.sweep(connection)

    chores.keep_doing("sweep_idempotency_keys", sweep, every=SWEEP_SECONDS)


def keep_events_numbered(chores: Chores, database: Database) -> None:
    """Committed events get their places in the log, and endpoints their deliveries."""
    numbering = Numbering()

    async def number() -> None:
        async with database.reading() as connection:
            await numbering.number(connection)

    chores.keep_doing(
        "number_events", number, every=NUMBER_SECONDS, after_failure=NUMBER_AGAIN_SECONDS
    )


def hear_events(chores: Chores, database_url: str) -> Hearing:
    """The process's one ear for new events in the log; `tell` it who else wants to know."""
    hearing = Hearing(database_url, event_log.EVENTS_CHANNEL, what="events")
    chores.keep(hearing.listen())
    return hearing


def keep_log_short(
    chores: Chores, database: Database, *, kept_for: timedelta, is_published: bool
) -> None:
    """Events that are too old leave the log, each brand's in small steps."""

    async def sweep() -> None:
        async with database.reading() as connection:
            await event_retention.give_up(connection, kept_for=kept_for)
            brand_ids = await event_retention.list_old(connection, kept_for=kept_for)
            await event_retention.sweep_tests(connection, kept_for=kept_for)
        for brand_id in brand_ids:
            gone = event_retention.SWEEP_ROWS_MAX
            while gone == event_retention.SWEEP_ROWS_MAX:
                async with database.reading() as connection:
                    gone = await event_retention.sweep(
                        connection, brand_id=brand_id, kept_for=kept_for, is_published=is_published
                    )

    chores.keep_doing("sweep_events", sweep, every=SWEEP_SECONDS)


def keep_slots_derived(chores: Chores, database: Database, *, horizon: timedelta) -> None:
    """Slots out of schedules, as far ahead as the horizon; what cannot be derived is logged."""

    def note(due: Due, error: Exception) -> None:
        known = error if isinstance(error, BookwellError) else None
        _log.error(
            "derivation_failed",
            brand_id=due.brand_id,
            provider_id=due.provider_id,
            cause=known.code if known else type(error).__name__,
            where=None if known else places_of(error.__traceback__),
        )

    chores.keep_doing(
        "derive_slots",
        lambda: derivation.derive_due(database, horizon=horizon, note=note),
        every=DERIVE_SECONDS,
    )
    chores.keep_doing(
        "recall_freed_slots",
        lambda: derivation.recall_freed_slots(database),
        every=RECALL_SECONDS,
    )
