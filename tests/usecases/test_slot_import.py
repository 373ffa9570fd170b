"""A file's times, offered by several at the same moment."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bookwell.domain.callers import Call, operator
from bookwell.domain.lines import Row
from bookwell.storage.database import Database
from bookwell.usecases.slot_import import SlotImport
from world import LOOP, World


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    # Transactions use a quarter of the connections at most.
    database = await Database.connect(world.database_url, pool_size=16)
    yield database
    await database.close()


def half_hours(world: World, number: int) -> list[Row]:
    starts = [world.at(8 + n / 2) for n in range(number)]
    ends = [start + timedelta(minutes=30) for start in starts]
    return [
        Row(line, ("prv_kim", start.isoformat(), end.isoformat()))
        for line, (start, end) in enumerate(zip(starts, ends, strict=True), start=2)
    ]


async def checked(database: Database, rows: list[Row]) -> SlotImport:
    call = Call(caller=operator("cli:tests"), brand_id=LOOP, request_id="req_import")
    file = SlotImport(database, call)
    async for batch in file.check(rows):
        assert batch.refusals == []
    return file


async def test_of_four_who_import_the_same_at_once_one_offers_it(
    world: World, database: Database
) -> None:
    rows = half_hours(world, 500)
    files = [await checked(database, rows) for _ in range(4)]

    written = await asyncio.gather(*(file.write() for file in files))

    assert sorted(batch.imported for batch in written) == [0, 0, 0, 500]
    assert world.sql("SELECT count(*) FROM booking.slot") == [(500,)]
