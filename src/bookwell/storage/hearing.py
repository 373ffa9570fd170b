"""What PostgreSQL announces (NOTIFY), heard on a connection of its own.

    hearing = Hearing(database_url, EVENTS_CHANNEL, what="events")
    hearing.tell(on_notice)            # called with the payload, in the event loop
    await hearing.listen()             # until cancelled

Nobody may rely on hearing everything: while the connection is down nothing is heard, and `on_lost`
and `on_found` say when that begins and ends.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg
import structlog

from bookwell.storage.connections import CONNECT_TIMEOUT_SECONDS

# How long a dead connection may go unnoticed.
HEARTBEAT_SECONDS = 2.0
RECONNECT_SECONDS = 0.5

_log = structlog.get_logger("bookwell.storage")


def _nothing() -> None:
    """Do nothing."""


class Hearing:
    """One channel's announcements, for one event loop."""

    def __init__(
        self,
        database_url: str,
        channel: str,
        *,
        what: str,
        on_found: Callable[[], None] = _nothing,
        on_lost: Callable[[], None] = _nothing,
    ) -> None:
        self._url = database_url
        self._channel = channel
        self._what = what
        self._on_found = on_found
        self._on_lost = on_lost
        self._hearers: list[Callable[[str], None]] = []

    def tell(self, hearer: Callable[[str], None]) -> None:
        """Call this with the payload of every announcement from now on."""
        self._hearers.append(hearer)

    async def listen(self) -> None:
        """Listen until cancelled, on a new connection whenever the old one is lost."""
        while True:
            try:
                await self._listen_once()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("announcements_unheard", what=self._what, cause=type(error).__name__)
            finally:
                self._on_lost()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=HEARTBEAT_SECONDS,
            server_settings={"application_name": f"bookwell {self._what}"},
        )
        broken = asyncio.Event()
        try:
            # A connection that is closed is noticed at once, one that went silent by its heartbeat.
            connection.add_termination_listener(lambda _: broken.set())
            await connection.add_listener(self._channel, self._hear)
            self._on_found()
            while not broken.is_set():
                with suppress(TimeoutError):
                    # Not asyncio.wait_for, which before Python 3.12 swallows being cancelled at the
                    # instant the connection breaks.
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await broken.wait()
                await connection.execute("SELECT 1")
        finally:
            self._on_lost()
            connection.terminate()

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        for hearer in self._hearers:
            hearer(str(payload))
