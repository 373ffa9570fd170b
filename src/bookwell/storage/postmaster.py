"""The running server of an embedded cluster: found, launched, and stopped by its process."""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# psutil ships no types, and `types-psutil` is not among our tools.
import psutil  # type: ignore[import-untyped]  # it ships no types

from bookwell.storage.cluster import SOCKET_NAME, Cluster

# A disk full of unfinished work takes a while to check; beyond two minutes a person should look.
START_PATIENCE_S = 120.0
# A clean stop writes everything out first. One that takes longer has met a slow disk, or
# PostgreSQL 18 itself, which may wait for ever when it is stopped while it repairs a crash.
STOP_PATIENCE_S = 20.0
# Who is told to quit has nothing to write; a server gives its own processes five seconds for it.
QUIT_PATIENCE_S = 10.0
POLL_S = 0.02

# Lines of `postmaster.pid`, counted from 0; PostgreSQL keeps them in `utils/pidfile.h`.
SOCKET_DIR_LINE = 4
STATUS_LINE = 7


@dataclass(frozen=True, slots=True)
class Postmaster:
    """PostgreSQL's first process, as it stood when it was looked for."""

    process: psutil.Process
    socket_dir: Path | None
    is_ready: bool

    def is_alive(self) -> bool:
        """Cheap enough to be asked every second."""
        return _is_alive(self.process)


def find(cluster: Cluster) -> Postmaster | None:
    """Find the server that runs on this cluster, ready or not, whoever started it."""
    lines = _pid_file_lines(cluster)
    pid = _pid(lines)
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
    # The number may have been given to some other program since the file was written.
    if not _is_alive(process) or not _belongs(process, cluster):
        return None
    # The file grows while the server starts; its last line says how far it is.
    is_ready = len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"
    return Postmaster(process, _socket_dir(lines), is_ready)


def run_until_ready(cluster: Cluster) -> Postmaster:
    """Adopt the server or launch one, and return it as soon as it takes connections.

    Raises `EmbeddedPostgresError` when it dies, or is not ready after `START_PATIENCE_S`.
    """
    deadline = time.monotonic() + START_PATIENCE_S
    while time.monotonic() < deadline:
        server = find(cluster)
        if server is None:
            launch(cluster, patience_s=deadline - time.monotonic())
        elif server.is_ready:
            return server
        else:
            time.sleep(POLL_S)
    raise cluster.failure(
        f"PostgreSQL on {cluster.path} was not ready after {START_PATIENCE_S:.0f} seconds; it may "
        "still be recovering from a crash, and goes on with it."
    )


def launch(cluster: Cluster, *, patience_s: float) -> None:
    """Launch a server where none runs, and give it that long to become ready.

    Raises `EmbeddedPostgresError` only when it has died; one that is still busy is left to it.
    """
    _clear_away_remains(cluster)
    cluster.prepare()
    started = cluster.run(
        "pg_ctl",
        "start",
        "--silent",
        "--wait",
        f"--timeout={max(1, int(patience_s))}",
        f"--pgdata={cluster.path}",
        f"--log={cluster.log}",
        f"--options=-c config_file={cluster.settings.name} -c cluster_name={cluster.tag}",
    )
    if started.returncode != 0 and find(cluster) is None:
        raise cluster.failure(f"PostgreSQL did not start on {cluster.path}.")


def shut_down(cluster: Cluster, *, patience_s: float = STOP_PATIENCE_S) -> None:
    """Stop the server cleanly, ending its connections; nothing happens where none runs.

    One that takes longer than it is given is told to quit: nothing that was committed is lost, and
    the next start recovers it. Raises `EmbeddedPostgresError` if it stays nevertheless.
    """
    server = find(cluster)
    if server is None:
        return
    for number, seconds in ((signal.SIGINT, patience_s), (signal.SIGQUIT, QUIT_PATIENCE_S)):
        _signal([server.process], number)
        if not _wait_until_gone([server.process], seconds):
            return
    raise cluster.failure(
        f"PostgreSQL on {cluster.path} (process {server.process.pid}) does not stop."
    )


def _clear_away_remains(cluster: Cluster) -> None:
    """After a crash: end what outlived the server, and drop a claim that PostgreSQL would believe.

    A process that works for a client does not notice at once that its server is dead, and
    PostgreSQL does not start beside it. Nor does it start while its file names a living process,
    even if that is a stranger with a reused number, or a dead one that nobody has collected.
    """
    if not (cluster.path / "postmaster.pid").exists():
        return
    orphans = _processes_of(cluster)
    _signal(orphans, signal.SIGQUIT)
    orphans = _wait_until_gone(orphans, QUIT_PATIENCE_S)
    _signal(orphans, signal.SIGKILL)
    if _wait_until_gone(orphans, QUIT_PATIENCE_S):
        raise cluster.failure(f"What is left of a crashed PostgreSQL on {cluster.path} stays.")

    lines = _pid_file_lines(cluster)
    pid = _pid(lines)
    # Where the number is free, the file stays: it lets PostgreSQL make its own checks.
    if pid is None or psutil.pid_exists(pid):
        socket_dir = _socket_dir(lines) or cluster.path
        (socket_dir / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
        (cluster.path / "postmaster.pid").unlink(missing_ok=True)


def _pid_file_lines(cluster: Cluster) -> list[str]:
    try:
        return (cluster.path / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _pid(lines: list[str]) -> int | None:
    # The file is empty for an instant while it is written, or for good after a power cut.
    first = lines[0].strip() if lines else ""
    return int(first) if first.isdigit() else None


def _socket_dir(lines: list[str]) -> Path | None:
    found = lines[SOCKET_DIR_LINE] if len(lines) > SOCKET_DIR_LINE else ""
    return Path(found) if found else None


def _is_alive(process: psutil.Process) -> bool:
    try:
        if not process.is_running():
            return False
        if process.status() != psutil.STATUS_ZOMBIE:
            return True
    except psutil.NoSuchProcess:
        return False
    # Process 1 of a container inherits the server; when that is us, we collect it.
    with suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return False


def _belongs(process: psutil.Process, cluster: Cluster) -> bool:
    try:
        # PostgreSQL works in its cluster's folder, under whatever name that was given to it.
        return cluster.path.samefile(process.cwd())
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except psutil.AccessDenied:
        # In most containers even root may not look into another user's process, but everybody may
        # read a command line, and those of our servers carry the tag.
        with suppress(psutil.Error):
            return cluster.tag in " ".join(process.cmdline())
        return False


def _processes_of(cluster: Cluster) -> list[psutil.Process]:
    uid = cluster.owner.uid
    return [
        process
        for process in psutil.process_iter(["name", "uids"])
        if process.info["name"] == "postgres"
        and process.info["uids"] is not None
        and process.info["uids"].effective == uid
        and _is_alive(process)
        and _belongs(process, cluster)
    ]


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _wait_until_gone(processes: list[psutil.Process], patience_s: float) -> list[psutil.Process]:
    deadline = time.monotonic() + patience_s
    alive = [process for process in processes if _is_alive(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(POLL_S)
        alive = [process for process in alive if _is_alive(process)]
    return alive
