"""A lane of the tests' own, over a real database."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from bookwell.storage.database import Database
from toy_lines import TABLE, Lines


@pytest.fixture
async def lines(database_url: str) -> AsyncIterator[Lines]:
    """Lines in a table of their own, written through the service's own pool."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(TABLE.encode())
    database = await Database.connect(database_url, pool_size=8)
    yield Lines(database)
    await database.close()
