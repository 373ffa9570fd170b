"""The open times of a provider's day, looked up again whenever they may have changed.

One search for all who watch the same day, and the search is that of GET /v1/slots, so what is shown
may be booked. A change is heard through the events that name the provider, of whatever brand. What
has no event (a notice limit that passes, slots that are derived) is found by looking now and then.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime

import structlog
from msgspec import Struct

from bookwell.chance import CHANCE
from bookwell.domain.callers import Call
from bookwell.domain.errors import BookwellError, Refused
from bookwell.domain.intervals import Interval
from bookwell.domain.wall_time import MIDNIGHT, intervals_on, zone_named
from bookwell.logs import places_of
from bookwell.storage import catalog
from bookwell.storage.database import Database
from bookwell.usecases import search
from bookwell.usecases.live_events import EventHub, Message
from bookwell.usecases.paging import FAR_PAST
from bookwell.usecases.search import SearchAsked
from bookwell.usecases.streaming import Ending, Over, StreamOver

# What has no event is seen this late at most; each watch has its own within these.
RELOOK_SECONDS = (15.0, 30.0)
# A change is often several events; they are heard within this.
SETTLE_SECONDS = 0.02
AGAIN_SECONDS = 1.0
# Searches at once: the pool is there for those who book.
SEARCHES_MAX = 2
_PAGE_MAX = 1000

_log = structlog.get_logger("bookwell.live")


class Watched(Struct, frozen=True, kw_only=True):
    """A day of a provider's as somebody sees it. A patient has caps and a region of their own."""

    brand_id: str
    provider_id: str
    day: date
    time_zone: str
    visit_type: str | None
    patient_id: str | None


@dataclass(slots=True, eq=False)
class _Watch:
    """What is known of a day that somebody watches. A hearer of its provider's brands."""

    watched: Watched
    call: Call
    streams: "dict[AvailabilityStream, None]" = field(default_factory=dict)
    told: bytes | None = None
    is_refused: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    def hear(self, messages: Sequence[Message]) -> None:
        if any(message.provider_id == self.watched.provider_id for message in messages):
            self.wake.set()

    def miss(self) -> None:
        self.wake.set()


