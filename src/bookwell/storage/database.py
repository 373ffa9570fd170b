"""The pool, and the ways to use it: read, one statement, one transaction, in company.

    async with database.statement(call) as connection:     # the statement is the transaction
    async with database.transaction(call) as connection:   # BEGIN … COMMIT
    async with database.reading() as connection:
    await database.lane(Takes).write(item)                 # one statement, perhaps with others

Leaving the block turns PostgreSQL's errors into ours, and settles the caller's idempotency key: a
refusal is remembered, a key that was used before is answered with what it led to.
"""

from collections.abc import Callable
from types import NoneType, TracebackType
from typing import Any, NoReturn, Self, TypeVar

import asyncpg
from asyncpg.transaction import Transaction

from bookwell.domain.callers import Call
from bookwell.domain.errors import DatabaseUnavailable, Overloaded, Refused
from bookwell.storage import idempotency
from bookwell.storage.connections import Connections, Lent, is_open
from bookwell.storage.failures import BROKEN, IDEMPOTENCY_KEY_ONCE, constraint_of, meaning_of
from bookwell.storage.group_commit import Lane, Writing
from bookwell.storage.idempotency import Replayed
from bookwell.storage.statements import AnyConnection
from bookwell.storage.turns import Turns

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Database:
    """One PostgreSQL, and the connections to it."""

    def __init__(self, connections: Connections, *, pool_size: int) -> None:
        self._connections = connections
        # Whoever may wait for a lock has a connection meanwhile: transactions, and who goes alone
        # on either lane. A quarter for each leaves a quarter to those who wait for nobody.
        self._waiting_max = max(1, pool_size // 4)
        self.transactions = Turns(self._waiting_max)
        self._lanes: dict[object, Lane[Any, Any]] = {}

    @classmethod
    async def connect(cls, url: str, *, pool_size: int) -> Self:
        """Connections are made when they are needed, so a server may come later."""
        return cls(await Connections.open(url, size=pool_size), pool_size=pool_size)

    async def close(self) -> None:
        await self._connections.close()

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
            lane = self._lanes[writing] = Lane(writing(self), alone_max=self._waiting_max)
        return lane

    async def acquire(self) -> Lent:
        try:
            return await self._connections.borrow()
        except Overloaded:
            raise
        except Exception as error:  # noqa: BLE001 - raised again, as ours
            _raise_as_ours(error, connection_lost=True)

    async def release(self, connection: Lent, error: BaseException | None) -> None:
        """Give the connection back, after a use that ended with this error or with none."""
        if _is_in_order(connection, error):
            self._connections.give_back(connection)
        else:
            await self._connections.drop(connection)


class Unit:
    """One use of one connection; see the module's text."""

    __slots__ = ("_call", "_connection", "_database", "_is_transaction", "_transaction")

    def __init__(self, database: Database, call: Call | None, *, is_transaction: bool) -> None:
        self._database = database
        self._call = call
        self._is_transaction = is_transaction
        self._transaction: Transaction | None = None

    async def __aenter__(self) -> AnyConnection:
        if not self._is_transaction:
            self._connection = await self._database.acquire()
            return self._connection
        await self._database.transactions.acquire()
        try:
            self._connection = await self._database.acquire()
            self._transaction = self._connection.transaction()
            try:
                await self._transaction.start()
            except BaseException as error:  # noqa: BLE001 - raised again, as ours
                await self._database.release(self._connection, error)
                _raise_as_ours(error, connection_lost=True)
        except BaseException:
            self._database.transactions.release()
            raise
        return self._connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            try:
                await self._leave(error)
            except BaseException as failure:
                await self._database.release(self._connection, failure)
                raise
            await self._database.release(self._connection, error)
        finally:
            if self._is_transaction:
                self._database.transactions.release()

    async def _leave(self, error: BaseException | None) -> None:
        """End the transaction, and raise what the caller should hear, unless it is this error."""
        failure = error
        if self._transaction is not None:
            failure = await self._end(self._transaction, error)
        if failure is not None:
            await self._settle(failure)
            if failure is not error:
                # The commit failed, and nobody else would say so.
                raise failure

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
        return not is_open(self._connection)


def _raise_as_ours(error: BaseException, *, connection_lost: bool) -> NoReturn:
    """Raise what the caller should hear of this error; a bug of ours as it is."""
    meaning = meaning_of(error, connection_lost=connection_lost)
    if meaning is None:
        raise error
    raise meaning from error


def _is_in_order(connection: Lent, error: BaseException | None) -> bool:
    """Whether the next user finds this connection as they should.

    After any error but a refusal and those that PostgreSQL tells, something may still be on its
    way; and in a transaction that did not end, nothing of what the next one is told would be kept.
    """
    known = (NoneType, Refused, Replayed, asyncpg.PostgresError)
    return isinstance(error, known) and is_open(connection) and not connection.is_in_transaction()
