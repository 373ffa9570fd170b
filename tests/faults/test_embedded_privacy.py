import os
import select
import signal
import stat
import threading
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # psutil ships no types
import psycopg
import pytest

from embedded_servers import ask, database, server_on, session_that_runs, wait_until_it_answers


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
        wait_until_it_answers(url)

    log = (folder / "postgres.log").read_text()
    assert "terminated by signal 9" in log
    assert "canary" not in log
    assert "4711" not in log
    assert "INSERT" not in log
    assert "patient" not in log


def sleep_in_the_database(url: str, canary: str) -> None:
    with suppress(psycopg.OperationalError):
        ask(url, f"SELECT pg_sleep(60), '{canary}'")


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