class AvailabilityHub:
    """One worker's watches. `write` makes of the open times what is sent of them."""

    def __init__(
        self,
        database: Database,
        events: EventHub,
        write: Callable[[Watched, Sequence[Interval]], bytes],
        *,
        relook_seconds: tuple[float, float] = RELOOK_SECONDS,
    ) -> None:
        self._database = database
        self._events = events
        self._write = write
        self._relook_seconds = relook_seconds
        self._watches: dict[Watched, _Watch] = {}
        self._first_looks: dict[Watched, asyncio.Task[bytes]] = {}
        self._turns = asyncio.Semaphore(SEARCHES_MAX)

    async def open_stream(self, call: Call, watched: Watched, beat: bytes) -> "AvailabilityStream":
        """The day's open times, and again whenever they are others.

        Raises:
            InvalidInput: The brand has no such visit type, or no such time zone.
            NotFound: The provider does not work for the brand.
        """
        watch = self._watches.get(watched)
        told = None if watch is None else watch.told
        if told is None:
            told = await self._first_look(call, watched)
        return AvailabilityStream(self, call, watched, told, beat)

    @asynccontextmanager
    async def watching(self, stream: "AvailabilityStream") -> AsyncIterator[_Watch]:
        """Keep the stream's day watched meanwhile."""
        watch = self._watches.get(stream.watched)
        if watch is None:
            watch = self._watches[stream.watched] = _Watch(stream.watched, stream.call)
            watch.task = asyncio.create_task(self._keep(watch))
        watch.streams[stream] = None
        try:
            yield watch
        finally:
            del watch.streams[stream]
            if not watch.streams and watch.task is not None:
                del self._watches[stream.watched]
                watch.task.cancel()

    async def _first_look(self, call: Call, watched: Watched) -> bytes:
        """Look, together with all who ask for the same at this moment."""
        looking = self._first_looks.get(watched)
        if looking is None:
            looking = asyncio.create_task(self._look(call, watched))
            self._first_looks[watched] = looking
            looking.add_done_callback(lambda done: self._looked(watched, done))
        return await asyncio.shield(looking)

    def _looked(self, watched: Watched, done: "asyncio.Task[bytes]") -> None:
        del self._first_looks[watched]
        if not done.cancelled():
            done.exception()  # told to those who wait, if any still do

    async def _keep(self, watch: _Watch) -> None:
        while not watch.is_refused:
            try:
                await self._keep_looking(watch)
            except Refused:
                watch.is_refused = True
            except BookwellError as error:
                _log.warning("availability_unread", cause=error.code)
            except Exception as error:  # noqa: BLE001 - the streams go on when the next look is well
                _log.error(
                    "availability_unread",
                    cause=type(error).__name__,
                    where=places_of(error.__traceback__),
                )
            _wake(watch)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _keep_looking(self, watch: _Watch) -> None:
        async with AsyncExitStack() as stack:
            async with self._database.reading() as connection:
                brands = await catalog.brands_of_provider(connection, watch.watched.provider_id)
            for brand_id in brands:
                await stack.enter_async_context(self._events.hearing(brand_id, watch))
            while True:
                watch.wake.clear()
                found = await self._look(watch.call, watch.watched)
                if found != watch.told:
                    watch.told = found
                    _wake(watch)
                with suppress(TimeoutError):
                    async with asyncio.timeout(CHANCE.uniform(*self._relook_seconds)):
                        await watch.wake.wait()
                await asyncio.sleep(SETTLE_SECONDS)

    async def _look(self, call: Call, watched: Watched) -> bytes:
        day = intervals_on(watched.day, MIDNIGHT, MIDNIGHT, zone_named(watched.time_zone))
        if not day:  # the clocks of the zone never showed it
            return self._write(watched, [])
        asked = SearchAsked(
            visit_type=watched.visit_type,
            provider_ids=(watched.provider_id,),
            from_at=day[0].starts_at,
            until_at=day[-1].ends_at,
        )
        times: dict[Interval, None] = {}
        after: tuple[datetime, str] | None = (FAR_PAST, "")
        while after is not None:
            async with self._turns:
                offered = await search.find_slots(
                    self._database, call, asked, after=after, limit=_PAGE_MAX
                )
            slots = offered.page.items
            times |= dict.fromkeys(Interval(slot.starts_at, slot.ends_at) for slot in slots)
            after = None if offered.page.next_key is None else slots[-1].key
        return self._write(watched, sorted(times))


class AvailabilityStream:
    """What one caller is sent of a day: the times as they are, and never one that is past."""

    def __init__(
        self, hub: AvailabilityHub, call: Call, watched: Watched, told: bytes, beat: bytes
    ) -> None:
        self.call = call
        self.watched = watched
        self._hub = hub
        self._told = told
        self._beat = beat
        self._is_nudged = False
        self.wake = asyncio.Event()

    async def messages(self, _over: Over) -> AsyncGenerator[bytes, None]:
        """The times at once, and again whenever they are others.

        Raises:
            StreamOver: Who asks for this now is refused.
        """
        async with self._hub.watching(self) as watch:
            yield self._told
            while True:
                self.wake.clear()
                if watch.is_refused:
                    raise StreamOver(Ending.REFUSED)
                if watch.told is not None and watch.told != self._told:
                    self._told = watch.told
                    yield self._told
                elif self._is_nudged:
                    self._is_nudged = False
                    yield self._beat
                else:
                    await self.wake.wait()

    def nudge(self) -> None:
        """Have something sent soon, though there is nothing to say."""
        self._is_nudged = True
        self.wake.set()


def _wake(watch: _Watch) -> None:
    for stream in watch.streams:
        stream.wake.set()
