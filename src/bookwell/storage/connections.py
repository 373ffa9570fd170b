"""Connections to one PostgreSQL, each lent for the length of one use.

asyncpg's pool makes and drops them. Between two uses they stay here: in good order there is nothing
to be done with them, and the pool would start a task and a timer each time to do just that.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from bookwell.domain.errors import Overloaded
from bookwell.storage.failures import BROKEN

# A statement that takes longer than this is stuck; the caller gets a 503 and may try again.
STATEMENT_TIMEOUT_SECONDS = 10
# Shorter than the statement's, so that waiting for a lock ends in a sentence of its own.
LOCK_TIMEOUT_SECONDS = 5
# The client's own limit, for a server that does not answer at all any more.
COMMAND_TIMEOUT_SECONDS = 15
CONNECT_TIMEOUT_SECONDS = 5
# How long a statement that was given up may take to stop; a server that hangs would never say so.
RELEASE_TIMEOUT_SECONDS = 1
# One that was not used for this long may have been forgotten by something on the way.
IDLE_SECONDS_MAX = 300
# Requests waiting for a connection; more than this would wait longer than their callers do.
WAITING_MAX = 512

if TYPE_CHECKING:  # generic for the type checker only
    Lent: TypeAlias = PoolConnectionProxy[asyncpg.Record]
else:
    Lent: TypeAlias = PoolConnectionProxy


class Connections:
    """At most `size` of them. For one event loop."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, size: int) -> None:
        self._pool = pool
        # The one used last is lent first: its server process has everything at hand.
        self._idle: list[tuple[Lent, float]] = []
        # How many more may be open.
        self._room = size
        self._waiting: deque[asyncio.Future[Lent | None]] = deque()
        self._is_closing = False

    @classmethod
    async def open(cls, url: str, *, size: int) -> Self:
        """Connections are made when they are needed, so a server may come later."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=size,
            max_inactive_connection_lifetime=IDLE_SECONDS_MAX,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            reset=_leave_as_it_is,
            server_settings=session_settings(),
        )
        return cls(await pool, size=size)

    async def close(self) -> None:
        """Close all, once those that are lent are back."""
        self._is_closing = True
        while self._idle:
            await self.drop(self._idle.pop()[0])
        await self._pool.close()

    async def borrow(self) -> Lent:
        """Lend one: the last used, a new one, or the next that is given back.

        Raises:
            Overloaded: Too many are waiting already.
            Exception: What asyncpg says where a new one cannot be had.
        """
        while True:
            while self._idle:
                connection, since = self._idle.pop()
                is_fresh = time.monotonic() - since < IDLE_SECONDS_MAX
                if is_fresh and is_open(connection):
                    return connection
                if not is_fresh and is_open(connection):
                    connection.terminate()
                await self.drop(connection)
            if self._room:
                return await self._open_one()
            passed_on = await self._wait()
            if passed_on is not None:
                return passed_on

    def give_back(self, connection: Lent) -> None:
        """Take back one in good order, outside of any transaction."""
        if self._pass_on(connection):
            return
        if self._is_closing:
            # Nobody comes for it any more, and the pool waits until it is gone.
            connection.terminate()
        else:
            self._idle.append((connection, time.monotonic()))

    async def drop(self, connection: Lent) -> None:
        """Take back one that may be broken, or busy with what its user gave up."""
        try:
            if is_open(connection) and connection.is_in_transaction():
                # It did not end, and whoever got this one next would be told of commits in vain.
                connection.terminate()
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, *BROKEN):
                await self._pool.release(connection, timeout=RELEASE_TIMEOUT_SECONDS)
        finally:
            self._make_room()

    async def _open_one(self) -> Lent:
        self._room -= 1
        try:
            return await self._pool.acquire()
        except BaseException:
            self._make_room()
            raise

    async def _wait(self) -> Lent | None:
        """The next one given back; None where there may be room for a new one."""
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded
        turn: asyncio.Future[Lent | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # Cancelled in the same turn of the loop in which it was our turn.
                connection = turn.result()
                if connection is None:
                    self._pass_on(None)
                else:
                    self.give_back(connection)
            raise

    def _make_room(self) -> None:
        self._room += 1
        self._pass_on(None)

    def _pass_on(self, connection: Lent | None) -> bool:
        """Give whoever waits longest this, if anybody waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False


def session_settings() -> dict[str, str]:
    """What every session of the service is told. The benchmark tells it to pgbench too."""
    return {
        "application_name": "bookwell",
        # A statement's plan is made once; made anew each time it costs three times as much as the
        # booking itself.
        "plan_cache_mode": "force_generic_plan",
        # And never made to read a table whole because it was small then.
        "enable_seqscan": "off",
        "timezone": "UTC",
        "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
        "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
    }


def is_open(connection: Lent) -> bool:
    """Whether there is a session at the other end, as far as is known."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool takes a connection that breaks away from whoever has it.
        return False


async def _leave_as_it_is(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Nothing to reset: no code here changes a session, and the round trip would cost a third."""
