"""A bookwell of our own to be hard on: real processes, a durable embedded PostgreSQL, one folder.

Everything lies in one fresh folder, and every process of it works in that folder, by which it is
found again. Leaving the block ends them all and removes the folder, whatever happened inside.
"""

import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

# psutil ships no types, and `types-psutil` is not among our tools.
import psutil  # type: ignore[import-untyped]  # it ships no types

from bookwell.processes.listening import CannotServe
from bookwell.prove.interruptions import interrupted_by_any_end, uninterrupted
from bookwell.storage.cluster import Cluster
from bookwell.storage.embedded import DATABASE, EmbeddedPostgresError
from bookwell.storage.postmaster import Postmaster, find, run_until_ready, shut_down

WORKERS = 2
COURIERS = 2
# So short that holds end by themselves in the middle of a race.
HOLD_MINUTES = 0.05
HOST = "127.0.0.1"
# Below the ports that Linux and macOS lend to clients: who knocks while nobody listens would
# otherwise be lent the service's port one day, meet themselves there, and keep the service out.
PORTS = range(15_000, 30_000)
PORT_TRIES_MAX = 100
# A recovery after a kill takes a second or two; a machine that is busy with other things, longer.
READY_PATIENCE_S = 60.0
READY_TIMEOUT_S = 2.0
GONE_PATIENCE_S = 10.0
# Its data is thrown away, so PostgreSQL is not given long to write it out.
STOP_PATIENCE_S = 5.0
POLL_S = 0.05
KILL_POLL_S = 0.005

WORKER_MODULE = "bookwell.processes.worker"
COURIER_MODULE = "bookwell.processes.courier"
SERVICE_LOG = "service.log"


