"""The courier of `bookwell serve`: its work is its own, and nobody who books waits for it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # it ships no types

from commands import COURIER_MODULE, Running, environment_of, running
from conftest import settings_for
from receivers import receiving
from world import LOOP, World, headers

VISITS = 12


@contextmanager
def serving(world: World, folder: Path) -> Iterator[Running]:
    arguments = ("serve", "--port", "0", "--database-url", world.database_url)
    with running(folder, *arguments, BOOKWELL_WEBHOOK_ALLOW_LOOPBACK="1") as service:
        yield service


def calling(service: Running) -> httpx.Client:
    return httpx.Client(base_url=service.address(), timeout=30, trust_env=False)


def add_endpoint(client: httpx.Client, world: World, url: str) -> None:
    said = {"brand_id": LOOP, "url": url, "event_types": ["*"]}
    answer = client.post("/v1/webhook-endpoints", json=said, headers=headers(world.admin))
    assert answer.status_code == 201, answer.text


def courier_of(service: Running) -> psutil.Process:
    service.until(lambda: len(service.couriers) == 1)
    (courier,) = service.couriers
    return courier


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    process.suspend()
    try:
        yield
    finally:
        # One that stands still could not even leave.
        process.resume()


def book(client: httpx.Client, world: World, count: int) -> None:
    for number in range(count):
        slot_id = world.add_slot(world.at(6 + number))
        answer = client.post("/v1/visits", json=world.book(slot_id), headers=headers(world.patient))
        assert answer.status_code == 201, answer.text


def logged(client: httpx.Client, world: World) -> list[str]:
    answer = client.get("/v1/events", headers=headers(world.admin), params={"limit": 500})
    return [event["id"] for event in answer.json()["events"]]


def test_a_frozen_courier_keeps_nobody_from_booking_and_sends_later_what_is_in_the_log(
    world: World, empty_folder: Path
) -> None:
    with (
        receiving() as receiver,
        serving(world, empty_folder) as service,
        calling(service) as client,
    ):
        add_endpoint(client, world, receiver.url)
        with frozen(courier_of(service)):
            had = len(logged(client, world))
            book(client, world, VISITS)
            # The worker numbers them, so the log and the streams go on.
            service.until(lambda: len(logged(client, world)) == had + VISITS)
            assert receiver.got == []

        received = receiver.wait_for(VISITS, seconds=60)
        sent = {request.headers["webhook-id"] for request in received}
        assert sent == set(logged(client, world)[had:])


def test_events_leave_again_after_the_courier_was_killed(world: World, empty_folder: Path) -> None:
    with (
        receiving() as receiver,
        serving(world, empty_folder) as service,
        calling(service) as client,
    ):
        add_endpoint(client, world, receiver.url)
        courier_of(service).kill()

        book(client, world, VISITS)

        receiver.wait_for(VISITS, seconds=60)
        (line,) = service.events("courier_replaced")
        assert line["exit_code"] == -signal.SIGKILL


def test_a_courier_without_its_database_tries_on_and_leaves_with_its_supervisor() -> None:
    nowhere = settings_for("postgresql://127.0.0.1:1/nowhere", log_format="json")
    lifeline, held = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", COURIER_MODULE, str(lifeline)],
        pass_fds=[lifeline],
        env=environment_of(**nowhere.to_environment()),
        stderr=subprocess.PIPE,
        text=True,
    ) as courier:
        os.close(lifeline)
        assert courier.stderr is not None
        try:
            failed = [json.loads(courier.stderr.readline()) for _ in range(8)]
            assert courier.poll() is None
        finally:
            os.close(held)
        courier.stderr.read()

        assert {line["event"] for line in failed} == {"announcements_unheard", "chore_failed"}
        assert courier.wait(60) == 0
