"""Importing a book from the command line, as a person would, and reading the report."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bookwell.cli.program import run
from clinic_book import Cells, book_of
from world import LOOP, World

TABLES = ("visit", "slot", "patient", "provider", "affiliation", "event", "audit", "brand")
_COUNTS = r"imported +([\d,]+)\nalready there +([\d,]+)\nrefused +([\d,]+)\n(done|stopped) .*s\n$"


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def counts(self) -> tuple[int, int, int]:
        """Imported, already there, refused; they stand at the end of the report."""
        found = re.search(_COUNTS, self.out)
        assert found is not None, self.out + self.err
        imported, already_there, refused = (int(n.replace(",", "")) for n in found.groups()[:3])
        return imported, already_there, refused

    @property
    def refusals(self) -> list[str]:
        return [line for line in self.out.splitlines() if line.startswith("line ")]


Import = Callable[..., Done]


def importer(world: World, folder: Path, capsys: pytest.CaptureFixture[str]) -> Import:
    """A command that imports a book of these lines, or a file, for loop or another brand."""

    def command(*lines: Cells, brand: str = LOOP, file: str | None = None) -> Done:
        book = file or str(book_of(folder, *lines))
        options = ["--brand", brand, "--database-url", world.database_url]
        code = run(["import", "visits", book, *options])
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return command


def counted(world: World) -> dict[str, int]:
    """How many rows each table has."""
    return {table: _number(world, f"SELECT count(*) FROM booking.{table}") for table in TABLES}  # noqa: S608 - our own names


def statuses(world: World) -> dict[str, str]:
    """The status of each imported visit, by external id."""
    rows = world.sql("SELECT external_id, status FROM booking.visit WHERE external_id IS NOT NULL")
    return {str(external_id): str(status) for external_id, status in rows}


def _number(world: World, question: str) -> int:
    ((number,),) = world.sql(question)
    assert isinstance(number, int)
    return number
