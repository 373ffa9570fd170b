"""`bookwell import`: a clinic's earlier book."""

from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from bookwell.cli.csv_book import CsvBook
from bookwell.cli.import_report import EXIT_SOME_REFUSED, Report, name_of, progress_of, source_of
from bookwell.cli.opened import on_database, operator_call
from bookwell.cli.options import Brand, DatabaseUrl, DataDir
from bookwell.domain.errors import NotFound, Unavailable
from bookwell.domain.imports import COLUMNS
from bookwell.storage.database import Database
from bookwell.usecases.imports import Batch, import_visits

imports = typer.Typer(help="Take over a clinic's earlier book.")


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
    with source_of(file) as source, Report() as report:
        book = CsvBook(source, name_of(file), COLUMNS)
        with progress_of(source) as show_progress:

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
