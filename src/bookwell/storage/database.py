"""The pool, and the ways to use it: read, one statement, one transaction, in company.

    async with database.statement(call) as connection:     # the statement is the transaction
    async with database.transaction(call) as connection:   # BEGIN … COMMIT
    async with database.reading() as connection:
    await database.lane(Takes).write(item)                 # one statement, perhaps with others

Leaving the block turns PostgreSQL's errors into ours, and settles the caller's idempotency key: a
refusal is remembered, a key that was used before is answered with what it led to.
"""

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

from bookwell.domain.callers import Call
from bookwell.domain.errors import DatabaseUnavailable, Overloaded, Refused
from bookwell.storage import idempotency
from bookwell.storage.failures import BROKEN, IDEMPOTENCY_KEY_ONCE, constraint_of, meaning_of
from bookwell.storage.group_commit import Lane, Writing
from bookwell.storage.statements import AnyConnection

# A statement that takes longer than this is stuck; the caller gets a 503 and may try again.
STATEMENT_TIMEOUT_SECONDS = 10
# Shorter than the statement's, so that waiting for a lock ends in a sentence of its own.
LOCK_TIMEOUT_SECONDS = 5
# The client's own limit, for a server that does not answer at all any more.
COMMAND_TIMEOUT_SECONDS = 15
CONNECT_TIMEOUT_SECONDS = 5
# How long a statement that was given up may take to stop; a server that hangs would never say so.
RELEASE_TIMEOUT_SECONDS = 1
# Requests waiting for a connection; more than this would wait longer than their callers do.
WAITING_MAX = 512

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Database:
    """A pool of connections to one PostgreSQL."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._waiting = 0
        self._lanes: dict[object, Lane[Any, Any]] = {}

    @classmethod
    async def connect(cls, url: str, *, pool_size: int) -> Self:
        """Open the pool. Connections are made when they are needed, so a server may come later."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=pool_size,
            max_inactive_connection_lifetime=300,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            reset=_leave_as_it_is,
            server_settings={
                "application_name": "bookwell",
                # A statement's plan is made once; made anew each time it costs three times as much
                # as the booking itself.
                "plan_cache_mode": "force_generic_plan",
                # And never made to read a table whole because it was small then.
                "enable_seqscan": "off",
                "timezone": "UTC",
                "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
                "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
                "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
            },
        )
        return cls(await pool)

    async def close(self) -> None:
        await self._pool.close()

    def statement(self, call: Call) -> "Unit":
        """A connection for one statement that is its own transaction."""
        return Unit(self, call, is_transaction=False)

    def transaction(self, call: Call) -> "Unit":
        """A connection inside a transaction, committed when the block is left without an error."""
        return Unit(self, call, is_transaction=True)

    def reading(self) -> "Unit":
        """A connection to read with."""
        return Unit(self, None, is_transaction=False)

    def lane(self, writing: "Callable[[Database], Writing[Item, Answer]]") -> "Lane[Item, Answer]":
        """Where writes of this kind meet, to be written together; see group_commit."""
        lane = self._lanes.get(writing)
        if lane is None:
            lane = self._lanes[writing] = Lane(writing(self))
        return lane

    async def acquire(self) -> "PoolConnectionProxy[asyncpg.Record]":
        if self._waiting >= WAITING_MAX:
            raise Overloaded
        self._waiting += 1
        try:
            return await self._pool.acquire()
        except Exception as error:  # noqa: BLE001 - raised again, as ours
            _raise_as_ours(error, connection_lost=True)
        finally:
            self._waiting -= 1

    async def release(self, connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
        """Give the connection back. One that cannot be used again is dropped by the pool itself."""
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, *BROKEN):
            await self._pool.release(connection, timeout=RELEASE_TIMEOUT_SECONDS)


class Unit:
    """One use of one connection; see the module's text."""

    __slots__ = ("_call", "_connection", "_database", "_is_transaction", "_transaction")

    def __init__(self, database: Database, call: Call | None, *, is_transaction: bool) -> None:
        self._database = database
        self._call = call
        self._is_transaction = is_transaction
        self._transaction: Transaction | None = None

    async def __aenter__(self) -> AnyConnection:
        self._connection = await self._database.acquire()
        if self._is_transaction:
            self._transaction = self._connection.transaction()
            try:
                await self._transaction.start()
            except BaseException as error:  # noqa: BLE001 - raised again, as ours
                await self._database.release(self._connection)
                _raise_as_ours(error, connection_lost=True)
        return self._connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        failure = error
        try:
            if self._transaction is not None:
                failure = await self._end(self._transaction, error)
            if failure is not None:
                await self._settle(failure)
            if failure is not None and failure is not error:
                # The commit failed, and nobody else would say so.
                raise failure
        finally:
            await self._database.release(self._connection)

    async def _end(
        self, transaction: Transaction, error: BaseException | None
    ) -> BaseException | None:
        """Commit or roll back, and return what went wrong so far."""
        try:
            if error is None:
                await transaction.commit()
            elif not self._is_lost():
                await transaction.rollback()
        except Exception as failure:  # noqa: BLE001 - told apart in _settle
            return error or failure
        return error

    async def _settle(self, error: BaseException) -> None:
        """Raise what the caller should hear instead of this error, if anything else."""
        lost = self._is_lost()
        refusal = error if isinstance(error, Refused) else meaning_of(error, connection_lost=lost)
        try:
            if self._call is not None and self._call.key is not None and not lost:
                if constraint_of(error) == IDEMPOTENCY_KEY_ONCE:
                    await idempotency.replay(self._connection, self._call)
                if isinstance(refusal, Refused):
                    await idempotency.settle_refusal(self._connection, self._call, refusal)
        except asyncpg.PostgresError as failure:
            _raise_as_ours(failure, connection_lost=False)
        except (OSError, TimeoutError, *BROKEN) as failure:
            raise DatabaseUnavailable from failure
        if refusal is not None and refusal is not error:
            raise refusal from error

    def _is_lost(self) -> bool:
        try:
            return self._connection.is_closed()
        except asyncpg.InterfaceError:
            # The pool takes a connection that breaks away from whoever has it.
            return True


def _raise_as_ours(error: BaseException, *, connection_lost: bool) -> NoReturn:
    """Raise what the caller should hear of this error; a bug of ours as it is."""
    meaning = meaning_of(error, connection_lost=connection_lost)
    if meaning is None:
        raise error
    raise meaning from error


async def _leave_as_it_is(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Nothing to reset: no code here changes a session, and the round trip would cost a third."""
