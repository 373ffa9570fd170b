"""A database for one command: that of a server somewhere, or the embedded one of a data folder."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from bookwell.storage.database import Database
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.migrate import migrate

Result = TypeVar("Result")

# A command does one thing at a time; a second connection lets it look while it works.
POOL_SIZE = 2


@contextmanager
def opened(database_url: str | None, data_dir: Path) -> Iterator[str]:
    """The URL of a database with the newest schema: the one named, or the embedded one.

    An embedded database that a service already runs is shared with it; one that was started here
    is stopped again at the end.

    Raises:
        DatabaseUnavailable: The named database cannot be reached.
        EmbeddedPostgresError: The embedded database cannot be started; the message says why.
    """
    with ExitStack() as stack:
        if database_url is None:
            database_url = stack.enter_context(EmbeddedPostgres(data_dir)).url
        migrate(database_url)
        yield database_url


def on_database(
    database_url: str | None, data_dir: Path, work: Callable[[Database], Awaitable[Result]]
) -> Result:
    """Do this work on the database, and return what it returns. Raises as `opened` and the work."""
    with opened(database_url, data_dir) as url:
        return asyncio.run(_on_pool(url, work))


async def _on_pool(url: str, work: Callable[[Database], Awaitable[Result]]) -> Result:
    database = await Database.connect(url, pool_size=POOL_SIZE)
    try:
        return await work(database)
    finally:
        await database.close()
