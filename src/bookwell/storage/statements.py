"""The named statements of `storage/sql/`, loaded once and called with named values.

aiosql reads the files and turns `:name` into PostgreSQL's `$1`; the call itself is ours, because
aiosql inspects the connection anew at each one, which costs as much as the rest of a booking.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import aiosql
import msgspec
from aiosql.adapters.asyncpg import AsyncPGAdapter
from asyncpg import Connection, Record
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:  # generic for the type checker only
    AnyConnection: TypeAlias = Connection[Record] | PoolConnectionProxy[Record]
else:
    AnyConnection: TypeAlias = Connection | PoolConnectionProxy

SQL_FOLDER = Path(__file__).with_name("sql")


class Statement:
    """One named statement. Each call is one round trip."""

    __slots__ = ("doc", "name", "parameters", "sql")

    def __init__(self, name: str, sql: str, parameters: list[str], doc: str) -> None:
        self.name = name
        self.sql = sql
        self.parameters = parameters
        self.doc = doc

    def __repr__(self) -> str:
        return f"<statement {self.name}>"

    async def rows(self, connection: AnyConnection, **values: Any) -> list[Record]:  # noqa: ANN401 - whatever PostgreSQL takes
        return await connection.fetch(self.sql, *[values[name] for name in self.parameters])

    async def row(self, connection: AnyConnection, **values: Any) -> Record | None:  # noqa: ANN401 - as above
        return await connection.fetchrow(self.sql, *[values[name] for name in self.parameters])

    async def value(self, connection: AnyConnection, **values: Any) -> Any:  # noqa: ANN401 - as above
        return await connection.fetchval(self.sql, *[values[name] for name in self.parameters])

    async def run(self, connection: AnyConnection, **values: Any) -> None:  # noqa: ANN401 - as above
        await connection.execute(self.sql, *[values[name] for name in self.parameters])


def _load() -> dict[str, Statement]:
    adapter = AsyncPGAdapter()  # type: ignore[no-untyped-call]  # aiosql types no constructor
    adapter.var_sorted = defaultdict(list)
    queries = aiosql.from_path(SQL_FOLDER, lambda: adapter, mandatory_parameters=False)
    statements = {}
    for name in queries.available_queries:
        if name.endswith("_cursor"):  # aiosql makes one beside each SELECT; we page by key instead
            continue
        query = getattr(queries, name)
        statements[name] = Statement(name, query.sql, adapter.var_sorted[name], query.__doc__ or "")
    return statements


STATEMENTS = _load()


def statement(name: str) -> Statement:
    """The statement of that name; a wrong name fails the import, not the request."""
    return STATEMENTS[name]


def as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows of one-row parameters as what a statement for many takes, each with its `position`.

    Lengths are ISO 8601 durations, which PostgreSQL reads, and bytes are base64.
    """
    numbered = [{**row, "position": position} for position, row in enumerate(rows)]
    return msgspec.json.encode(numbered).decode()
