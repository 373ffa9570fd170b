"""`bookwell serve`: its processes, how it stops, and what it leaves behind."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from bookwell.processes import supervisor
from bookwell.processes.listening import CannotServe, listen
from commands import Bookwell, Running, is_gone, running
from conftest import settings_for
from embedded_servers import kill_the_server, nothing_runs_on, server_on
from world import World, headers, populate

WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def client_of(service: Running) -> httpx.Client:
    return httpx.Client(base_url=service.address(), timeout=30, trust_env=False)


def takes_connections(client: httpx.Client) -> bool:
    try:
        socket.create_connection((client.base_url.host, client.base_url.port or 0), 1).close()
    except ConnectionRefusedError:
        return False
    return True


@dataclass
class InHand:
    """A booking that a worker has in hand; it can be finished once `let_go` was called."""

    answer: "Future[httpx.Response]"
    let_go: Callable[[], None]


@contextmanager
def a_booking_in_hand(service: Running, client: httpx.Client, world: World) -> Iterator[InHand]:
    slot_id = world.add_slot(world.at(9))
    with psycopg.connect(world.database_url) as holder, ThreadPoolExecutor() as callers:
        # Whoever books this provider waits for us.
        holder.execute("SELECT FROM booking.provider WHERE provider_id = 'prv_kim' FOR UPDATE")
        answer = callers.submit(
            client.post, "/v1/visits", json=world.book(slot_id), headers=headers(world.patient)
        )
        service.until(lambda: world.sql(WAITING) == [(1,)])
        yield InHand(answer, holder.rollback)


def test_two_workers_share_a_database_and_drain_what_they_have_in_hand(
    world: World, empty_folder: Path
) -> None:
    arguments = ("--port", "0", "--workers", "2", "--database-url", world.database_url)
    with (
        running(empty_folder, "serve", *arguments) as service,
        client_of(service) as client,
        a_booking_in_hand(service, client, world) as booking,
    ):
        workers, couriers = service.workers, service.couriers

        service.process.send_signal(signal.SIGTERM)
        service.until(lambda: not takes_connections(client))
        assert not booking.answer.done()
        booking.let_go()

        assert booking.answer.result().status_code == 201
        assert service.process.wait(20) == 0
        assert (len(workers), len(couriers)) == (2, 1)
        assert all(is_gone(process) for process in workers + couriers)
    assert world.sql("SELECT status FROM booking.visit") == [("booked",)]
    assert "Traceback" not in service.err


def test_a_second_signal_does_not_wait_and_what_was_in_hand_is_whole_or_not_there(
    world: World, empty_folder: Path
) -> None:
    with (
        running(empty_folder, "serve", "--port", "0", "--database-url", world.database_url) as service,
        client_of(service) as client,
        a_booking_in_hand(service, client, world) as booking,
    ):  # fmt: skip
        service.process.send_signal(signal.SIGTERM)
        service.until(lambda: not takes_connections(client))

        assert service.end() == 0
        assert isinstance(booking.answer.exception(), httpx.TransportError)
    # PostgreSQL notices that the worker is gone only when the lock is free.
    rows = world.sql(
        "SELECT (SELECT count(*) FROM booking.visit), (SELECT count(*) FROM booking.event),"
        " (SELECT count(*) FROM booking.audit)"
    )
    assert rows in ([(0, 0, 0)], [(1, 1, 1)])


def test_a_killed_process_is_replaced_and_a_killed_supervisor_takes_its_processes_along(
    world: World, empty_folder: Path
) -> None:
    with running(
        empty_folder, "serve", "--port", "0", "--workers", "2", "--database-url", world.database_url
    ) as service:
        base_url = service.address()
        first, second = service.workers
        (courier,) = service.couriers

        first.kill()
        courier.kill()
        service.until(lambda: len(service.workers) == 2 and first not in service.workers)
        service.until(lambda: len(service.couriers) == 1 and courier not in service.couriers)
        assert httpx.get(f"{base_url}/readyz", timeout=30, trust_env=False).is_success
        assert second in service.workers
        assert len(service.events("worker_replaced")) == 1
        assert len(service.events("courier_replaced")) == 1

        processes = service.workers + service.couriers
        assert service.end(signal.SIGKILL) == -signal.SIGKILL
        for _ in range(1000):
            if all(is_gone(process) for process in processes):
                break
            time.sleep(0.01)
        assert all(is_gone(process) for process in processes)
        with httpx.Client(base_url=base_url) as client:
            assert not takes_connections(client)


def test_the_embedded_database_comes_back_is_shared_with_commands_and_stops_last(
    empty_folder: Path, bookwell: Bookwell
) -> None:
    data_dir = empty_folder / "data"
    with (
        running(empty_folder, "serve", "--port", "0", "--data-dir", str(data_dir)) as service,
        client_of(service) as client,
    ):
        kill_the_server(data_dir)
        service.until(lambda: client.get("/readyz").status_code == 200)
        assert "server" not in client.get("/readyz").headers
        assert "date" in client.get("/readyz").headers

        added = bookwell("brand", "add", "new", "--name", "New", "--data-dir", str(data_dir))
        token = bookwell("token", "create", "--brand", "new", "--role", "staff", "--subject", "s", "--data-dir", str(data_dir))  # fmt: skip
        assert added.code == 0
        answer = client.get("/v1/visits?brand_id=new", headers=headers(token.out.strip()))
        assert answer.json() == {"visits": []}

        world = populate(f"postgresql://postgres@/bookwell?host={server_on(data_dir).socket_dir}")
        with a_booking_in_hand(service, client, world) as booking:
            # As a terminal does: the whole foreground gets it.
            os.killpg(service.process.pid, signal.SIGINT)
            service.until(lambda: not takes_connections(client))
            booking.let_go()
            assert booking.answer.result().status_code == 201
        assert service.process.wait(30) == 0
        assert nothing_runs_on(data_dir)
    assert [len(service.events(name)) for name in ("serving", "database_restarted", "stopped")] == [1, 1, 1]  # fmt: skip
    assert "Traceback" not in service.err


def test_a_process_that_cannot_even_start_ends_the_service_with_a_sentence(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with a broken installation: what should be Python ends at once.
    monkeypatch.setattr(sys, "executable", "/bin/false")
    announced = threading.Event()

    with (
        listen("127.0.0.1", 0) as listening,
        pytest.raises(CannotServe, match=r"A (worker|courier) ended with code 1 before"),
    ):
        supervisor.run(
            settings_for(database_url, workers=2),
            listening,
            announce=lambda *_: announced.set(),
        )

    assert not announced.is_set()
