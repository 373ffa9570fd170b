"""`bookwell prove`."""

import asyncio
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer
from rich.console import Console

from bookwell.cli.options import as_database_url
from bookwell.processes.listening import CannotServe
from bookwell.prove.events.proof import prove_events as run_events_proof
from bookwell.prove.events.record import write_record
from bookwell.prove.events.run import EventsPlan
from bookwell.prove.faults import PROCESSES, Faults, Target
from bookwell.prove.history import write_history
from bookwell.prove.own_service import WORKERS
from bookwell.prove.page import write_page
from bookwell.prove.places import Place, own_place
from bookwell.prove.printed import show_report
from bookwell.prove.proof import Plan
from bookwell.prove.proof import prove as run_proof
from bookwell.prove.report import Report

# A token on the command line stands in every list of processes.
TOKEN_VARIABLE = "BOOKWELL_PROVE_TOKEN"  # noqa: S105 - the name of a variable
CLIENTS, CLIENTS_MAX = 16, 256
SECONDS, SECONDS_MAX = 10.0, 3600.0
CHANGES, CHANGES_MAX = 3000, 100_000
EVENTS_SECONDS = 120.0
SEED_MAX = 2**31
EXIT_WRONG = 1
# Where lines have no terminal to fit, they are as long as tables like.
WIDTH = 110

RESULTS, TARGET, FACTS = "Results", "A service of your own", "Facts"
# Receivers of ours are on this machine.
LOOPBACK = {"BOOKWELL_WEBHOOK_ALLOW_LOOPBACK": "1"}

Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The service to race against; without it a fresh embedded one.",
        rich_help_panel=TARGET,
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        envvar=TOKEN_VARIABLE,
        show_envvar=False,
        help="A service's of the whole platform with admin:booking; better given as "
        f"{TOKEN_VARIABLE}.",
        rich_help_panel=TARGET,
    ),
]
ItsDatabase = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        parser=as_database_url,
        help="Its database, to look there too: events and audit rows are seen nowhere else.",
        rich_help_panel=TARGET,
    ),
]
Clients = Annotated[
    int, typer.Option(min=2, max=CLIENTS_MAX, metavar="N", help="How many race at once.")
]
Seconds = Annotated[
    float | None,
    typer.Option(
        min=0.5,
        max=SECONDS_MAX,
        metavar="SECONDS",
        help=f"For how long ({SECONDS:g}; {EVENTS_SECONDS:g} with --events).",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=SEED_MAX,
        metavar="N",
        help="What each client tries is drawn from it; without it, from one that is shown.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, max=8, metavar="N", help="Workers of the embedded service (2)."),
]
WithFaults = Annotated[
    bool,
    typer.Option("--faults", help="Kill the embedded service and its PostgreSQL again and again."),
]
Events = Annotated[
    bool,
    typer.Option(
        "--events",
        help="Whether every fact leaves, while workers are killed and receivers fail.",
        rich_help_panel=FACTS,
    ),
]
Changes = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=CHANGES_MAX,
        metavar="N",
        help=f"How many changes there are to hear of ({CHANGES:,}).",
        rich_help_panel=FACTS,
    ),
]
HistoryFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Every call and answer, as JSON lines.",
        rich_help_panel=RESULTS,
    ),
]
JsonFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The report as JSON.", rich_help_panel=RESULTS),
]
HtmlFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The report as one HTML page.", rich_help_panel=RESULTS),
]


def prove(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    url: Url = None,
    token: Token = None,
    database_url: ItsDatabase = None,
    clients: Clients = CLIENTS,
    seconds: Seconds = None,
    seed: Seed = None,
    workers: Workers = None,
    faults: WithFaults = False,
    events: Events = False,
    changes: Changes = None,
    history: HistoryFile = None,
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """Let clients race against a service, and check that it kept its promises.

    They book, hold, confirm, reschedule and cancel each other's visits, and take the last seats of
    office hours, all in a brand of their own. Then it looks for double bookings, lost bookings, and
    an order of the calls that explains every answer.

    With --events they lead visits of two brands through their lives, and it looks whether webhooks,
    the log and the live stream told of every change, in order, signed, and to nobody else.

    Exit code 0: nothing was found wrong. 1: something was; the report names the calls.
    """
    for path in (history, json, html):
        if path is not None and not path.absolute().parent.is_dir():
            raise CannotServe(f"There is no directory {path.parent} for {path.name}.")
    _check_events(url, events=events, changes=changes)
    _check_options(url, token, database_url, workers=workers, faults=faults)
    if seed is None:
        seed = random.SystemRandom().randrange(SEED_MAX)
    write: Callable[[Path], None]
    if events:
        facts = EventsPlan(
            clients=clients,
            changes=changes or CHANGES,
            seconds=seconds or EVENTS_SECONDS,
            seed=seed,
        )
        write, report = _prove_events(facts, workers=workers, faults=faults)
    else:
        plan = Plan(clients=clients, seconds=seconds or SECONDS, seed=seed)
        with _placed(url, token, database_url, workers) as place:
            struck = Faults(place.service, seed) if faults and place.service else None
            raced, report = asyncio.run(run_proof(place, plan, faults=struck, announce=_announce))
        write = partial(write_history, history=raced)
    # First of all, so that a disk that is full costs nobody the report.
    _show(report)
    if history is not None:
        write(history)
    if html is not None:
        write_page(html, report)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if not report.is_proven:
        raise typer.Exit(EXIT_WRONG)


def _prove_events(
    plan: EventsPlan, *, workers: int | None, faults: bool
) -> tuple[Callable[[Path], None], Report]:
    """Run the proof of events; answers what writes its record to a file, and its report."""
    targets = tuple(Target) if faults else PROCESSES
    _announce("Starting a fresh service")
    with own_place(workers=workers or WORKERS, variables=LOOPBACK) as place:
        assert place.service is not None, "it is our own"
        struck = Faults(place.service, plan.seed, targets)
        record, report = asyncio.run(
            run_events_proof(place, plan, faults=struck, announce=_announce)
        )
    return partial(write_record, record=record), report


def _check_options(
    url: str | None,
    token: str | None,
    database_url: str | None,
    *,
    workers: int | None,
    faults: bool,
) -> None:
    """Say what does not go together, before anything is started."""
    if url is None and database_url is not None:
        raise typer.BadParameter("it is the database of the service that --url names.")
    if url is None:
        if token:
            raise typer.BadParameter("a token is for the service that --url names; there is none.")
        return
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter("--url must begin with http:// or https://.")
    if not _has_address(url):
        raise typer.BadParameter("--url names no host, or a port that is none.")
    if not token:
        raise typer.BadParameter(f"--url needs a token, best in {TOKEN_VARIABLE}.")
    if workers is not None or faults:
        raise typer.BadParameter("--workers and --faults are for an embedded service only.")


def _check_events(url: str | None, *, events: bool, changes: int | None) -> None:
    if events and url is not None:
        raise typer.BadParameter("--events is for an embedded service only: it kills its workers.")
    if changes is not None and not events:
        raise typer.BadParameter("--changes is for --events.")


def _has_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or too large
        return False


@contextmanager
def _placed(
    url: str | None, token: str | None, database_url: str | None, workers: int | None
) -> Iterator[Place]:
    if url is not None:
        yield Place(base_url=url.rstrip("/"), token=token or "", database_url=database_url)
        return
    _announce("Starting a fresh service")
    with own_place(workers=workers or WORKERS) as place:
        yield place


def _announce(what: str) -> None:
    typer.echo(f"{what} …", err=True)


def _show(report: Report) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    show_report(report, console)
