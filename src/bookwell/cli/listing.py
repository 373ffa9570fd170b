"""Lists on the terminal: a table that never cuts an id, or one JSON object a line."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bookwell.usecases.paging import Page

Item = TypeVar("Item")

# Rows that are read, laid out and printed together, so that a long list needs little memory.
PAGE_ROWS = 500
# Wider than any row, so that the table is as wide as its content: a terminal may break a line,
# but nothing cuts an id that somebody wants to copy.
WIDE = 1000


async def each_page(
    ask: Callable[[str | None, int], Awaitable[Page[Item]]],
) -> AsyncIterator[list[Item]]:
    """The items of a list, page by page; `ask` takes the last id seen, and how many items."""
    after_id: str | None = None
    while True:
        page = await ask(after_id, PAGE_ROWS)
        yield page.items
        if page.next_key is None:
            return
        after_id = str(page.next_key[-1])


async def show(
    pages: AsyncIterator[list[Item]],
    describe: Callable[[Item], dict[str, Any]],
    *,
    columns: Sequence[str],
    as_json: bool,
) -> None:
    """Print the items: all their fields as JSON, or these columns as a table."""
    console = Console(width=WIDE, highlight=False)
    is_first = True
    async for page in pages:
        rows = [describe(item) for item in page]
        if as_json:
            for row in rows:
                sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
        else:
            console.print(_table(columns, rows, with_head=is_first))
        is_first = False


def _table(columns: Sequence[str], rows: list[dict[str, Any]], *, with_head: bool) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD if with_head else None,
        show_header=with_head,
        header_style="bold",
        show_edge=False,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(column.replace("_", " "), no_wrap=True)
    for row in rows:
        # As text, because rich reads square brackets in plain strings as its markup.
        table.add_row(*(Text(_cell(row[column])) for column in columns))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, str):
        return value
    return " ".join(map(str, value)) if isinstance(value, Sequence) else str(value)
