"""One caller's stream of events: first what the log has, then what comes, each once and in order.

The hub is heard before the log is read, and what both tell is told once, by its place. What waits
to be sent is bounded: a caller who does not read is cut off, and resumes from the log.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from msgspec import Struct

from bookwell.domain.callers import Call
from bookwell.domain.envelopes import LoggedEvent
from bookwell.storage import catalog, event_log
from bookwell.storage.database import Database
from bookwell.usecases.events import check_place
from bookwell.usecases.live_events import PAGE_MAX, EventHub, Message
from bookwell.usecases.streaming import Ending, Over, StreamOver

# About half a megabyte of events, which all who wait for them share.
WAITING_MAX = 1000


class Wanted(Struct, frozen=True, kw_only=True):
    """Which of a brand's events; None is all."""

    brand_id: str
    event_types: frozenset[str] | None = None
    visit_id: str | None = None
    patient_id: str | None = None

    def accepts(self, message: Message) -> bool:
        return (
            (self.event_types is None or message.event_type in self.event_types)
            and (self.visit_id is None or message.entity_id == self.visit_id)
            and (self.patient_id is None or message.patient_id == self.patient_id)
        )


class Wire(Struct, frozen=True):
    """How an event is written, and how a caller who hears nothing is told that all is well.

    `beat` takes the place up to which there was nothing for them, if they were not told it yet.
    """

    write: Callable[[LoggedEvent], bytes]
    beat: Callable[[int | None], bytes]


async def open_stream(
    database: Database,
    hub: EventHub,
    call: Call,
    *,
    wire: Wire,
    after: int | None,
    named_by: str,
    event_types: Sequence[str] | None,
    visit_id: str | None,
) -> "EventStream":
    """The brand's events after a place in its log, or from now on. A patient's are their own.

    Raises:
        EventsGone: Some of them were too old to be kept.
        InvalidInput: The log does not reach that place, which was `named_by` this field.
        NotFound: There is no such brand.
    """
    async with database.reading() as connection:
        state = await event_log.state_of(connection, brand_id=call.brand_id)
        if state.last_position == 0:
            # Only a log without events can be one of a brand that is none.
            await catalog.get_brand(connection, call.brand_id)
    if after is not None:
        check_place(after, state, field=named_by)
    wanted = Wanted(
        brand_id=call.brand_id,
        event_types=None if event_types is None else frozenset(event_types),
        visit_id=visit_id,
        patient_id=call.patient_id,
    )
    reached = state.last_position if after is None else after
    return EventStream(database, hub, wanted, wire, reached=reached)


class EventStream:
    """What one caller is sent. `reached` is the place up to which they have everything."""

    def __init__(
        self, database: Database, hub: EventHub, wanted: Wanted, wire: Wire, *, reached: int
    ) -> None:
        self._database = database
        self._hub = hub
        self._wanted = wanted
        self._wire = wire
        self._reached = self._told = reached
        self._waiting: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._is_nudged = self._is_missing = False
        # More came than may wait: what is missing now is in the log.
        self._is_behind = False
        self._is_live = self._is_sending = False
        self._over: Over | None = None

    async def messages(self, over: Over) -> AsyncGenerator[bytes, None]:
        """All that is to be sent, in pieces; `over` ends the stream, also while a piece is sent.

        Raises:
            StreamOver: The log was swept further than this caller had read.
        """
        self._over = over
        async with self._hub.hearing(self._wanted.brand_id, self):
            while True:
                self._waiting.clear()
                self._is_behind = self._is_live = False
                async for piece in self._from_log():
                    yield piece
                self._is_live = True
                while not self._is_behind:
                    piece = await self._next()
                    self._is_sending = True
                    yield piece
                    self._is_sending = False

    def nudge(self) -> None:
        """Have something sent soon, though there is nothing to say."""
        self._is_nudged = True
        self._wake.set()

    def hear(self, messages: Sequence[Message]) -> None:
        """Keep what is wanted until it can be sent."""
        self._waiting += [message for message in messages if self._wanted.accepts(message)]
        if not self._waiting:
            self._reached = max(self._reached, messages[-1].position if self._is_live else 0)
            return
        if len(self._waiting) > WAITING_MAX:
            self._waiting.clear()
            self._is_behind = True
            if self._is_live and self._is_sending and self._over is not None:
                self._over(Ending.SLOW)
        self._wake.set()

    def miss(self) -> None:
        self._is_missing = True
        self._wake.set()

    async def _from_log(self) -> AsyncIterator[bytes]:
        is_whole = False
        while not is_whole:
            async with self._database.reading() as connection:
                page = await event_log.read_page(
                    connection,
                    brand_id=self._wanted.brand_id,
                    after=self._reached,
                    event_types=_listed(self._wanted.event_types),
                    visit_id=self._wanted.visit_id,
                    patient_id=self._wanted.patient_id,
                    row_limit=PAGE_MAX,
                )
            if page.state.kept_from > self._reached + 1:
                raise StreamOver(Ending.SWEPT)
            self._reached = page.read_to
            is_whole = page.read_to >= page.state.last_position
            if page.events:
                self._told = page.events[-1].position
                yield b"".join(map(self._wire.write, page.events))

    async def _next(self) -> bytes:
        """The next that is to be sent, once there is something; empty where it is in the log."""
        while True:
            if self._is_missing:
                raise StreamOver(Ending.SWEPT)
            if self._is_behind:
                return b""
            fresh = [each for each in self._waiting if each.position > self._reached]
            self._waiting.clear()
            if fresh:
                self._reached = self._told = fresh[-1].position
                return b"".join([message.wire for message in fresh])
            if self._is_nudged:
                return self._beat()
            self._wake.clear()
            await self._wake.wait()

    def _beat(self) -> bytes:
        self._is_nudged = False
        passed = self._reached if self._reached > self._told else None
        self._told = self._reached
        return self._wire.beat(passed)


def _listed(event_types: frozenset[str] | None) -> list[str] | None:
    return None if event_types is None else sorted(event_types)
