"""Events get their places in the log: all of them, without a gap, each visit's in their order."""

import threading
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import psycopg

from bookwell.storage.numbering import Numbering
from world import LOOP, World

WRITE = """
INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
VALUES (%s, %s, 'booking.visit.created.v1', %s, %s, '{}')
"""


WRITERS, EACH = 6, 60


def test_an_event_that_commits_late_gets_a_later_place_than_those_already_read(
    world: World,
) -> None:
    with psycopg.connect(world.database_url) as early, psycopg.connect(world.database_url) as late:
        late.execute(WRITE, ("evt_late", LOOP, "vis_late", 1))
        early.execute(WRITE, ("evt_early", LOOP, "vis_early", 1))
        early.commit()
        number(world)
        read_first = log(world)
        late.commit()
        number(world)

    assert read_first == [("evt_early", 1)]
    assert log(world) == [("evt_early", 1), ("evt_late", 2)]


async def test_an_event_of_a_transaction_that_stays_open_is_not_passed_by_those_after_it(
    world: World,
) -> None:
    numbering = Numbering(margin=0)
    connection = await asyncpg.connect(world.database_url)
    with psycopg.connect(world.database_url) as late:
        late.execute(WRITE, ("evt_late", LOOP, "vis_late", 1))
        for turn in range(9):
            world.sql(WRITE, f"evt_{turn}", LOOP, "vis_other", turn + 1)
            await numbering.number(connection)
        late.commit()
    await numbering.number(connection)
    await connection.close()

    assert log(world)[-1] == ("evt_late", 10)


async def test_what_is_settled_is_not_looked_at_again(world: World) -> None:
    numbering = Numbering(margin=0)
    connection = await asyncpg.connect(world.database_url)
    for turn in range(9):
        world.sql(WRITE, f"evt_{turn}", LOOP, "vis_1", turn + 1)
        await numbering.number(connection)
    world.sql("UPDATE booking.event SET position = NULL WHERE event_id IN ('evt_1', 'evt_8')")
    await numbering.number(connection)
    await connection.close()

    # Nobody takes a place away; this shows from where on it looks.
    assert ("evt_8", 10) in log(world)
    assert "evt_1" not in dict(log(world))


def test_many_writers_and_numberers_leave_no_gap_and_pass_nothing(world: World) -> None:
    is_over = threading.Event()
    with ThreadPoolExecutor(WRITERS + 3) as pool:
        reading = pool.submit(follow, world)
        numbering = [pool.submit(keep_numbering, world, is_over) for _ in range(2)]
        for writing in [pool.submit(write, world, writer) for writer in range(WRITERS)]:
            writing.result()
        passed = reading.result(timeout=30)
        is_over.set()
        for one in numbering:
            one.result()

    assert len(set(passed)) == WRITERS * EACH
    for writer in range(WRITERS):
        own = [int(e.rpartition("_")[2]) for e in passed if e.startswith(f"evt_{writer}_")]
        assert own == list(range(EACH))


def write(world: World, writer: int) -> None:
    with psycopg.connect(world.database_url) as connection:
        for turn in range(EACH):
            connection.execute(WRITE, (f"evt_{writer}_{turn}", LOOP, f"vis_{writer}", turn + 1))
            if turn % 3 == 0:
                connection.execute("SELECT pg_sleep(0.003)")
            connection.commit()


def keep_numbering(world: World, is_over: threading.Event) -> None:
    while not is_over.is_set():
        number(world)


def follow(world: World) -> list[str]:
    """Read on and on until everything was there, each place after the one before."""
    passed: list[str] = []
    while len(passed) < WRITERS * EACH:
        for event_id, position in log(world, after=len(passed)):
            assert position == len(passed) + 1
            passed.append(event_id)
    return passed


def number(world: World) -> None:
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        connection.execute("SELECT booking.number_events(7, 0)")


def log(world: World, *, after: int = 0) -> list[tuple[str, int]]:
    rows = world.sql(
        "SELECT event_id, position FROM booking.event"
        " WHERE brand_id = %s AND position > %s ORDER BY position",
        LOOP,
        after,
    )
    return [(str(event_id), int(str(position))) for event_id, position in rows]
