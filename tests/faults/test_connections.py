"""Connections are lent, given back and dropped, and no use leaves anything to the next."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from bookwell.domain.errors import DatabaseUnavailable, Overloaded
from bookwell.storage import connections
from bookwell.storage.connections import Connections
from bookwell.storage.database import Database
from bookwell.storage.statements import AnyConnection
from waiting import PATIENCE_SECONDS


@asynccontextmanager
async def lending(url: str, *, size: int) -> AsyncIterator[Connections]:
    lender = await Connections.open(url, size=size)
    try:
        yield lender
    finally:
        lender._pool.terminate()  # noqa: SLF001 - the tests keep what they borrowed


async def pid_of(connection: AnyConnection) -> int:
    pid: int = await connection.fetchval("SELECT pg_backend_pid()")
    return pid


async def test_the_connection_used_last_is_lent_first(database_url: str) -> None:
    async with lending(database_url, size=2) as lender:
        first, second = await lender.borrow(), await lender.borrow()
        pids = await pid_of(first), await pid_of(second)

        lender.give_back(first)
        lender.give_back(second)

        assert await pid_of(await lender.borrow()) == pids[1]
        assert await pid_of(await lender.borrow()) == pids[0]


async def test_who_waits_longest_gets_the_next_and_who_left_is_passed_over(
    database_url: str,
) -> None:
    async with lending(database_url, size=1) as lender:
        only = await lender.borrow()
        waiting = [asyncio.create_task(lender.borrow()) for _ in range(3)]
        await asyncio.sleep(0)

        waiting[0].cancel()
        lender.give_back(only)
        second = await waiting[1]
        assert not waiting[2].done()
        lender.give_back(second)

        assert await waiting[2] is only
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]


async def test_a_connection_handed_to_somebody_who_is_cancelled_goes_to_the_next(
    database_url: str,
) -> None:
    async with lending(database_url, size=1) as lender:
        only = await lender.borrow()
        first, second = (asyncio.create_task(lender.borrow()) for _ in range(2))
        await asyncio.sleep(0)

        lender.give_back(only)  # to the first, who has not run yet
        first.cancel()

        assert await asyncio.wait_for(second, 5) is only


async def test_room_made_for_somebody_who_is_cancelled_goes_to_the_next(database_url: str) -> None:
    async with lending(database_url, size=1) as lender:
        only = await lender.borrow()
        first, second = (asyncio.create_task(lender.borrow()) for _ in range(2))
        await asyncio.sleep(0)

        await lender.drop(only)
        first.cancel()

        assert await pid_of(await asyncio.wait_for(second, 5)) > 0


async def test_a_connection_inside_a_transaction_is_closed_and_not_lent_again(
    database_url: str,
) -> None:
    async with lending(database_url, size=1) as lender:
        connection = await lender.borrow()
        pid = await pid_of(connection)
        await connection.execute("BEGIN")

        await lender.drop(connection)

        fresh = await lender.borrow()
        assert await pid_of(fresh) != pid
        assert not fresh.is_in_transaction()


async def test_a_unit_that_leaves_a_transaction_open_leaves_it_to_nobody(database_url: str) -> None:
    database = await Database.connect(database_url, pool_size=1)
    async with database.reading() as connection:
        await connection.execute("CREATE TABLE kept (n integer)")
        await connection.execute("BEGIN")

    async with database.reading() as connection:
        await connection.execute("INSERT INTO kept VALUES (1)")
    await database.close()

    elsewhere = await asyncpg.connect(database_url)
    assert await elsewhere.fetchval("SELECT count(*) FROM kept") == 1
    await elsewhere.close()


async def test_a_use_given_up_in_the_middle_disturbs_no_other(database_url: str) -> None:
    database = await Database.connect(database_url, pool_size=1)

    async def sleep() -> None:
        async with database.reading() as connection:
            await connection.execute("SELECT pg_sleep(20)")

    sleeping = asyncio.create_task(sleep())
    await asyncio.sleep(0.2)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping

    async with database.reading() as connection:
        assert await asyncio.wait_for(connection.fetchval("SELECT 7"), 5) == 7
    await database.close()


async def test_connections_that_broke_while_nobody_looked_are_replaced(database_url: str) -> None:
    database = await Database.connect(database_url, pool_size=4)
    async with database.reading() as first, database.reading() as second:
        pids = [await pid_of(first), await pid_of(second)]
    elsewhere = await asyncpg.connect(database_url)
    for pid in pids:
        await elsewhere.execute("SELECT pg_terminate_backend($1)", pid)
    await asyncio.sleep(0.2)

    async with database.reading() as connection:
        assert await pid_of(connection) not in pids
    await elsewhere.close()
    await database.close()


async def test_a_connection_idle_for_too_long_is_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lending(database_url, size=1) as lender:
        connection = await lender.borrow()
        pid = await pid_of(connection)
        lender.give_back(connection)
        monkeypatch.setattr(connections, "IDLE_SECONDS_MAX", -1)

        assert await pid_of(await lender.borrow()) != pid


async def test_closing_ends_when_the_last_that_was_lent_is_given_back(database_url: str) -> None:
    lender = await Connections.open(database_url, size=1)
    only = await lender.borrow()
    next_in_turn = asyncio.create_task(lender.borrow())
    closing = asyncio.create_task(lender.close())
    await asyncio.sleep(0)

    lender.give_back(only)
    still_lent = await next_in_turn
    assert await still_lent.fetchval("SELECT 1") == 1
    assert not closing.done()
    lender.give_back(still_lent)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await closing


async def test_more_waiting_than_there_may_be_hear_that_it_is_overloaded(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WAITING_MAX", 1)
    database = await Database.connect(database_url, pool_size=1)
    async with database.reading():
        waiting = asyncio.create_task(database.acquire())
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await database.acquire()

    await database.release(await waiting, None)
    await database.close()


async def test_where_no_connection_can_be_had_each_hears_it_and_none_waits_for_ever() -> None:
    database = await Database.connect("postgresql://nobody@127.0.0.1:1/none", pool_size=1)

    heard = await asyncio.wait_for(
        asyncio.gather(*[database.acquire() for _ in range(5)], return_exceptions=True), 30
    )

    assert [type(error) for error in heard] == [DatabaseUnavailable] * 5
    await database.close()
