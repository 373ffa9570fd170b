"""`bookwell events`: a brand's log of events on the terminal, one JSON object a line."""

import asyncio
from typing import Annotated

import typer

from bookwell.cli.opened import brand_call, on_database
from bookwell.cli.options import DatabaseUrl, DataDir, as_brand, as_id
from bookwell.domain.envelopes import Format, written
from bookwell.domain.errors import InvalidInput
from bookwell.domain.events import EVENTS
from bookwell.storage.database import Database
from bookwell.usecases.events import read_events

# How many are read and printed together.
PAGE_ROWS = 500
# Between two looks at the end of the log.
LOOK_SECONDS = 0.5
# What `GET /v1/events` takes too; no log goes as far.
POSITION_MAX = 2**53 - 1


def events(
    *,
    brand: Annotated[str, typer.Argument(parser=as_brand, metavar="BRAND", help="The brand's id.")],
    event_type: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only events of this type, once for each."),
    ] = None,
    visit: Annotated[
        str | None,
        typer.Option(metavar="VISIT", parser=as_id, help="Only events of this visit."),
    ] = None,
    after: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=POSITION_MAX,
            metavar="POSITION",
            help="Go on from here; else from the oldest that is kept.",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more, until Ctrl-C.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print a brand's log of events.

    Events get their places while a service runs; what waits for its place is not printed.
    """
    for name in event_type or ():
        if name not in EVENTS:
            raise InvalidInput(f"{name} is no type of event.", field="type")

    async def work(database: Database) -> None:
        call, place = await brand_call(database, brand), after
        while True:
            page = await read_events(
                database,
                call,
                after=place,
                event_types=event_type,
                visit_id=visit,
                limit=PAGE_ROWS,
            )
            for event in page.events:
                typer.echo(written(event, Format.STANDARD))
            place = page.read_to
            if place >= page.state.last_position:
                if not follow:
                    return
                await asyncio.sleep(LOOK_SECONDS)

    on_database(database_url, data_dir, work)
