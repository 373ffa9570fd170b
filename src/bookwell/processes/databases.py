"""The database of a running service: migrated, and if it is ours, kept alive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from bookwell.processes.listening import CannotServe
from bookwell.settings import Settings
from bookwell.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError
from bookwell.storage.migrate import migrate

# How soon a dead embedded server is noticed.
WATCH_SECONDS = 1.0
# The embedded server takes 200; some are for its superuser, for commands, and for a look inside.
EMBEDDED_CONNECTIONS_MAX = 180
# Beside its pool a worker hears of revoked tokens on one connection and of events on another; a
# courier only of events.
_CONNECTIONS_BESIDE_WORKERS_POOL = 2
_CONNECTIONS_BESIDE_COURIERS_POOL = 1

_log = structlog.get_logger("bookwell.processes")


@asynccontextmanager
async def kept(settings: Settings) -> AsyncIterator[str]:
    """The URL of the settings' database with the newest schema, for as long as the block runs.

    Raises:
        DatabaseUnavailable: The named database cannot be reached. Once it was, it may go and come
            back; at the start it must be there, and whoever starts the service starts it again.
        CannotServe: The processes would use more connections than the embedded database has.
        EmbeddedPostgresError: The embedded database cannot be started or stopped.
    """
    if settings.database_url is not None:
        await asyncio.to_thread(migrate, settings.database_url)
        yield settings.database_url
        return
    wanted = _connections(settings)
    if wanted > EMBEDDED_CONNECTIONS_MAX:
        raise CannotServe(
            f"The service would use {wanted} connections and the embedded database has "
            f"{EMBEDDED_CONNECTIONS_MAX} for them: choose fewer with --workers or "
            "BOOKWELL_POOL_SIZE, or use a server of your own."
        )
    server = EmbeddedPostgres(settings.data_dir)
    url = await asyncio.to_thread(server.start)
    try:
        await asyncio.to_thread(migrate, url)
        watching = asyncio.create_task(_watch(server))
        try:
            yield url
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
    finally:
        await asyncio.to_thread(server.stop)


def _connections(settings: Settings) -> int:
    each_worker = settings.pool_size + _CONNECTIONS_BESIDE_WORKERS_POOL
    each_courier = settings.pool_size + _CONNECTIONS_BESIDE_COURIERS_POOL
    return settings.workers * each_worker + settings.couriers * each_courier


async def _watch(server: EmbeddedPostgres) -> None:
    """Start the embedded server again whenever it died; try on when that fails."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            if await asyncio.to_thread(server.ensure_running):
                _log.warning("database_restarted")
        except EmbeddedPostgresError as error:
            _log.error("database_not_restarted", reason=str(error).partition("\n")[0])
        except Exception:  # noqa: BLE001 - the watch goes on, whatever happened
            _log.exception("database_not_watched")
