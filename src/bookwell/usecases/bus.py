"""Every event of the log to the bus, in its order: read, publish, and only then move the bookmark.

Any number of workers do this. A brand is one publisher's at a time, by a lease; a publisher that
was killed leaves at most one batch of which the bookmark does not know, and the next one publishes
it again, which JetStream drops by the events' ids.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from secrets import token_hex
from typing import Protocol

import structlog
from msgspec import Struct, field

from bookwell.domain.envelopes import LoggedEvent
from bookwell.domain.errors import BookwellError
from bookwell.gateways.bus import BusUnavailable, Outcome
from bookwell.storage import bus as bookmarks
from bookwell.storage import event_log
from bookwell.storage.bus import Bookmark
from bookwell.storage.database import Database

# Also without a notice: announcements can be lost.
IDLE_SECONDS = 1.0
# After a failure the next try comes so soon; nothing waits for long once the bus is back.
AGAIN_SECONDS = 0.5
# The same trouble is told again so often, and so many brands are named.
TELL_SECONDS = 60.0
TELL_BRANDS_MAX = 20
# In place of a brand's id, where a trouble is no brand's own.
EVERY_BRAND = ""
BATCH_EVENTS = 500
# How many are on their way together when all is well; after a failure one goes ahead alone.
WINDOW_MAX = 256
# What is asked of PostgreSQL besides publishing may fail, and takes no longer.
ASIDE_SECONDS = 2.0

_log = structlog.get_logger("bookwell.bus")


class NotPublished(BusUnavailable):
    """The bus is there, and did not take some brands' events: the causes by brand."""

    def __init__(self, causes: dict[str, str]) -> None:
        super().__init__(next(iter(causes.values())))
        self.causes = causes


class Publishing(Protocol):
    """What is asked of the bus; see gateways.bus.Bus."""

    async def open(self) -> None: ...

    async def publish(self, events: Sequence[LoggedEvent]) -> list[Outcome]: ...

    async def make_stream(self) -> None: ...

    async def close(self) -> None: ...


class _Line(Struct):
    """What a publisher knows of a brand besides the bookmark.

    `ahead` are places beyond a hole that are in the stream already.
    """

    window: int = WINDOW_MAX
    ahead: set[int] = field(default_factory=set)


