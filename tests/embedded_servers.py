"""What the tests of the embedded PostgreSQL do with folders, servers and processes."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from bookwell.storage.cluster import Cluster
from bookwell.storage.embedded import EmbeddedPostgres
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


@contextmanager
def a_folder() -> Iterator[Path]:
    # pytest's own folders are too deep for a socket.
    folder = Path(tempfile.mkdtemp(prefix="bw-", dir="/tmp")).resolve()
    yield folder
    shut_down(Cluster(folder, durable=False))
    shutil.rmtree(folder)


def database(folder: Path, *, durable: bool = False) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, durable=durable)


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


def wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError):
            ask(url, "SELECT 1")
            return
        time.sleep(0.01)
    raise AssertionError(url)


def kill_the_server(folder: Path) -> None:
    server = server_on(folder)
    server.process.kill()
    while server.is_alive():
        time.sleep(0.01)
