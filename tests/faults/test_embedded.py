import fcntl
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # psutil ships no types
import psycopg
import pytest

from bookwell.storage.cluster import Cluster
from bookwell.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError
from bookwell.storage.postmaster import Postmaster, find, shut_down

# Starts the server, says so, and stops it when it is told to (or is killed before).
USER_OF_THE_SERVER = """
import sys
from pathlib import Path
from bookwell.storage.embedded import EmbeddedPostgres

with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    # pytest's own folders are too deep for a socket.
    folder = Path(tempfile.mkdtemp(prefix="bw-", dir="/tmp")).resolve()
    yield folder
    shut_down(Cluster(folder, durable=False))
    shutil.rmtree(folder)


def database(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, durable=False)


def server_on(folder: Path) -> Postmaster:
    server = find(Cluster(folder, durable=False))
    assert server is not None
    return server


def nothing_runs_on(folder: Path) -> bool:
    return find(Cluster(folder, durable=False)) is None


def ask(url: str, query: str, *parameters: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def process_using(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER_OF_THE_SERVER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def session_that_runs(url: str, beginning: str) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        query = "SELECT pid FROM pg_stat_activity WHERE starts_with(query, %s)"
        for (pid,) in ask(url, query, beginning):
            assert isinstance(pid, int)
            return pid
        time.sleep(0.01)
    raise AssertionError(beginning)


def kill_the_server(folder: Path) -> None:
    server = server_on(folder)
    server.process.kill()
    while server.is_alive():
        time.sleep(0.01)


def test_a_new_folder_becomes_a_database_that_answers(folder: Path) -> None:
    with database(folder) as server:
        assert server.url == f"postgresql://postgres@/bookwell?host={folder}/postgres"
        settings = ask(
            server.url,
            "SELECT current_setting('listen_addresses'), current_setting('server_encoding'),"
            " current_setting('TimeZone'), current_setting('max_connections'), 'Z' < 'a', upper('é')",
        )
        assert settings == [("", "UTF8", "UTC", "200", True, "É")]
        assert (server.bin_path / "pgbench").exists()

    assert nothing_runs_on(folder)


def test_a_second_start_is_quick_and_finds_what_was_committed(folder: Path) -> None:
    with database(folder) as server:
        ask(server.url, "CREATE TABLE kept AS SELECT 7 AS number")

    began = time.monotonic()
    with database(folder) as server:
        assert time.monotonic() - began < 1.5
        assert ask(server.url, "SELECT number FROM kept") == [(7,)]


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


def test_processes_that_start_at_the_same_time_share_one_server(folder: Path) -> None:
    processes = [process_using(folder) for _ in range(3)]

    urls = {first_line(process) for process in processes}
    for process in processes:
        with process:
            process.communicate()

    assert len(urls) == 1
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert nothing_runs_on(folder)


def test_a_killed_server_comes_back_with_what_was_committed(folder: Path) -> None:
    with database(folder) as server:
        ask(server.url, "CREATE TABLE kept AS SELECT 7 AS number")
        assert not server.ensure_running()

        kill_the_server(folder)

        assert server.ensure_running()
        assert not server.ensure_running()
        assert ask(server.url, "SELECT number FROM kept") == [(7,)]


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
    with database(folder) as server:
        ask(server.url, "CREATE TABLE kept AS SELECT 7 AS number")
        kill_the_server(folder)
    cluster = Cluster(folder, durable=False)
    # PostgreSQL itself believes a number that belongs to a process of the same user.
    is_root = os.geteuid() == 0
    with subprocess.Popen(["sleep", "60"], user=cluster.owner.uid if is_root else None) as stranger:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            file = cluster.path / name
            file.write_text(re.sub(r"^\d+", str(stranger.pid), file.read_text()))

        with database(folder) as server:
            assert ask(server.url, "SELECT number FROM kept") == [(7,)]

        assert stranger.poll() is None
        stranger.kill()


def test_an_empty_claim_that_a_power_cut_left_is_no_obstacle(folder: Path) -> None:
    with database(folder):
        kill_the_server(folder)
    (folder / "postgres/postmaster.pid").write_text("")

    with database(folder) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]


def test_a_folder_with_a_long_path_has_its_socket_elsewhere_and_private(folder: Path) -> None:
    deep = folder / ("x" * 100)

    with database(deep) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]
        socket_dir = server_on(deep).socket_dir
        assert socket_dir is not None
        status = socket_dir.stat()
        assert stat.S_IMODE(status.st_mode) == 0o700
        assert status.st_uid == Cluster(deep, durable=False).owner.uid
        server.stop()
        assert server.start() == f"postgresql://postgres@/bookwell?host={socket_dir}"
    shutil.rmtree(socket_dir)


def test_a_socket_folder_that_somebody_opened_to_others_is_refused(folder: Path) -> None:
    deep = folder / ("y" * 100)
    elsewhere = folder.parent / Cluster(deep, durable=False).tag
    elsewhere.mkdir()
    elsewhere.chmod(0o777)

    with pytest.raises(EmbeddedPostgresError, match="is open to others"):
        database(deep).start()
    elsewhere.rmdir()


def test_a_path_with_spaces_and_commas_works(folder: Path) -> None:
    for name in ("with space", "with, comma"):
        with database(folder / name) as server:
            assert ask(server.url, "SELECT 1") == [(1,)]
            socket_dir = server_on(folder / name).socket_dir
        if socket_dir and folder not in socket_dir.parents:
            shutil.rmtree(socket_dir)


def test_half_a_cluster_is_kept_aside_and_a_whole_one_made(folder: Path) -> None:
    (folder / "postgres/global").mkdir(parents=True)
    (folder / "postgres/PG_VERSION").write_text("18\n")
    (folder / "postgres.new-killed").mkdir()

    with database(folder) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]

    (aside,) = folder.glob("postgres.incomplete-*")
    assert (aside / "PG_VERSION").read_text() == "18\n"
    assert not (folder / "postgres.new-killed").exists()


def test_a_cluster_of_another_major_version_is_refused_in_a_sentence(folder: Path) -> None:
    with database(folder):
        pass
    (folder / "postgres/PG_VERSION").write_text("16\n")

    with pytest.raises(EmbeddedPostgresError, match="was made by PostgreSQL 16, and this bookwell"):
        database(folder).start()


def test_a_server_that_cannot_start_is_explained_with_its_log(folder: Path) -> None:
    with database(folder):
        pass
    with (folder / "postgres/postgresql.conf").open("a") as settings:
        settings.write("work_mem = nonsense\n")

    with pytest.raises(EmbeddedPostgresError, match=r"postgres\.log.*\n(.*\n)*.*work_mem"):
        database(folder).start()


def test_a_folder_in_use_from_another_container_is_refused(folder: Path) -> None:
    lock = (folder / "in-use.lock").open("w")
    with lock:
        lock.write("another-kernel pid:[1]")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_SH)

        with pytest.raises(EmbeddedPostgresError, match="in use from another container"):
            database(folder).start()


def test_the_log_tells_nothing_of_statements_and_values(folder: Path) -> None:
    canary = "canary-4711"
    with database(folder) as server:
        url = server.url
        ask(url, "CREATE TABLE patient (name text PRIMARY KEY, born int CHECK (born > 0))")
        ask(url, "INSERT INTO patient VALUES (%s, 1)", canary)
        failing: list[tuple[str, tuple[object, ...]]] = [
            ("INSERT INTO patient VALUES (%s, 1)", (canary,)),
            ("INSERT INTO patient VALUES (%s, %s)", (canary, -1)),
            ("INSERT INTO patient VALUES ('x', %s::text::int)", (canary,)),
            ("INSERT INTO patient VALUES ('x', 'canary-4711')", ()),
            ('SELECT "canary-4711"', ()),
            ("DO $$ BEGIN RAISE WARNING 'canary-4711'; RAISE 'canary-4711'; END $$", ()),
        ]
        for statement, parameters in failing:
            with pytest.raises(psycopg.Error):
                ask(url, statement, *parameters)
        # The server reports a session that was killed, and may name what it was doing.
        session = threading.Thread(target=sleep_in_the_database, args=[url, canary])
        session.start()
        os.kill(session_that_runs(url, "SELECT pg_sleep"), signal.SIGKILL)
        session.join()

    log = (folder / "postgres.log").read_text()
    assert "terminated by signal 9" in log
    assert "canary" not in log
    assert "4711" not in log
    assert "INSERT" not in log
    assert "patient" not in log


def sleep_in_the_database(url: str, canary: str) -> None:
    with suppress(psycopg.OperationalError):
        ask(url, f"SELECT pg_sleep(60), '{canary}'")


def test_a_big_log_is_put_aside_at_the_next_start(folder: Path) -> None:
    (folder / "postgres.log").write_bytes(b"x" * (10 * 1024 * 1024 + 1))

    with database(folder):
        assert (folder / "postgres.log").stat().st_size < 10_000
        assert (folder / "postgres.log.1").stat().st_size > 10_000_000


def test_only_the_owner_of_the_server_reaches_its_socket_and_files(folder: Path) -> None:
    with database(folder):
        for name in ("postgres", "postgres/.s.PGSQL.5432", "postgres.log", "in-use.lock"):
            assert stat.S_IMODE((folder / name).stat().st_mode) & 0o077 == 0


def test_the_server_stands_apart_from_our_terminal_and_our_files(folder: Path) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    with database(folder):
        assert os.getsid(server_on(folder).process.pid) != os.getsid(0)

        # A pipe ends when nobody holds its other side any more.
        os.close(writer)
        assert select.select([reader], [], [], 1.0)[0]
        assert os.read(reader, 1) == b""
    os.close(reader)


def test_the_server_knows_nothing_of_our_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKWELL_SECRET", "secret")

    with database(folder):
        environment = psutil.Process(server_on(folder).process.pid).environ()

    assert "BOOKWELL_SECRET" not in environment


def test_watching_and_stopping_what_was_never_started_does_nothing(folder: Path) -> None:
    server = database(folder)

    assert not server.ensure_running()
    server.stop()

    assert list(folder.iterdir()) == []
    with pytest.raises(EmbeddedPostgresError, match="before it is started"):
        _ = server.url
