"""The PostgreSQL that comes with the package, shared by all processes that use one data folder.

Each process holds a shared lock on `in-use.lock` for as long as it uses the server; who can have
that lock alone is the last one and stops it. Starting and stopping are decided under a second
lock, so that no two processes decide at once. The operating system drops the locks of a process
that dies, so a kill leaves nothing behind but a running server, which the next start adopts.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg

from bookwell.storage.cluster import BIN_PATH, Cluster, EmbeddedPostgresError
from bookwell.storage.postmaster import (
    POLL_S,
    START_PATIENCE_S,
    Postmaster,
    find,
    launch,
    run_until_ready,
    shut_down,
)

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

DATABASE = "bookwell"
# A supervisor asks every second; a server that needs longer to recover is left to it meanwhile.
RESTART_PATIENCE_S = 5.0
CONNECT_TIMEOUT_S = 10


class EmbeddedPostgres:
    """The PostgreSQL that comes with the package, its data in one folder.

    Safe to use from several threads, and from several processes on the same folder. With
    `durable=False`, which is for tests only, a crash of the server costs the last half second and
    a power cut everything.
    """

    bin_path: Path = BIN_PATH

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._cluster = Cluster(data_dir.expanduser().resolve(), durable)
        self._mutex = threading.RLock()
        self._in_use: int | None = None
        self._server: Postmaster | None = None
        self._socket_dir: Path | None = None

    @property
    def url(self) -> str:
        """Where the database is, for asyncpg, psycopg and psql; known once it was started."""
        return self._url_of(DATABASE)

    def start(self) -> str:
        """Make what is missing, start the server or adopt the running one, and return the URL.

        Returns when the server takes connections. After a crash that can take as long as its
        recovery, for which it waits two minutes. Raises `EmbeddedPostgresError`.
        """
        with self._mutex, self._cluster.explaining():
            self._cluster.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._deciding(START_PATIENCE_S) as is_ours:
                if not is_ours:
                    raise self._cluster.failure(
                        f"Another process is still starting or stopping {self._cluster.path}."
                    )
                self._join()
                try:
                    self._server = run_until_ready(self._cluster)
                    self._socket_dir = self._server.socket_dir
                    self._create_database()
                except BaseException:
                    self._leave()
                    raise
            return self.url

    def ensure_running(self) -> bool:
        """Start the server again if it died, and say whether that was needed.

        For a supervisor, about once a second: cheap when all is well, and quiet while the server
        starts or somebody else is about it. It does not wait for a recovery that takes long, so
        connections may be refused for a while. Raises `EmbeddedPostgresError` when the server
        cannot be started; the next call tries again.
        """
        if not self._mutex.acquire(blocking=False):
            return False
        try:
            if self._in_use is None or (self._server is not None and self._server.is_alive()):
                return False
            with self._cluster.explaining(), self._deciding(patience_s=0) as is_ours:
                if not is_ours:
                    return False
                running = find(self._cluster)
                if running is None:
                    # Only a start makes a new database; here it would hide that one was lost.
                    if not self._cluster.path.exists():
                        raise self._cluster.failure(f"The database {self._cluster.path} is gone.")
                    launch(self._cluster, patience_s=RESTART_PATIENCE_S)
                self._server = running or find(self._cluster) or self._server
                return running is None
        finally:
            self._mutex.release()

    def stop(self) -> None:
        """Stop the server cleanly, unless another process uses it too.

        Connections that are still open are ended. Raises `EmbeddedPostgresError` when the server
        does not stop within half a minute. Stopping twice does no harm.
        """
        with self._mutex:
            if self._in_use is None:
                return
            with self._cluster.explaining(), self._deciding(START_PATIENCE_S) as is_ours:
                try:
                    if is_ours and _try_lock(self._in_use, fcntl.LOCK_EX):
                        shut_down(self._cluster)
                finally:
                    # Before others decide again, so that the next to leave counts without us.
                    self._leave()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _url_of(self, database: str) -> str:
        if self._socket_dir is None:
            raise EmbeddedPostgresError("The database has no address before it is started.")
        return f"postgresql://postgres@/{database}?host={quote(str(self._socket_dir))}"

    def _create_database(self) -> None:
        try:
            with psycopg.connect(
                self._url_of("postgres"), autocommit=True, connect_timeout=CONNECT_TIMEOUT_S
            ) as connection:
                query = "SELECT 1 FROM pg_database WHERE datname = %s"
                if connection.execute(query, [DATABASE]).fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
        except psycopg.Error as error:
            raise self._cluster.failure(f"The database could not be opened: {error}.") from error

    @contextmanager
    def _deciding(self, patience_s: float) -> Iterator[bool]:
        """Hold the right to start or stop the server; False if others kept it that long."""
        deadline = time.monotonic() + patience_s
        lock = _open_lock(self._cluster.data_dir / "start-stop.lock")
        try:
            while not (is_ours := _try_lock(lock, fcntl.LOCK_EX)) and time.monotonic() < deadline:
                time.sleep(POLL_S)
            yield is_ours
        finally:
            os.close(lock)

    def _join(self) -> None:
        """Become one of those who use the server."""
        if self._in_use is not None:
            return
        lock = _open_lock(self._cluster.data_dir / "in-use.lock")
        with ExitStack() as undo:
            undo.callback(os.close, lock)
            if _try_lock(lock, fcntl.LOCK_EX):
                os.truncate(lock, 0)
                os.write(lock, _where_we_run())
            elif os.pread(lock, 200, 0) != _where_we_run():
                raise EmbeddedPostgresError(
                    f"The database in {self._cluster.data_dir} is in use from another container or "
                    "machine, where its server runs; two servers would destroy it. Point "
                    "BOOKWELL_DATABASE_URL of both at one PostgreSQL."
                )
            # This never waits: alone is the lock held only by who decides, and that is us.
            fcntl.flock(lock, fcntl.LOCK_SH)
            undo.pop_all()
        self._in_use = lock

    def _leave(self) -> None:
        if self._in_use is not None:
            os.close(self._in_use)
            self._in_use = None


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(descriptor: int, kind: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        return True
    return False


def _where_we_run() -> bytes:
    """Name the kernel and the space of process numbers; only within one can servers be found."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}".encode()  # noqa: PTH115 - no path, a name
    return b"here"
