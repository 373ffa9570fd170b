"""`bookwell prove --faults` as an operator runs it, and what it says when something was lost."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bookwell.prove.aftermath import Aftermath, ask_database
from bookwell.prove.calls import Door
from bookwell.prove.history import Attempt
from bookwell.prove.history import World as Raced
from bookwell.prove.keys import repeated
from bookwell.prove.places import Place
from bookwell.prove.proof import Plan, prove
from bookwell.prove.report import Report
from commands import environment_of
from conftest import serving, settings_for
from embedded_servers import a_folder
from processes_of import processes_in
from world import World

# Starting, racing and clearing away, on a machine that is busy with other tests.
PATIENCE_SECONDS = 240


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the command keeps its own service, short enough for a socket."""
    with a_folder() as folder:
        yield folder


@contextmanager
def proving(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bookwell", "prove", "--faults", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment_of(TMPDIR=str(folder)),
        process_group=0,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def nothing_is_left_in(folder: Path) -> bool:
    return list(folder.glob("bw-*")) == [] and processes_in(folder) == []


def test_through_kills_of_every_kind_nothing_is_lost_and_afterwards_nothing_is_left(
    folder: Path,
) -> None:
    report, page = folder / "report.json", folder / "report.html"
    files = ("--json", str(report), "--html", str(page))

    # The seed's first blows: a backend, a worker, the database, and the supervisor last, which takes
    # longest to come back.
    short = ("--clients", "8", "--seconds", "14", "--seed", "1032")
    with proving(folder, *short, *files) as process:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0, out + err
    assert nothing_is_left_in(folder)
    told = json.loads(report.read_bytes())
    assert {check["name"]: check["holds"] for check in told["checks"]} == {
        check["name"]: True for check in told["checks"]
    }
    assert len({fault["what"] for fault in told["faults"]}) >= 3
    assert all(fault["at"] < 14 + 5 for fault in told["faults"])
    # Somebody was in the middle of a call, and learned later what it had done.
    assert told["total"]["resolved"] > 0
    assert told["total"]["winners"] > 0
    assert "Every promise was kept." in page.read_text()
    assert f"killed {len(told['faults'])} times with SIGKILL" in page.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_in_the_middle_leaves_nothing(
    folder: Path, number: signal.Signals
) -> None:
    with proving(folder, "--seconds", "600", "--seed", "2") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Racing"):
                break
        assert len(processes_in(folder)) > 3
        # Into the first blows, of which one may be falling.
        time.sleep(1)
        process.send_signal(number)

        assert process.wait(PATIENCE_SECONDS) == 130

    assert nothing_is_left_in(folder)


Database = psycopg.Connection[tuple[object, ...]]
Planted = psycopg.Cursor[tuple[object, ...]]
Planting = Callable[[Database, str], Planted]


def a_lost_visit(connection: Database, brand_id: str) -> Planted:
    return connection.execute(
        "DELETE FROM booking.visit WHERE visit_id = (SELECT min(visit_id) FROM booking.visit"
        " WHERE brand_id = %s AND status = 'booked')",
        [brand_id],
    )


def a_forgotten_cancel(connection: Database, brand_id: str) -> Planted:
    return connection.execute(
        "UPDATE booking.visit SET status = 'no_show', cancelled_at = NULL, version = version - 1"
        " WHERE visit_id = (SELECT min(visit_id) FROM booking.visit"
        " WHERE brand_id = %s AND status = 'cancelled')",
        [brand_id],
    )


def a_lost_event(connection: Database, brand_id: str) -> Planted:
    return connection.execute(
        "DELETE FROM booking.event WHERE event_no = (SELECT min(event_no) FROM booking.event"
        " WHERE brand_id = %s AND event_type = 'booking.visit.cancelled.v1')",
        [brand_id],
    )


def an_audit_row_too_many(connection: Database, brand_id: str) -> Planted:
    return connection.execute(
        "INSERT INTO booking.audit (actor_type, actor_id, event_type, entity_type, entity_id,"
        " brand_id, request_id) SELECT actor_type, actor_id, event_type, entity_type, entity_id,"
        " brand_id, request_id FROM booking.audit WHERE brand_id = %s"
        " AND event_type = 'visit.cancelled' LIMIT 1",
        [brand_id],
    )


def a_lost_seat(connection: Database, brand_id: str) -> Planted:
    return connection.execute(
        "DELETE FROM booking.office_hour_booking WHERE booking_id = (SELECT min(booking_id)"
        " FROM booking.office_hour_booking WHERE brand_id = %s AND status = 'booked')",
        [brand_id],
    )


async def judged(world: World) -> Report:
    """A short race against a service of these tests; no faults but those that a test plants."""
    async with serving(settings_for(world.database_url)) as base_url:
        place = Place(base_url=base_url, token="tok-platform", database_url=world.database_url)
        plan = Plan(clients=6, seconds=2.0, seed=3)
        _, report = await prove(place, plan, announce=lambda _: None)
    return report


def broken_in(report: Report) -> set[str]:
    return {check.name for check in report.checks if check.holds is False}


@pytest.mark.parametrize(
    ("plant", "broken"),
    [
        (a_lost_visit, {"lost acknowledgements"}),
        (a_forgotten_cancel, {"lost acknowledgements", "events and audit rows"}),
        (a_lost_event, {"events and audit rows"}),
        (an_audit_row_too_many, {"events and audit rows"}),
        (a_lost_seat, {"lost acknowledgements", "seats within capacity"}),
    ],
)
async def test_what_is_lost_between_the_race_and_the_look_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, plant: Planting, broken: set[str]
) -> None:
    async def look_after_the_loss(database_url: str, raced: Raced) -> Aftermath:
        with psycopg.connect(database_url) as connection:
            assert plant(connection, raced.brand_id).rowcount == 1
        return await ask_database(database_url, raced)

    monkeypatch.setattr("bookwell.prove.proof.ask_database", look_after_the_loss)

    report = await judged(world)

    assert not report.is_proven
    assert broken_in(report) == broken


async def test_a_service_that_forgets_its_keys_does_things_twice_and_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask_again_after_the_loss(
        door: Door, attempts: list[Attempt], seed: int
    ) -> list[Attempt]:
        with psycopg.connect(world.database_url) as connection:
            connection.execute("DELETE FROM booking.idempotency")
        return await repeated(door, attempts, seed)

    monkeypatch.setattr("bookwell.prove.race.repeated", ask_again_after_the_loss)

    assert "one answer a key" in broken_in(await judged(world))


async def test_a_service_that_loses_nothing_is_proven(world: World) -> None:
    report = await judged(world)

    assert report.is_proven
    assert broken_in(report) == set()
