"""Events are kept for so many days; then the log begins later."""

from datetime import timedelta

from bookwell.storage.statements import AnyConnection, statement

# One step deletes this many at most, so that it never keeps its locks for long.
SWEEP_ROWS_MAX = 500

_list_old_logs = statement("list_old_logs")
_lock_event_log = statement("lock_event_log")
_sweep_events = statement("sweep_events")
_sweep_tests = statement("sweep_tests")
_give_up_deliveries = statement("give_up_deliveries")


async def list_old(connection: AnyConnection, *, kept_for: timedelta) -> list[str]:
    """The brands whose log begins with an event older than this."""
    return [row["brand_id"] for row in await _list_old_logs.rows(connection, kept_for=kept_for)]


async def sweep(
    connection: AnyConnection, *, brand_id: str, kept_for: timedelta, is_published: bool
) -> int:
    """Delete the brand's oldest events, and their settled deliveries; returns how many went.

    Stops before the first one that is younger, has a delivery pending, or, where events
    `is_published` on the bus, is not there yet. Where SWEEP_ROWS_MAX went, there may be more.
    Whoever holds the log is waited for.
    """
    async with connection.transaction():
        # Before the statement that sweeps, so that it sees what those have made that it waited for.
        await _lock_event_log.run(connection, brand_id=brand_id)
        count: int = await _sweep_events.value(
            connection,
            brand_id=brand_id,
            kept_for=kept_for,
            is_published=is_published,
            row_limit=SWEEP_ROWS_MAX,
        )
    return count


async def sweep_tests(connection: AnyConnection, *, kept_for: timedelta) -> None:
    """Delete settled test deliveries, which belong to no event, once they are older than this."""
    await _sweep_tests.run(connection, kept_for=kept_for)


async def give_up(connection: AnyConnection, *, kept_for: timedelta) -> None:
    """Give up what has waited for a disabled endpoint for this long."""
    await _give_up_deliveries.run(connection, kept_for=kept_for)
