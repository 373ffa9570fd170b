"""Hears which tokens were revoked, on a connection of its own, for as long as the worker lives."""

import asyncio
from contextlib import suppress
from typing import Protocol

import asyncpg
import structlog

from bookwell.storage.connections import CONNECT_TIMEOUT_SECONDS
from bookwell.storage.tokens import REVOCATION_CHANNEL

# How long a dead connection may go unnoticed; callers are remembered for 5 s at most anyway.
HEARTBEAT_SECONDS = 2.0
RECONNECT_SECONDS = 0.5

_log = structlog.get_logger("bookwell.identity")


class Hearer(Protocol):
    """Who wants to know."""

    hears_revocations: bool

    def forget(self, token_hash: bytes) -> None: ...

    def forget_all(self) -> None: ...


async def listen(database_url: str, hearer: Hearer) -> None:
    """Tell `hearer` of every revocation until cancelled; while nothing can be heard, tell it so."""
    while True:
        try:
            await _listen_once(database_url, hearer)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _log.warning("revocations_unheard", cause=type(error).__name__)
        finally:
            hearer.hears_revocations = False
            hearer.forget_all()
        await asyncio.sleep(RECONNECT_SECONDS)


async def _listen_once(database_url: str, hearer: Hearer) -> None:
    connection = await asyncpg.connect(
        database_url,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=HEARTBEAT_SECONDS,
        server_settings={"application_name": "bookwell revocations"},
    )

    def hear(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        hearer.forget(bytes.fromhex(str(payload)))

    broken = asyncio.Event()
    try:
        # A connection that is closed is noticed at once, one that went silent by its heartbeat.
        connection.add_termination_listener(lambda _: broken.set())
        await connection.add_listener(REVOCATION_CHANNEL, hear)
        hearer.hears_revocations = True
        while not broken.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(broken.wait(), HEARTBEAT_SECONDS)
            await connection.execute("SELECT 1")
    finally:
        hearer.hears_revocations = False
        connection.terminate()
