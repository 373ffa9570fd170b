"""`bookwell demo`."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from bookwell import logs
from bookwell.cli.demo_page import show_page
from bookwell.cli.options import Port, settings_from
from bookwell.demo.manifest import manifest_of, write_manifest
from bookwell.demo.seeding import seed
from bookwell.demo.tokens import Tokens, keep_tokens
from bookwell.processes import supervisor
from bookwell.processes.listening import CannotServe, listen
from bookwell.settings import Settings
from bookwell.storage.database import Database

# One connection; the demo's world is made before anybody uses it.
POOL_SIZE = 1


def demo(
    port: Port = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIRECTORY", help="Where its data stays (.bookwell/demo)."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the address, the tokens and the ids as JSON once the service is ready.",
        ),
    ] = None,
) -> None:
    """Run the service with two brands to play with.

    Two brands with their visit types, six clinicians with a week each, of whom one works for both,
    two coaches and ten patients, on an embedded PostgreSQL of its own (in `.bookwell/demo`) and
    without rate limits. It prints tokens and curl lines to paste. Started again it keeps its data,
    and what you changed. Ctrl-C stops it.
    """
    if manifest is not None and not manifest.absolute().parent.is_dir():
        raise CannotServe(f"There is no directory {manifest.parent} for the manifest.")
    settings = _demo_settings(port, data_dir)
    logs.set_up(settings.log_level, settings.log_format)
    tokens: Tokens = {}

    async def prepare(database_url: str) -> None:
        database = await Database.connect(database_url, pool_size=POOL_SIZE)
        try:
            await seed(database, horizon=timedelta(days=settings.horizon_days))
            tokens.update(await keep_tokens(database, settings.data_dir))
        finally:
            await database.close()

    def announce(base_url: str, database_url: str) -> None:
        description = manifest_of(base_url, database_url, tokens)
        if manifest is not None:
            write_manifest(manifest, description)
        show_page(description, settings.data_dir)

    with listen(settings.host, settings.port) as listening:
        if manifest is not None:
            # Whoever waits for the file must not find the last demo's.
            manifest.unlink(missing_ok=True)
        typer.echo(f"Starting the demo in {settings.data_dir} …", err=True)
        supervisor.run(settings, listening, prepare=prepare, announce=announce)
    typer.echo(f"Stopped. The data stays in {settings.data_dir}.", err=True)


def _demo_settings(port: int | None, data_dir: Path | None) -> Settings:
    """The demo never touches the database of the environment, and asks no identity service."""
    settings = settings_from(port=port)
    return replace(
        settings,
        host="127.0.0.1",
        data_dir=data_dir or settings.data_dir / "demo",
        database_url=None,
        workers=1,
        introspection_url=None,
        rate_reads_per_minute=0,
        rate_writes_per_minute=0,
        rate_admin_per_minute=0,
        # Whoever tries webhooks here has the receiver on this machine.
        webhook_allow_loopback=1,
        log_level="warning",
    )
