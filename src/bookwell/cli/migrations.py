"""`bookwell migrate`."""

import typer

from bookwell.cli.opened import located
from bookwell.cli.options import DatabaseUrl, DataDir
from bookwell.storage.migrate import migrate as apply_missing


def migrate(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Bring the database to the newest schema, and say what was applied.

    Safe to run while services use the database, and from several places at once: one works, the
    others wait. `bookwell serve` does the same when it starts.
    """
    with located(database_url, data_dir) as url:
        applied = apply_missing(url)
    for name in applied:
        typer.echo(f"Applied {name}.")
    if not applied:
        typer.echo("The schema is the newest already.")
