import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from books import add_provider, count, is_whole
from bookwell.domain.callers import Call, operator
from bookwell.domain.imports import COLUMNS
from bookwell.domain.lines import Refusal, Row
from bookwell.storage.database import Database
from bookwell.usecases.imports import BATCH_LINES, Batch, import_visits
from clinic_book import Cells, entries, entry
from waiting import sessions_wait_for_locks
from world import LOOP, LOOPBIO, World

LOCK = "SELECT FROM booking.provider WHERE provider_id = %s FOR NO KEY UPDATE"


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    opened = await Database.connect(world.database_url, pool_size=4)
    yield opened
    await opened.close()


def call(brand_id: str = LOOP) -> Call:
    return Call(caller=operator("cli:test"), brand_id=brand_id, request_id="req_1")


def rows(book: Iterable[Cells]) -> Iterator[Row | Refusal]:
    for number, cells in enumerate(book, 2):
        yield Row(number, [cells[column] for column in COLUMNS])


async def imported(
    database: Database, book: Iterable[Row | Refusal], brand_id: str = LOOP
) -> list[Batch]:
    return [batch async for batch in import_visits(database, call(brand_id), book)]


async def test_no_more_of_a_book_is_read_than_the_batch_in_hand(
    database: Database, world: World
) -> None:
    taken = 0

    def book() -> Iterator[Row | Refusal]:
        nonlocal taken
        for row in rows(entries(3 * BATCH_LINES)):
            taken += 1
            yield row

    seen = []
    async for batch in import_visits(database, call(), book()):
        assert taken <= batch.last_number - 1
        seen.append((batch.imported, count(world, "visit")))

    assert seen == [(BATCH_LINES, BATCH_LINES * n) for n in (1, 2, 3)]


async def test_what_is_told_of_a_batch_is_committed(database: Database, world: World) -> None:
    book = import_visits(database, call(), rows(entries(2 * BATCH_LINES)))

    batch = await anext(book)

    assert count(world, "visit") == batch.imported == BATCH_LINES
    await book.aclose()
    assert count(world, "visit") == BATCH_LINES


async def test_refusals_of_reader_and_database_are_told_in_the_order_of_the_lines(
    database: Database,
) -> None:
    book = list(rows(entries(6, provider_id="coach_jo")))
    book[2] = Refusal(number=4, external_id=None, why="torn")

    [batch] = await imported(database, book)

    assert [refusal.number for refusal in batch.refusals] == [2, 3, 4, 5, 6, 7]


async def test_four_importers_of_one_book_at_once_import_it_once(
    database: Database, world: World
) -> None:
    book = list(entries(1_200))

    runs = await asyncio.gather(*(imported(database, rows(book)) for _ in range(4)))

    batches = [batch for run in runs for batch in run]
    assert sum(batch.imported for batch in batches) == 1_200
    assert sum(batch.already_there for batch in batches) == 3 * 1_200
    assert not any(batch.refusals for batch in batches)
    assert count(world, "visit") == count(world, "slot") == 1_200
    assert is_whole(world)


async def test_two_brands_that_import_the_same_new_people_at_once_never_deadlock(
    database: Database, world: World
) -> None:
    book = list(entries(1_200))

    loop, loopbio = await asyncio.gather(
        imported(database, rows(book)), imported(database, rows(reversed(book)), LOOPBIO)
    )

    refusals = [refusal for batch in (*loop, *loopbio) for refusal in batch.refusals]
    assert sum(batch.imported for batch in (*loop, *loopbio)) + len(refusals) == 2_400
    assert all("another brand" in refusal.why for refusal in refusals)
    assert not world.sql(
        "SELECT provider_no FROM booking.affiliation GROUP BY 1 HAVING count(*) > 1"
        " AND bool_or(name LIKE 'unit%%')"
    )
    assert is_whole(world)


async def test_a_batch_holds_the_time_of_its_providers_and_of_nobody_else(
    database: Database, world: World
) -> None:
    with held(world, ("INSERT INTO booking.patient VALUES ('loop', 'pat-1')",)):
        importing = asyncio.create_task(
            imported(database, rows([entry(patient_id="pat-1", provider_id="prv_kim")]))
        )
        await sessions_wait_for_locks(world, 1)

        assert not is_free(world, "prv_kim")
        assert is_free(world, "prv_both")
        # New patients and offers hold the brand's row too, as a foreign key does.
        world.sql("INSERT INTO booking.patient VALUES ('loop', 'pat-2')")
        world.add_slot(world.at(9), provider_id="prv_both")

    [batch] = await importing
    assert batch.imported == 1


async def test_known_providers_are_locked_in_the_order_in_which_everybody_locks_them(
    database: Database, world: World
) -> None:
    add_provider(world, "prv_last")
    book = [
        entry(external_id=provider_id, provider_id=provider_id)
        for provider_id in ("prv_last", "prv_both", "prv_kim")
    ]
    with held(world, (LOCK, "prv_both")):
        importing = asyncio.create_task(imported(database, rows(book)))
        await sessions_wait_for_locks(world, 1)

        assert not is_free(world, "prv_kim")
        assert is_free(world, "prv_last")

    [batch] = await importing
    assert batch.imported == 3


async def test_new_providers_are_added_in_sorted_order_whatever_the_book_says(
    database: Database, world: World
) -> None:
    add = "INSERT INTO booking.provider (provider_id, brand_id, kind) VALUES (%s, 'loopbio', 'clinician')"
    book = [entry(external_id=name, provider_id=name) for name in ("new-c", "new-b", "new-a")]
    with held(world, (add, "new-b")):
        importing = asyncio.create_task(imported(database, rows(book)))
        await sessions_wait_for_locks(world, 1)

        # Had the batch added this one already, we would wait for it, and it for us.
        with held(world, (add, "new-c")):
            pass

    [batch] = await importing
    assert batch.imported == 3


@contextmanager
def held(world: World, statement: tuple[str, ...]) -> Iterator[None]:
    """What this statement changes or locks, for as long as the block; nothing of it stays."""
    with psycopg.connect(world.database_url) as holder:
        holder.execute(statement[0].encode(), statement[1:])
        yield
        holder.rollback()


def is_free(world: World, provider_id: str) -> bool:
    """Whether nobody holds this provider's time."""
    try:
        world.sql(f"{LOCK} NOWAIT", provider_id)
    except psycopg.errors.LockNotAvailable:
        return False
    return True
