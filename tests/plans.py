"""What a plan of PostgreSQL, as EXPLAIN (ANALYZE, FORMAT JSON) tells it, did."""

from collections.abc import Iterator
from typing import Any


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes_of(child)


def rows_read(nodes: list[dict[str, Any]], table: str) -> float:
    """The rows of this table that were looked at, also those that a filter then dropped."""
    read: float = sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes
        if node.get("Relation Name") == table
    )
    return read
