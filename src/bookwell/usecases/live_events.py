"""New events, handed to everybody who streams them: read once per brand, written once each.

    hub = EventHub(database, write)
    hearing.tell(hub.notice)          # looks at once when told, and each second by itself
    await hub.run()                   # until cancelled

Nobody streams: nothing is done, whatever is announced.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec
import structlog
from msgspec import Struct

from bookwell.domain.envelopes import LoggedEvent
from bookwell.domain.errors import BookwellError
from bookwell.logs import places_of
from bookwell.storage import event_log
from bookwell.storage.database import Database

# Announcements can be lost; without one an event is this late.
LOOK_SECONDS = 1.0
# What is read, and handed on, at once. Between two pages those who stream have their turns.
PAGE_MAX = 500

_log = structlog.get_logger("bookwell.live")


class Message(NamedTuple):
    """An event as it is sent, and what those who hear it choose by."""

    position: int
    event_type: str
    entity_id: str
    patient_id: str | None
    provider_id: str | None
    wire: bytes


class Hearer(Protocol):
    """Who wants to hear of a brand's events."""

    def hear(self, messages: Sequence[Message]) -> None:
        """Take the next events, in the order of the log. Must not wait."""

    def miss(self) -> None:
        """Some events were swept before they could be read."""


class _Named(Struct):
    """Whom an event is about. A coach is a provider too."""

    patient_id: str | None = None
    provider_id: str | None = None
    coach_id: str | None = None


@dataclass(slots=True, eq=False)
class _Followed:
    """A brand somebody hears of; `reached` is the last place that was handed on."""

    hearers: dict[Hearer, None] = field(default_factory=dict)
    reached: int | None = None


_decode = msgspec.json.Decoder(_Named).decode


class EventHub:
    """One worker's reader of new events. `write` makes of an event what is sent of it."""

    def __init__(self, database: Database, write: Callable[[LoggedEvent], bytes]) -> None:
        self._database = database
        self._write = write
        self._brands: dict[str, _Followed] = {}
        self._wake = asyncio.Event()

    def notice(self, _payload: str = "") -> None:
        """Look now, if there is anybody to look for."""
        if self._brands:
            self._wake.set()

    @asynccontextmanager
    async def hearing(self, brand_id: str, hearer: Hearer) -> AsyncIterator[None]:
        """Tell `hearer` of all that comes into the brand's log from now on.

        Who reads the log after this has begun misses nothing between the two.

        Raises:
            DatabaseUnavailable: It cannot be said now where the log ends.
        """
        followed = self._brands.setdefault(brand_id, _Followed())
        followed.hearers[hearer] = None
        try:
            if followed.reached is None:
                async with self._database.reading() as connection:
                    state = await event_log.state_of(connection, brand_id=brand_id)
                if followed.reached is None:
                    followed.reached = state.last_position
            self._wake.set()
            yield
        finally:
            del followed.hearers[hearer]
            if not followed.hearers:
                del self._brands[brand_id]

    async def run(self) -> None:
        """Read and hand on what is new, until cancelled."""
        while True:
            await self._wait()
            try:
                for brand_id, followed in list(self._brands.items()):
                    await self._read_on(brand_id, followed)
            except BookwellError as error:
                _log.warning("live_events_unread", cause=error.code)
                await asyncio.sleep(LOOK_SECONDS)
            except Exception as error:  # noqa: BLE001 - one bad look must not silence all streams
                _log.error(
                    "live_events_unread",
                    cause=type(error).__name__,
                    where=places_of(error.__traceback__),
                )
                await asyncio.sleep(LOOK_SECONDS)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS if self._brands else None):
                await self._wake.wait()
        self._wake.clear()

    async def _read_on(self, brand_id: str, followed: _Followed) -> None:
        while followed.reached is not None and followed.hearers:
            async with self._database.reading() as connection:
                page = await event_log.read_page(
                    connection,
                    brand_id=brand_id,
                    after=followed.reached,
                    event_types=None,
                    visit_id=None,
                    patient_id=None,
                    row_limit=PAGE_MAX,
                )
            is_gap = page.state.kept_from > followed.reached + 1
            followed.reached = page.read_to
            messages = [self._message_of(event) for event in page.events]
            for hearer in list(followed.hearers):
                if is_gap:
                    hearer.miss()
                elif messages:
                    hearer.hear(messages)
            if len(messages) < PAGE_MAX:
                return

    def _message_of(self, event: LoggedEvent) -> Message:
        named = _decode(event.data)
        return Message(
            position=event.position,
            event_type=event.event_type,
            entity_id=event.entity_id,
            patient_id=named.patient_id,
            provider_id=named.provider_id or named.coach_id,
            wire=self._write(event),
        )
