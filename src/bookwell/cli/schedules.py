"""`bookwell schedule`: a provider's week drawn, and slots made anew for other zone data."""

import re
from datetime import date, timedelta
from typing import Annotated

import typer
from rich.console import Console

from bookwell.cli.opened import brand_calls, on_database
from bookwell.cli.options import DatabaseUrl, DataDir, as_brand, as_id
from bookwell.cli.week_drawn import draw
from bookwell.domain.errors import NotFound
from bookwell.domain.recurrence import FIRST_YEAR, LAST_YEAR
from bookwell.domain.wall_time import ZONE_DATA_VERSION
from bookwell.settings import Settings
from bookwell.storage.database import Database
from bookwell.usecases.rederivation import Moved, rederive
from bookwell.usecases.weeks import WeekSeen, see_week

schedules = typer.Typer(help="A provider's week, and the slots that come of it.")

_WEEK = re.compile(r"([0-9]{4})-?W([0-9]{2})")
_WIDTH_MIN, _WIDTH_MAX = 62, 120


def as_monday(text: str) -> date:
    """The Monday of an ISO 8601 week such as 2026-W48."""
    said = _WEEK.fullmatch(text)
    try:
        if said and FIRST_YEAR <= int(said[1]) <= LAST_YEAR:
            return date.fromisocalendar(int(said[1]), int(said[2]), 1)
    except ValueError:
        pass
    raise typer.BadParameter("it must be a week such as 2026-W48.")


_AnyBrand = Annotated[
    str | None,
    typer.Option("--brand", metavar="BRAND", parser=as_brand, help="The brand's id; else any."),
]


@schedules.command("show")
def show_week(
    provider_id: Annotated[
        str, typer.Argument(metavar="PROVIDER", parser=as_id, help="The provider's id.")
    ],
    brand: _AnyBrand = None,
    week: Annotated[
        date | None,
        typer.Option(metavar="WEEK", parser=as_monday, help="Such as 2026-W48; this one."),
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Draw a provider's week: open hours, time off, what is booked.

    Hours are the wall time of the provider's schedule, each with the visit
    types it is for. No patient is shown. Without --brand, every brand in which
    the provider has a schedule has its week.
    """

    async def see(database: Database) -> list[WeekSeen]:
        seen = []
        for call in await brand_calls(database, brand):
            try:
                seen.append(await see_week(database, call, provider_id, monday=week))
            except NotFound:
                if brand is not None:
                    raise
        if not seen:
            raise NotFound(f"{provider_id} has no schedule in any brand.")
        return seen

    console = Console(highlight=False)
    width = max(_WIDTH_MIN, min(console.width, _WIDTH_MAX))
    for each in on_database(database_url, data_dir, see):
        console.print(draw(each, width=width), soft_wrap=True)


@schedules.command("rederive")
def rederive_slots(
    brand: _AnyBrand = None,
    provider_id: Annotated[
        str | None,
        typer.Option("--provider", metavar="PROVIDER", parser=as_id, help="Only this provider's."),
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would move, and change nothing.")
    ] = False,
    also_current: Annotated[
        bool, typer.Option("--all", help="Those made with the installed zone data too.")
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Make slots anew that were made with other time zone data than is installed.

    Clocks are changed by law, and releases of the zone data say so. A rule is
    kept as wall time, so its slots move, and so does time off. No visit is
    moved: those that no longer lie where the wall clock says are listed, for
    people to call their patients.
    """
    horizon = timedelta(days=Settings.from_environment().horizon_days)
    told = _Told(is_trial=dry_run)

    async def work(database: Database) -> None:
        calls = await brand_calls(database, brand)
        strangers = []
        for call in calls:
            moves = rederive(
                database,
                call,
                provider_id=provider_id,
                also_current=also_current,
                is_trial=dry_run,
                horizon=horizon,
            )
            try:
                async for moved in moves:
                    told.tell(call.brand_id, moved)
            except NotFound as error:
                strangers.append(error)
        if strangers and len(strangers) == len(calls):
            raise strangers[0]

    on_database(database_url, data_dir, work)
    told.sum_up()


class _Told:
    """What is said of each provider, and at the end."""

    def __init__(self, *, is_trial: bool) -> None:
        self._is_trial = is_trial
        self._providers = self._visits = 0

    def tell(self, brand_id: str, moved: Moved) -> None:
        self._providers += 1
        self._visits += len(moved.visits)
        typer.echo(
            f"{moved.provider_id} in {brand_id}: slots added {moved.slots_added}, "
            f"withdrawn {moved.slots_withdrawn}; time off moved {moved.time_off_moved}; "
            f"visits to look after {len(moved.visits)}"
        )
        for visit in moved.visits:
            typer.echo(
                f"  {visit.visit_id} begins at {visit.during.starts_at:%Y-%m-%d %H:%M}Z, "
                "where the wall clock no longer says"
            )

    def sum_up(self) -> None:
        done = "Would be made" if self._is_trial else "Made"
        typer.echo(
            f"{done} anew with zone data {ZONE_DATA_VERSION}. Providers: {self._providers}; "
            f"visits to look after: {self._visits}."
        )
