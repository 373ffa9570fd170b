"""What imports of files share: the source of their rows, the progress, the report at the end."""

import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from bookwell.domain.lines import Refusal
from bookwell.usecases.imports import Batch

EXIT_SOME_REFUSED = 1

STDIN = Path("-")
# Refusals beyond this wait on the disk for the report.
REFUSALS_BYTES_IN_MEMORY = 1_000_000


class Report:
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
    where = f", {refusal.column}" if refusal.column else ""
    return f"line {refusal.number:,}{which}{where}: {refusal.why}\n"


def name_of(file: Path) -> str:
    """What to call the file in a sentence."""
    return "Standard input" if file == STDIN else str(file)


@contextmanager
def source_of(file: Path) -> Iterator[BinaryIO]:
    if file == STDIN:
        yield sys.stdin.buffer
    else:
        with file.open("rb") as source:
            yield source


@contextmanager
def progress_of(source: BinaryIO) -> Iterator[Callable[[int, Report], None]]:
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

        def show(bytes_read: int, report: Report) -> None:
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
