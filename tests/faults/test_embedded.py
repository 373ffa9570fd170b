import os
import re
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from bookwell.storage.cluster import Cluster
from bookwell.storage.embedded import EmbeddedPostgresError
from bookwell.storage.postmaster import shut_down
from embedded_servers import (
    ask,
    database,
    first_line,
    kill_the_server,
    nothing_runs_on,
    process_using,
    server_on,
    session_that_runs,
)


def test_a_new_folder_becomes_a_database_that_answers(empty_folder: Path) -> None:
    with database(empty_folder) as server:
        assert server.url == f"postgresql://postgres@/bookwell?host={empty_folder}/postgres"
        settings = ask(
            server.url,
            "SELECT current_setting('listen_addresses'), current_setting('server_encoding'),"
            " current_setting('TimeZone'), current_setting('max_connections'), 'Z' < 'a', upper('é')",
        )
        assert settings == [("", "UTF8", "UTC", "200", True, "É")]
        assert (server.bin_path / "pgbench").exists()

    assert nothing_runs_on(empty_folder)


def test_a_second_start_is_quick_and_finds_what_was_committed(folder: Path) -> None:
    with database(folder) as server:
        ask(server.url, "INSERT INTO kept VALUES (7)")

    began = time.monotonic()
    with database(folder) as server:
        assert time.monotonic() - began < 1.5
        assert (7,) in ask(server.url, "SELECT number FROM kept")


def test_a_second_process_adopts_the_running_server_and_the_last_one_stops_it(folder: Path) -> None:
    server = database(folder)
    url = server.start()
    pid = server_on(folder).process.pid

    with process_using(folder) as other:
        assert first_line(other) == url
        other.communicate()
        assert other.returncode == 0
    assert server_on(folder).process.pid == pid

    with process_using(folder) as other:
        assert first_line(other) == url
        server.stop()
        assert server_on(folder).process.pid == pid
        other.communicate()
    assert nothing_runs_on(folder)


def test_processes_that_start_at_the_same_time_share_one_server(empty_folder: Path) -> None:
    processes = [process_using(empty_folder) for _ in range(3)]

    urls = {first_line(process) for process in processes}
    for process in processes:
        with process:
            process.communicate()

    assert len(urls) == 1
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert nothing_runs_on(empty_folder)


def test_a_killed_server_comes_back_with_what_was_committed(folder: Path) -> None:
    with database(folder, durable=True) as server:
        ask(server.url, "INSERT INTO kept VALUES (7)")
        assert not server.ensure_running()

        kill_the_server(folder)

        assert server.ensure_running()
        assert not server.ensure_running()
        assert (7,) in ask(server.url, "SELECT number FROM kept")


def test_a_killed_server_comes_back_though_a_statement_of_its_own_goes_on(folder: Path) -> None:
    with database(folder) as server:
        busy = threading.Thread(target=count_for_minutes, args=[server.url])
        busy.start()
        session_that_runs(server.url, "SELECT count")

        kill_the_server(folder)

        assert server.ensure_running()
        busy.join()
        assert ask(server.url, "SELECT 1") == [(1,)]


def count_for_minutes(url: str) -> None:
    with suppress(psycopg.OperationalError):
        ask(url, "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b")


def test_a_server_that_hangs_while_it_stops_is_made_to_quit_and_loses_nothing(folder: Path) -> None:
    with database(folder, durable=True) as server:
        ask(server.url, "INSERT INTO kept VALUES (8)")
        # The stop waits for the checkpointer, and that sleeps.
        ((checkpointer,),) = ask(
            server.url, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
        )
        assert isinstance(checkpointer, int)
        os.kill(checkpointer, signal.SIGSTOP)
        threading.Timer(1.0, os.kill, [checkpointer, signal.SIGCONT]).start()

        shut_down(Cluster(folder, durable=True), patience_s=0.5)

        assert server.ensure_running()
        assert (8,) in ask(server.url, "SELECT number FROM kept")


def test_a_database_that_vanished_is_not_replaced_by_an_empty_one(empty_folder: Path) -> None:
    with database(empty_folder) as server:
        kill_the_server(empty_folder)
        (empty_folder / "postgres").rename(empty_folder / "elsewhere")

        with pytest.raises(EmbeddedPostgresError, match="is gone"):
            server.ensure_running()


def test_many_threads_may_watch_and_the_server_is_started_once(folder: Path) -> None:
    with database(folder) as server:
        kill_the_server(folder)

        started: list[bool] = []
        threads = [
            threading.Thread(target=lambda: started.append(server.ensure_running()))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(started) == [False] * 7 + [True]
        assert ask(server.url, "SELECT 1") == [(1,)]


def test_the_server_of_a_killed_process_is_adopted(folder: Path) -> None:
    with process_using(folder) as starter:
        first_line(starter)
        pid = server_on(folder).process.pid
        starter.kill()

    with database(folder) as server:
        assert server_on(folder).process.pid == pid
        assert ask(server.url, "SELECT 1") == [(1,)]
    assert nothing_runs_on(folder)


def test_the_number_of_a_dead_server_may_belong_to_another_process(folder: Path) -> None:
    with database(folder, durable=True) as server:
        ask(server.url, "INSERT INTO kept VALUES (7)")
        kill_the_server(folder)
    cluster = Cluster(folder, durable=False)
    # PostgreSQL itself believes a number that belongs to a process of the same user.
    is_root = os.geteuid() == 0
    stranger = subprocess.Popen(["sleep", "60"], user=cluster.owner.uid if is_root else None)
    try:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            file = cluster.path / name
            file.write_text(re.sub(r"^\d+", str(stranger.pid), file.read_text()))

        with database(folder) as server:
            assert (7,) in ask(server.url, "SELECT number FROM kept")

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_empty_claim_that_a_power_cut_left_is_no_obstacle(folder: Path) -> None:
    with database(folder):
        kill_the_server(folder)
    (folder / "postgres/postmaster.pid").write_text("")

    with database(folder) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]


def test_watching_and_stopping_what_was_never_started_does_nothing(empty_folder: Path) -> None:
    server = database(empty_folder)

    assert not server.ensure_running()
    server.stop()

    assert list(empty_folder.iterdir()) == []
    with pytest.raises(EmbeddedPostgresError, match="before it is started"):
        _ = server.url
