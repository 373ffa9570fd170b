"""`bookwell slots`: times to offer, many at once."""

from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from bookwell.cli.csv_book import CsvBook
from bookwell.cli.import_report import EXIT_SOME_REFUSED, Report, name_of, progress_of, source_of
from bookwell.cli.opened import brand_call, on_database
from bookwell.cli.options import Brand, DatabaseUrl, DataDir
from bookwell.domain.errors import Unavailable
from bookwell.domain.slot_lines import COLUMNS
from bookwell.storage.database import Database
from bookwell.usecases.slot_import import SlotImport

slots = typer.Typer(help="Offer many times at once.")


@slots.callback()
def _group() -> None:
    """A group, so that `import` stays a word of its own while it is the only one."""


@slots.command("import")
def import_slots(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="The times; - reads standard input.")
    ],
    brand: Brand,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Offer the times of a CSV file: all of them, or none.

    The file is UTF-8 and has a header with the columns provider_id,
    start_time and end_time; others are ignored. Instants are RFC 3339 with an
    offset. The provider is a clinician of the brand; the time is not in the
    past and 24 hours at most.

    The whole file is checked first. If a single line is refused, nothing is
    imported; the report at the end says line by line why. A time that the
    clinician ever offered the brand, even one taken back since, stays as it
    is, so the command may be repeated.

    Exit code: 0 when every time is offered, 1 when a line was refused, 2 when
    the import could not be done.
    """
    with source_of(file) as source, Report() as report:
        book = CsvBook(source, name_of(file), COLUMNS)
        with progress_of(source) as show_progress:

            async def work(database: Database) -> None:
                slot_import = SlotImport(database, await brand_call(database, brand))
                async with aclosing(slot_import.check(book.rows())) as batches:
                    async for batch in batches:
                        report.note(batch)
                        show_progress(book.bytes_read, report)
                if not report.refused:
                    report.note(await slot_import.write())

            try:
                on_database(database_url, data_dir, work)
            except Unavailable as error:
                if not report.last_number:
                    raise
                raise Unavailable(
                    "The database stopped answering before it said that the slots are there;"
                    " run the same command again, and it will say which are."
                ) from error
        report.is_complete = True
    if report.refused:
        raise typer.Exit(EXIT_SOME_REFUSED)
