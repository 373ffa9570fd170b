"""Calls counted per caller and minute, summed over all workers."""

from collections.abc import Sequence

from msgspec import Struct

from bookwell.storage.statements import AnyConnection, statement

_add_calls = statement("add_calls")
_sweep_calls = statement("sweep_calls")


class Counted(Struct, frozen=True, kw_only=True):
    """Calls of one kind by one caller in one minute (minutes since the epoch)."""

    brand_id: str
    caller: str
    kind: str
    minute: int
    call_count: int


async def add(
    connection: AnyConnection, counted: Sequence[Counted]
) -> dict[tuple[str, str, str, int], int]:
    """Add these to what all workers counted; the sums by (brand, caller, kind, minute)."""
    rows = await _add_calls.rows(
        connection,
        brand_ids=[c.brand_id for c in counted],
        callers=[c.caller for c in counted],
        kinds=[c.kind for c in counted],
        minutes=[c.minute for c in counted],
        call_counts=[c.call_count for c in counted],
    )
    return {
        (row["brand_id"], row["caller"], row["kind"], row["minute"]): row["call_count"]
        for row in rows
    }


async def sweep(connection: AnyConnection, *, before_minute: int) -> None:
    await _sweep_calls.run(connection, before_minute=before_minute)