class Publisher:
    """Publishes what waits, for as long as the worker lives. Nothing but cancelling ends it."""

    def __init__(self, database: Database, bus: Publishing) -> None:
        self._database = database
        self._bus = bus
        self._name = token_hex(8)
        self._is_woken = asyncio.Event()
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)
        # When this cause was last told of this brand; cleared when all is well again.
        self._told_at: dict[tuple[str, str], float] = {}

    def wake(self, _notice: str = "") -> None:
        """There are new events, it is said."""
        self._is_woken.set()

    async def publish(self) -> None:
        """Publish until cancelled."""
        try:
            while True:
                self._is_woken.clear()
                is_well = await self._try()
                _heed_cancelling()
                if not is_well:
                    await asyncio.sleep(AGAIN_SECONDS)
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await self._is_woken.wait()
        finally:
            await self._leave()

    async def publish_waiting(self) -> None:
        """Publish what waits now and is nobody else's.

        Raises:
            NotPublished: The bus did not take something.
            BusUnavailable: The bus is away.
            DatabaseUnavailable: PostgreSQL is away.
        """
        await self._bus.open()
        failed: dict[str, str] = {}
        while claimed := await self._claim(set_aside=list(failed)):
            _heed_cancelling()
            causes = await asyncio.gather(*(self._publish_of(each) for each in claimed))
            for bookmark, cause in zip(claimed, causes, strict=True):
                if cause is not None:
                    failed[bookmark.brand_id] = cause
        if failed:
            raise NotPublished(failed)

    async def _try(self) -> bool:
        try:
            await self.publish_waiting()
        except NotPublished as error:
            await self._tell(error.causes)
            await self._release()
        except BusUnavailable as error:
            await self._tell({EVERY_BRAND: error.cause})
            # Another worker may reach the bus where this one does not.
            await self._release()
        except BookwellError as error:
            await self._tell({EVERY_BRAND: error.code})
        except Exception as error:  # noqa: BLE001 - whatever it is, the next try may do better
            await self._tell({EVERY_BRAND: type(error).__name__})
        else:
            if self._told_at:
                self._told_at.clear()
                _log.warning("bus_published_again")
            return True
        return False

    async def _claim(self, *, set_aside: list[str]) -> list[Bookmark]:
        async with self._database.reading() as connection:
            return await bookmarks.claim(connection, publisher=self._name, set_aside=set_aside)

    async def _publish_of(self, bookmark: Bookmark) -> str | None:
        """Publish a batch, and answer why it could not be completed, if so."""
        try:
            return await self._publish_batch(bookmark, self._lines[bookmark.brand_id])
        except BusUnavailable as error:
            return error.cause
        except BookwellError as error:
            return error.code

    async def _publish_batch(self, bookmark: Bookmark, line: _Line) -> str | None:
        async with self._database.reading() as connection:
            page = await event_log.read_page(
                connection,
                brand_id=bookmark.brand_id,
                after=bookmark.position,
                event_types=None,
                visit_id=None,
                patient_id=None,
                row_limit=BATCH_EVENTS,
            )
        line.ahead = {place for place in line.ahead if place > bookmark.position}
        waiting = [event for event in page.events if event.position not in line.ahead]
        cause: str | None = None
        while waiting and cause is None:
            group = together(waiting, limit=line.window)
            waiting = waiting[len(group) :]
            cause = await self._publish_group(line, group)
        hole = next((e.position for e in page.events if e.position not in line.ahead), None)
        reached = page.read_to if hole is None else hole - 1
        if reached > bookmark.position:
            moved = Bookmark(bookmark.brand_id, reached)
            async with self._database.reading() as connection:
                await bookmarks.move(connection, moved, publisher=self._name)
        return cause

    async def _publish_group(self, line: _Line, group: list[LoggedEvent]) -> str | None:
        outcomes = await self._bus.publish(group)
        causes = [outcome.cause for outcome in outcomes if outcome.cause is not None]
        line.ahead |= {
            event.position
            for event, outcome in zip(group, outcomes, strict=True)
            if outcome.cause is None
        }
        if not causes:
            line.window = min(2 * line.window, WINDOW_MAX)
            return None
        line.window = 1
        if "no_stream" in causes:
            await self._bus.make_stream()
        return causes[0]

    async def _tell(self, causes: dict[str, str]) -> None:
        """Log a new trouble of a brand, or of all, at once, and one that lasts once a minute."""
        now = asyncio.get_running_loop().time()
        for cause in dict.fromkeys(causes.values()):
            brands = [brand_id for brand_id, its_cause in causes.items() if its_cause == cause]
            told_at = [self._told_at.get((cause, brand_id), -inf) for brand_id in brands]
            if now - min(told_at) < TELL_SECONDS:
                continue
            self._told_at |= {(cause, brand_id): now for brand_id in brands}
            named = await self._waiting() if brands == [EVERY_BRAND] else sorted(brands)
            _log.warning(
                "bus_not_published",
                cause=cause,
                brand_ids=named[:TELL_BRANDS_MAX],
                brand_count=len(named),
            )

    async def _waiting(self) -> list[str]:
        """The brands whose events wait, as far as PostgreSQL can be asked."""
        with suppress(Exception):
            async with asyncio.timeout(ASIDE_SECONDS), self._database.reading() as connection:
                return await bookmarks.waiting(connection)
        return []

    async def _release(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(ASIDE_SECONDS), self._database.reading() as connection:
                await bookmarks.release(connection, publisher=self._name)

    async def _leave(self) -> None:
        await self._release()
        await self._bus.close()


def _heed_cancelling() -> None:
    """Be cancelled now, if that was asked for and swallowed.

    nats-py does so here and there, and so does `asyncio.wait_for`, which it uses, before Python
    3.12. Whoever goes on instead never ends, and neither does the worker.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def together(events: Sequence[LoggedEvent], *, limit: int) -> list[LoggedEvent]:
    """The first events that may be on their way together: no two of one visit (slot, booking, …).

    Where the bus refuses one and takes the next, no visit's events change their order.
    """
    seen: set[str] = set()
    group: list[LoggedEvent] = []
    for event in events[:limit]:
        if event.entity_id in seen:
            break
        seen.add(event.entity_id)
        group.append(event)
    return group
