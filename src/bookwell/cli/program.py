"""The program `bookwell`: its commands, its help page, and what it says when something is wrong."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from bookwell import __version__
from bookwell.cli.catalog import brands, coaches, patients, providers
from bookwell.cli.demo import demo
from bookwell.cli.events import events
from bookwell.cli.imports import imports
from bookwell.cli.migrations import migrate
from bookwell.cli.prove import prove
from bookwell.cli.schedules import schedules
from bookwell.cli.sentences import sentence_of
from bookwell.cli.serve import serve
from bookwell.cli.slots import slots
from bookwell.cli.tokens import tokens
from bookwell.cli.visit_types import visit_types
from bookwell.cli.webhooks import webhooks

RUN, ACCESS, CATALOGUE = "Run", "Access", "Catalogue"

_EXAMPLES = """\
[bold]Examples[/bold]

  bookwell demo                                     try it: two brands, tokens, lines to paste
  bookwell serve --port 8080 --workers 4            run it, on the embedded PostgreSQL
  bookwell serve --database-url postgresql://db/bw  run it, on a server of your own
  bookwell prove                                    race against it: no double, no lost booking

  bookwell brand add loop --name "Loop Health"
  bookwell provider add prv_kim --brand loop --name "Dr. Kim"
  bookwell patient add pat_ada --brand loop --subject ada
  bookwell import visits book.csv --brand loop
  bookwell slots import times.csv --brand loop
  bookwell schedule show prv_kim
  bookwell token create --brand loop --role patient --subject ada
  bookwell webhooks list loop

Commands and a running service may share a database, the embedded one too.
Whatever is wrong is one sentence on standard error, and exit code 2.
"""

app = typer.Typer(
    name="bookwell",
    help="The booking service of a telehealth platform with several brands.",
    epilog=_EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bookwell {__version__}")
        raise typer.Exit


@app.callback()
def bookwell(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and stop."
        ),
    ] = False,
) -> None: ...


app.command(rich_help_panel=RUN)(demo)
app.command(rich_help_panel=RUN)(serve)
app.command(rich_help_panel=RUN)(migrate)
app.command(rich_help_panel=RUN)(prove)
app.command(
    rich_help_panel=RUN,
    epilog="Example: bookwell events loop --type booking.visit.created.v1 --follow",
)(events)
app.add_typer(webhooks, name="webhooks", rich_help_panel=RUN, no_args_is_help=True)
app.add_typer(tokens, name="token", rich_help_panel=ACCESS, no_args_is_help=True)
for _name, _group in (
    ("brand", brands),
    ("provider", providers),
    ("coach", coaches),
    ("patient", patients),
    ("import", imports),
    ("slots", slots),
    ("visit-types", visit_types),
    ("schedule", schedules),
):
    app.add_typer(_group, name=_name, rich_help_panel=CATALOGUE, no_args_is_help=True)


def main() -> None:
    """Run the command of this process's arguments, and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; what is wrong is said on standard error."""
    try:
        code = get_command(app)(arguments, prog_name="bookwell", standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, whatever it was
        sentence, code = sentence_of(error)
        # Where there is nothing to say, the help page was the answer.
        if sentence:
            typer.echo(f"bookwell: {sentence}", err=True)
    return code or 0
