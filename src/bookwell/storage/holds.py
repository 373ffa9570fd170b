"""Ending holds whose time is over. Every reader sees them as expired already."""

from collections.abc import Sequence

from bookwell.domain.ids import EVENT, REQUEST, new_id
from bookwell.storage.statements import AnyConnection, statement

_list_past_holds = statement("list_past_holds")
_lock_past_holds = statement("lock_past_holds")
_expire_holds = statement("expire_holds")

# One sweep ends this many at most, so that it never keeps its locks for long.
SWEEP_ROWS_MAX = 200


async def expire(connection: AnyConnection, visit_ids: Sequence[str]) -> list[str]:
    """Write down that these holds are past, each with its event and audit row.

    Locks their providers. Returns those that expired here and now; what was confirmed or cancelled
    in time, or ended by somebody else, is not among them.
    """
    rows = await _expire_holds.rows(
        connection,
        visit_ids=visit_ids,
        event_ids=[new_id(EVENT) for _ in visit_ids],
        request_id=new_id(REQUEST),
    )
    return [row["visit_id"] for row in rows]


async def expire_of_providers(connection: AnyConnection, provider_nos: Sequence[int]) -> None:
    """End all past holds of these providers. The caller holds their locks."""
    past = await _list_past_holds.rows(connection, provider_nos=provider_nos)
    if past:
        await expire(connection, [row["visit_id"] for row in past])


async def sweep(connection: AnyConnection) -> int:
    """End past holds of all providers whom nobody has locked now; returns how many.

    Ends SWEEP_ROWS_MAX at most: where it ended so many, there may be more.
    """
    async with connection.transaction():
        past = await _lock_past_holds.rows(connection, row_limit=SWEEP_ROWS_MAX)
        if not past:
            return 0
        return len(await expire(connection, [row["visit_id"] for row in past]))