class OwnService:
    """`bookwell serve` on an embedded PostgreSQL, all of it to be thrown away.

    `variables` are settings of the service as its environment has them.
    """

    def __init__(
        self, *, workers: int = WORKERS, variables: Mapping[str, str] | None = None
    ) -> None:
        self._workers = workers
        self._variables = dict(variables or {})
        self._undo = ExitStack()
        self._supervisor: subprocess.Popen[bytes] | None = None
        # Whoever starts it again from another thread must not do so after the end.
        self._starting = threading.Lock()
        self._is_over = False
        self.port = 0

    def __enter__(self) -> Self:
        """Start it and wait until it is ready.

        Raises:
            CannotServe: It does not become ready; the message says why.
        """
        with self._undo as undo:
            undo.enter_context(interrupted_by_any_end())
            self.folder = Path(tempfile.mkdtemp(prefix="bw-prove-")).resolve()
            self.cluster = Cluster(self.folder / "data", durable=True)
            undo.callback(self._clear_away)
            self.port = _free_port()
            self.start()
            # One that ends before it was ever ready would only end again.
            if not self.wait_until_ready(until=lambda: self.supervisor() is None):
                raise CannotServe(f"The service did not start: {self._last_words()}")
            # What was made stays until the block is left.
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    @property
    def base_url(self) -> str:
        """The same address however often the service is started again."""
        return f"http://{HOST}:{self.port}"

    @property
    def database_url(self) -> str:
        """The database's address; the same after each of its restarts."""
        server = find(self.cluster)
        if server is None or server.socket_dir is None:
            raise CannotServe("The database of the service does not run.")
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(server.socket_dir))}"

    def start(self) -> None:
        """Start `bookwell serve` on our folder and port; it adopts the database that runs there.

        Nothing happens once the block is being left.
        """
        with self._starting:
            if not self._is_over:
                self._launch()

    def start_if_gone(self) -> None:
        """Start the service again if its supervisor is gone."""
        if self.supervisor() is None:
            self.start()

    def supervisor(self) -> psutil.Process | None:
        """The process that keeps the others, if it is alive."""
        if self._supervisor is None or self._supervisor.poll() is not None:
            return None
        return psutil.Process(self._supervisor.pid)

    def workers(self) -> list[psutil.Process]:
        """The workers that are alive, also those whose supervisor is not."""
        return [each for each in psutil.process_iter() if self._runs(WORKER_MODULE, each)]

    def couriers(self) -> list[psutil.Process]:
        """As `workers`."""
        return [each for each in psutil.process_iter() if self._runs(COURIER_MODULE, each)]

    def postmaster(self) -> Postmaster | None:
        """The database's first process, if it is alive."""
        return find(self.cluster)

    def is_ready(self) -> bool:
        """Whether `/readyz` says so, and all workers and couriers are there."""
        return (
            _says_ready(self.port)
            and len(self.workers()) == self._workers
            and len(self.couriers()) == COURIERS
        )

    def wait_until_ready(self, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Return True as soon as it is ready, and False as soon as `until` says to wait no more.

        A supervisor that ends meanwhile is started again: a port may be held for an instant by
        what is left of the service before.

        Raises:
            CannotServe: It was not ready within a minute.
        """
        deadline = time.monotonic() + READY_PATIENCE_S
        while time.monotonic() < deadline:
            if self.is_ready():
                return True
            if until() or self._is_over:
                return False
            self.start_if_gone()
            time.sleep(POLL_S)
        raise CannotServe(
            f"The service was not ready after {READY_PATIENCE_S:.0f} seconds; the last that it "
            f"said is: {self._last_words()}"
        )

    def _launch(self) -> None:
        options = {"port": self.port, "workers": self._workers, "data-dir": self.cluster.data_dir}
        named = [f"--{name}={value}" for name, value in options.items()]
        with (self.folder / SERVICE_LOG).open("ab") as log:
            self._supervisor = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-P", "-m", "bookwell", "serve", f"--host={HOST}", *named],
                cwd=self.folder,
                env=_environment() | self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A terminal's Ctrl-C is for us, and we clear away what is ours.
                start_new_session=True,
            )

    def _runs(self, module: str, process: psutil.Process) -> bool:
        with suppress(psutil.Error, OSError):
            return (
                module in process.cmdline()
                and _is_alive(process)
                and self.folder.samefile(process.cwd())
            )
        return False

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self.folder / SERVICE_LOG).read_text(errors="replace").splitlines()
            return lines[-1] if lines else "it says nothing."
        return "it says nothing."

    def _clear_away(self) -> None:
        """End every process, then remove the folder. A second Ctrl-C does not interrupt it."""
        with self._starting:
            self._is_over = True
        with uninterrupted():
            try:
                self._end_the_service()
                with suppress(EmbeddedPostgresError, OSError):
                    self._end_the_database()
            finally:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _end_the_service(self) -> None:
        supervisor = self.supervisor()
        if supervisor is not None:
            # Held first, so that it starts nobody else; it may be making the database.
            supervisor.suspend()
            kill([supervisor, *children_of(supervisor)])
        if self._supervisor is not None:
            self._supervisor.wait(GONE_PATIENCE_S)
        kill([*self.workers(), *self.couriers()])

    def _end_the_database(self) -> None:
        if find(self.cluster) is None and (self.cluster.path / "postmaster.pid").exists():
            # It died, and its shared memory would outlive the folder: only a start clears it away.
            run_until_ready(self.cluster)
        server = find(self.cluster)
        shut_down(self.cluster, patience_s=STOP_PATIENCE_S)
        if server is not None and server.socket_dir not in (None, self.cluster.path):
            shutil.rmtree(server.socket_dir, ignore_errors=True)


def kill(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL, and wait until they are gone, or dead and not yet collected by their parent."""
    struck = list(processes)
    for process in struck:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + GONE_PATIENCE_S
    while any(_is_alive(process) for process in struck) and time.monotonic() < deadline:
        time.sleep(KILL_POLL_S)


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def children_of(process: psutil.Process) -> list[psutil.Process]:
    """Its children and theirs, as far as it is still there."""
    with suppress(psutil.NoSuchProcess):
        children: list[psutil.Process] = process.children(recursive=True)
        return children
    return []


def _says_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=READY_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    for port in random.sample(PORTS, PORT_TRIES_MAX):
        with suppress(OSError), socket.create_server((HOST, port)):
            return port
    raise CannotServe(f"No port of {HOST} from {PORTS.start} to {PORTS.stop - 1} is free.")


def _environment() -> dict[str, str]:
    """Ours without its settings, which are for another service, and without limits of rates."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    # The service works in another folder, where a relative place would mean another.
    paths = [entry for entry in kept.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if paths:
        kept["PYTHONPATH"] = os.pathsep.join(str(Path(entry).resolve()) for entry in paths)
    return {
        **kept,
        "BOOKWELL_RATE_READS_PER_MINUTE": "0",
        "BOOKWELL_RATE_WRITES_PER_MINUTE": "0",
        "BOOKWELL_RATE_ADMIN_PER_MINUTE": "0",
        "BOOKWELL_HOLD_MINUTES": str(HOLD_MINUTES),
        "BOOKWELL_COURIERS": str(COURIERS),
        "BOOKWELL_LOG_LEVEL": "warning",
        "BOOKWELL_LOG_FORMAT": "json",
    }
