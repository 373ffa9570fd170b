"""What a service started of its own leaves on the machine: processes, and shared memory."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types

from bookwell.storage.cluster import Cluster

# A line of `postmaster.pid`, counted from 0: the key and the id of the System V segment.
SHARED_MEMORY_LINE = 6


def processes_in(folder: Path) -> list[psutil.Process]:
    """Those that work in the folder or below it, or name it in their command line."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            places = [process.cwd(), *process.cmdline()]
            if process.pid != psutil.Process().pid and any(str(folder) in at for at in places):
                found.append(process)
    return found


def shared_memory_of(cluster: Cluster) -> str:
    """The id of the segment by which PostgreSQL knows that nobody else serves this cluster."""
    lines = (cluster.path / "postmaster.pid").read_text().splitlines()
    return lines[SHARED_MEMORY_LINE].split()[1]


def is_shared_memory(segment: str) -> bool:
    """Whether the system still has it (Linux)."""
    rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return segment in {row.split()[1] for row in rows}


@contextmanager
def taken_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        yield port
