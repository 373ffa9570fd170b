"""A database for one command: that of a server somewhere, or the embedded one of a data folder."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from bookwell.cli.listing import each_page
from bookwell.cli.options import settings_from
from bookwell.domain.callers import Call, operator
from bookwell.domain.errors import NotFound
from bookwell.domain.ids import REQUEST, new_id
from bookwell.storage.database import Database
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.migrate import migrate
from bookwell.storage.tokens import EVERY_BRAND
from bookwell.usecases import catalog

Result = TypeVar("Result")

# A command does one thing at a time; a second connection lets it look while it works.
POOL_SIZE = 2


@contextmanager
def located(database_url: str | None, data_dir: Path | None) -> Iterator[str]:
    """The URL of the database that these options mean, as it is.

    An embedded database that a service already runs is shared with it; one that was started here
    is stopped again at the end.

    Raises:
        EmbeddedPostgresError: The embedded database cannot be started; the message says why.
    """
    settings = settings_from(database_url=database_url, data_dir=data_dir)
    with ExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = stack.enter_context(EmbeddedPostgres(settings.data_dir)).url
        yield url


@contextmanager
def opened(database_url: str | None, data_dir: Path | None) -> Iterator[str]:
    """As `located`, with the newest schema.

    Raises:
        DatabaseUnavailable: The named database cannot be reached.
        EmbeddedPostgresError: The embedded database cannot be started; the message says why.
    """
    with located(database_url, data_dir) as url:
        migrate(url)
        yield url


def on_database(
    database_url: str | None, data_dir: Path | None, work: Callable[[Database], Awaitable[Result]]
) -> Result:
    """Do this work on the database, and return what it returns. Raises as `opened` and the work."""
    with opened(database_url, data_dir) as url:
        return asyncio.run(_on_pool(url, work))


def operator_call(brand_id: str) -> Call:
    """A call of whoever types the command, for this brand; the audit names their account."""
    return Call(caller=operator(f"cli:{_account()}"), brand_id=brand_id, request_id=new_id(REQUEST))


async def brand_call(database: Database, brand_id: str) -> Call:
    """As `operator_call`, for a brand that exists, or for every brand ('*').

    Raises:
        NotFound: There is no such brand; the sentence names it.
    """
    if brand_id != EVERY_BRAND:
        found = await catalog.list_brands(database, only=brand_id, after_id=None, limit=1)
        if not found.items:
            raise NotFound(f"There is no brand {brand_id}; see `bookwell brand list`.")
    return operator_call(brand_id)


async def brand_calls(database: Database, brand_id: str | None) -> list[Call]:
    """A `brand_call` for the brand named, or for each brand. Raises as that one."""
    if brand_id is not None:
        return [await brand_call(database, brand_id)]
    pages = each_page(
        lambda after_id, limit: catalog.list_brands(
            database, only=None, after_id=after_id, limit=limit
        )
    )
    return [operator_call(brand.brand_id) async for page in pages for brand in page]


async def _on_pool(url: str, work: Callable[[Database], Awaitable[Result]]) -> Result:
    database = await Database.connect(url, pool_size=POOL_SIZE)
    try:
        return await work(database)
    finally:
        await database.close()


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run us as a number without a name.
        return str(os.getuid())
