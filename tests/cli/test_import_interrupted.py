"""An import that ends early leaves what it committed, and the same command again does the rest."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from books import count, is_whole
from bookwell.usecases.imports import BATCH_LINES
from clinic_book import entries, text_of
from commands import PATIENCE_SECONDS, environment_of
from importing import Import, importer
from waiting import until
from world import LOOP, World

BATCHES = 3
BOOK = text_of(entries(BATCHES * BATCH_LINES)).splitlines(keepends=True)


@pytest.fixture
def import_book(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Import:
    return importer(world, tmp_path, capsys)


@dataclass(frozen=True)
class Fed:
    """An import of a book that arrives bit by bit."""

    process: subprocess.Popen[str]

    def feed(self, first: int, last: int) -> None:
        """The lines first to last of the book, the header being line 0."""
        assert self.process.stdin is not None
        self.process.stdin.writelines(BOOK[first : last + 1])
        self.process.stdin.flush()

    def end(self, first: int) -> tuple[int, str, str]:
        """Its exit code and what it said, once it had the lines from `first` on, or was gone."""
        rest = "".join(BOOK[first:])
        out, err = self.process.communicate(rest, timeout=PATIENCE_SECONDS)
        return self.process.returncode, out, err


@contextmanager
def fed(world: World) -> Iterator[Fed]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bookwell", "import", "visits", "-", "--brand", LOOP],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment_of(BOOKWELL_DATABASE_URL=world.database_url),
        process_group=0,
    )
    try:
        yield Fed(process)
    finally:
        process.kill()
        process.communicate()


async def is_imported(world: World, visits: int) -> None:
    """Return when so many visits are there, and the import knows it."""

    def is_so() -> bool:
        return count(world, "visit") == visits and not sessions(world, "state <> 'idle'")

    await until(is_so, seconds=PATIENCE_SECONDS)


def sessions(world: World, condition: str = "true") -> int:
    """How many sessions of ours there are, of those of which this is so."""
    return len(
        world.sql(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"  # noqa: S608 - our own words
            f" AND application_name = 'bookwell' AND {condition}"
        )
    )


async def finish(import_book: Import, world: World, tmp_path: Path, there: int) -> None:
    """The same book again does the rest, and every visit is there once and whole."""
    book = tmp_path / "whole.csv"
    book.write_text("".join(BOOK), newline="")

    again = await asyncio.to_thread(import_book, file=str(book))

    assert (again.code, again.counts) == (0, (len(BOOK) - 1 - there, there, 0))
    assert count(world, "visit") == count(world, "slot") == len(BOOK) - 1
    assert is_whole(world)


async def test_a_killed_import_is_completed_exactly_once_by_the_next(
    import_book: Import, world: World, tmp_path: Path
) -> None:
    with fed(world) as importing:
        importing.feed(0, BATCH_LINES + 100)
        await is_imported(world, BATCH_LINES)
        importing.process.kill()

        assert importing.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    await finish(import_book, world, tmp_path, there=BATCH_LINES)


async def test_a_batch_that_is_killed_half_done_is_not_there(
    import_book: Import, world: World, tmp_path: Path
) -> None:
    with fed(world) as importing, psycopg.connect(world.database_url) as holder:
        importing.feed(0, BATCH_LINES)
        await is_imported(world, BATCH_LINES)
        # The second batch has added providers and visits when it waits for what becomes of this one.
        patient_id = BOOK[BATCH_LINES + 1].split(",")[1]
        holder.execute("INSERT INTO booking.patient VALUES ('loop', %s)", [patient_id])
        importing.feed(BATCH_LINES + 1, 2 * BATCH_LINES)
        await until(
            lambda: sessions(world, "wait_event_type = 'Lock'") == 1, seconds=PATIENCE_SECONDS
        )
        importing.process.kill()
        importing.process.wait(PATIENCE_SECONDS)
        holder.rollback()
    await until(lambda: not sessions(world), seconds=PATIENCE_SECONDS)

    assert count(world, "visit") == BATCH_LINES
    await finish(import_book, world, tmp_path, there=BATCH_LINES)


async def test_ctrl_c_says_how_far_it_came_and_the_next_completes_it(
    import_book: Import, world: World, tmp_path: Path
) -> None:
    with fed(world) as importing:
        importing.feed(0, BATCH_LINES + 100)
        await is_imported(world, BATCH_LINES)
        importing.process.send_signal(signal.SIGINT)
        code, out, err = importing.end(BATCH_LINES + 101)

    assert code == 130
    assert f"stopped after line {BATCH_LINES + 1}" in out
    assert "Traceback" not in err
    await finish(import_book, world, tmp_path, there=BATCH_LINES)


async def test_a_database_that_goes_away_is_one_sentence_that_says_how_far_it_came(
    import_book: Import, world: World, server_url: str, tmp_path: Path
) -> None:
    name = urlsplit(world.database_url).path.removeprefix("/")
    with fed(world) as importing, psycopg.connect(server_url, autocommit=True) as server:
        importing.feed(0, BATCH_LINES)
        await is_imported(world, BATCH_LINES)
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        code, out, err = importing.end(BATCH_LINES + 1)
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())

    assert code == 2
    assert err == (
        f"bookwell: The database stopped answering after line {BATCH_LINES + 1};"
        " run the same command again, and the rest follows.\n"
    )
    assert f"imported      {BATCH_LINES:>11,}" in out
    await finish(import_book, world, tmp_path, there=BATCH_LINES)
