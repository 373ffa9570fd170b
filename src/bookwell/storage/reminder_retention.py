"""What became of reminders is kept for so long after the start they were about.

While the start is to come, a reminder's row keeps it from being sent twice, also when its visit
moves away and back. Once it is past nobody is reminded of it any more, and the row only tells.
"""

from datetime import timedelta

from bookwell.storage.statements import AnyConnection, statement

# One step deletes about this many, so that it never keeps its locks for long.
SWEEP_ROWS_MAX = 500

_list_old_reminders = statement("list_old_reminders")
_sweep_reminders = statement("sweep_reminders")


async def list_old(connection: AnyConnection, *, kept_for: timedelta) -> list[str]:
    """The brands with reminders of starts that are longer past than this."""
    rows = await _list_old_reminders.rows(connection, kept_for=kept_for)
    return [row["brand_id"] for row in rows]


async def sweep(connection: AnyConnection, *, brand_id: str, kept_for: timedelta) -> int:
    """Delete the brand's oldest reminders with their messages; returns how many reminders went.

    Stops before the first one whose start is not so long past; `kept_for` is not negative. Where
    SWEEP_ROWS_MAX went, or some more of the same starts, there may be more.
    """
    assert kept_for >= timedelta(0), "what is to come is needed"
    count: int = await _sweep_reminders.value(
        connection, brand_id=brand_id, kept_for=kept_for, row_limit=SWEEP_ROWS_MAX
    )
    return count
