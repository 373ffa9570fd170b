"""`bookwell serve`."""

from typing import Annotated

import structlog
import typer

from bookwell import logs
from bookwell.cli.options import DatabaseUrl, DataDir, Port, settings_from
from bookwell.processes import supervisor
from bookwell.processes.listening import listen

_log = structlog.get_logger("bookwell.processes")


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="The address to listen on (BOOKWELL_HOST; 127.0.0.1)."
        ),
    ] = None,
    port: Port = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Worker processes that share the port and the database (BOOKWELL_WORKERS; 1).",
        ),
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Run the service.

    It brings the database to the newest schema, serves, and replaces workers that die.
    SIGTERM or Ctrl-C lets the requests in hand finish, then stops; a second one does not wait.

    Everything else is set by variables: BOOKWELL_LOG_LEVEL, BOOKWELL_POOL_SIZE,
    BOOKWELL_DRAIN_SECONDS, BOOKWELL_INTROSPECTION_URL and more, in docs/reference/configuration.md.
    """
    settings = settings_from(
        host=host, port=port, workers=workers, database_url=database_url, data_dir=data_dir
    )
    logs.set_up(settings.log_level, settings.log_format)

    def announce(base_url: str, _database_url: str) -> None:
        database = "external" if settings.database_url else "embedded"
        _log.info("serving", address=base_url, workers=settings.workers, database=database)

    with listen(settings.host, settings.port) as listening:
        supervisor.run(settings, listening, announce=announce)
    _log.info("stopped")
