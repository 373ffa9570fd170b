"""`bookwell events`, beside a running service."""

import json
import signal
import time
from pathlib import Path

from clinic import Clinic
from commands import Bookwell, running
from envelope import ok
from world import LOOP

CREATED, CANCELLED = "booking.visit.created.v1", "booking.visit.cancelled.v1"


def test_a_brands_log_is_printed_a_line_for_each_event(bookwell: Bookwell, clinic: Clinic) -> None:
    visit = clinic.visit()
    ok(clinic.post(f"/v1/visits/{visit['id']}/cancel"))
    settled(clinic)
    of_visit = ("events", LOOP, "--visit", visit["id"], "--database-url", clinic.world.database_url)

    everything = bookwell(*of_visit)
    cancelled = bookwell(*of_visit, "--type", CANCELLED)

    lines = [json.loads(line) for line in everything.out.splitlines()]
    assert lines == ok(clinic.get("/v1/events", visit_id=visit["id"]))["events"]
    assert [line["type"] for line in lines] == [CREATED, CANCELLED]
    assert [json.loads(line) for line in cancelled.out.splitlines()] == lines[1:]


def test_what_is_no_type_and_no_brand_is_said(bookwell: Bookwell, clinic: Clinic) -> None:
    url = ("--database-url", clinic.world.database_url)
    no_type = bookwell("events", LOOP, "--type", "visits", *url)
    no_brand = bookwell("events", "nowhere", *url)

    assert (no_type.code, no_type.err) == (2, "bookwell: visits is no type of event.\n")
    assert (no_brand.code, "no brand nowhere" in no_brand.err) == (2, True)


def test_a_place_that_no_log_can_have_is_refused_by_its_option(
    bookwell: Bookwell, clinic: Clinic
) -> None:
    url = ("--database-url", clinic.world.database_url)

    too_far = bookwell("events", LOOP, "--after", "9" * 20, *url)

    assert too_far.code == 2
    assert "'--after'" in too_far.err


def test_whoever_follows_sees_what_happens_later_until_they_stop(
    clinic: Clinic, tmp_path: Path
) -> None:
    url = ("--database-url", clinic.world.database_url)
    before = clinic.visit()["id"]
    with running(tmp_path, "events", LOOP, "--follow", *url) as process:
        process.until(lambda: before in process.out)
        later = clinic.visit()["id"]
        process.until(lambda: later in process.out)
        process.end(signal.SIGINT)

    assert "Traceback" not in process.err
    places = [json.loads(line)["position"] for line in process.out.splitlines()]
    assert places == [*range(1, len(places) + 1)]


def settled(clinic: Clinic) -> None:
    """Wait until every committed event has its place."""
    while clinic.world.sql("SELECT 1 FROM booking.event WHERE position IS NULL"):
        time.sleep(0.01)
