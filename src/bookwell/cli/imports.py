"""`bookwell import`: a clinic's earlier book."""

import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Annotated, BinaryIO, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from bookwell.cli.csv_book import CsvBook
from bookwell.cli.opened import on_database, operator_call
from bookwell.cli.options import Brand, DatabaseUrl, DataDir
from bookwell.domain.errors import NotFound, Unavailable
from bookwell.domain.imports import Refusal
from bookwell.storage.database import Database
from bookwell.usecases.imports import Batch, import_visits

imports = typer.Typer(help="Take over a clinic's earlier book.")

EXIT_SOME_REFUSED = 1

STDIN = Path("-")
# Refusals beyond this wait on the disk for the report.
REFUSALS_BYTES_IN_MEMORY = 1_000_000


@imports.callback()
def _group() -> None:
    """A group, so that `visits` stays a word of its own while it is the only one."""


@imports.command("visits")
def visits(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="The book; - reads standard input.")
    ],
    brand: Brand,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Import a clinic's visits, past and to come, from a CSV file.

    The file is UTF-8 and has a header with the columns external_id,
    patient_id, provider_id, visit_type, booked_at, start_time, end_time and
    outcome; others are ignored. Instants are RFC 3339 with an offset. The
    outcome is booked (or empty), checked_in, completed, no_show or cancelled.
    booked_at may be empty; otherwise the visit counts as created then, and a
    cancelled one as cancelled then.

    Each line becomes a visit with a slot of its own. Patients and clinicians
    whom the brand does not have are added. A line whose external_id the brand
    has already changes nothing, so the command may be repeated, also after it
    was interrupted.

    A line that cannot be imported is refused, and the others are imported all
    the same; the report at the end says line by line why.

    Exit code: 0 when no line was refused, 1 when some were, 2 when the import
    could not be done or was not finished.
    """
    with _source_of(file) as source, _Report() as report:
        name = "Standard input" if file == STDIN else str(file)
        book = CsvBook(source, name)
        with _progress_of(source) as show_progress:

            def note(batch: Batch) -> None:
                report.note(batch)
                show_progress(book.bytes_read, report)

            async def work(database: Database) -> None:
                await _import(database, brand, book, note)

            try:
                on_database(database_url, data_dir, work)
            except Unavailable as error:
                if not report.last_number:
                    raise
                raise Unavailable(
                    f"The database stopped answering after line {report.last_number:,};"
                    " run the same command again, and the rest follows."
                ) from error
        report.is_complete = True
    if report.refused:
        raise typer.Exit(EXIT_SOME_REFUSED)


async def _import(
    database: Database, brand: str, book: CsvBook, note: Callable[[Batch], None]
) -> None:
    try:
        async with aclosing(import_visits(database, operator_call(brand), book.rows())) as batches:
            async for batch in batches:
                note(batch)
    except NotFound as error:
        raise NotFound(
            f"There is no brand {brand}; `bookwell brand list` shows those there are."
        ) from error


class _Report:
    """What became of the lines. It is printed at the end, also at an early one."""

    def __init__(self) -> None:
        self.imported = self.already_there = self.refused = self.last_number = 0
        self.is_complete = False
        self._began = time.monotonic()
        self._refusals = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed in __exit__
            REFUSALS_BYTES_IN_MEMORY, "w+", encoding="utf-8"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._refusals:
            if self.is_complete or self.last_number:
                self._print()

    def note(self, batch: Batch) -> None:
        self.imported += batch.imported
        self.already_there += batch.already_there
        self.refused += len(batch.refusals)
        self.last_number = batch.last_number
        self._refusals.writelines(_told(refusal) for refusal in batch.refusals)

    def _print(self) -> None:
        self._refusals.seek(0)
        for line in self._refusals:
            typer.echo(line, nl=False)
        seconds = time.monotonic() - self._began
        typer.echo(f"imported      {self.imported:>11,}")
        typer.echo(f"already there {self.already_there:>11,}")
        typer.echo(f"refused       {self.refused:>11,}")
        end = "done" if self.is_complete else f"stopped after line {self.last_number:,}"
        typer.echo(f"{end} in {seconds:.1f} s")


def _told(refusal: Refusal) -> str:
    """The refusal as a line of the report: no patient in it."""
    which = f" ({refusal.external_id})" if refusal.external_id else ""
    return f"line {refusal.number:,}{which}: {refusal.why}\n"


@contextmanager
def _source_of(file: Path) -> Iterator[BinaryIO]:
    if file == STDIN:
        yield sys.stdin.buffer
    else:
        with file.open("rb") as source:
            yield source


@contextmanager
def _progress_of(source: BinaryIO) -> Iterator[Callable[[int, _Report], None]]:
    """A bar by the bytes that were read, where a person watches standard error."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.fields[counts]}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("import", total=_size_of(source), counts="")

        def show(bytes_read: int, report: _Report) -> None:
            counts = f"{report.imported:,} imported, {report.refused:,} refused"
            bar.update(task, completed=bytes_read, counts=counts)

        yield show


def _size_of(source: BinaryIO) -> int | None:
    """The bytes of a file; None for a pipe, whose end nobody knows."""
    try:
        facts = os.fstat(source.fileno())
    except OSError:
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None
