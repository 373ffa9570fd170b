"""One worker process: serves on the socket it inherits, with the settings in its environment.

    python -m bookwell.processes.worker SOCKET_FD LIFELINE_FD

It leaves when it is told to, and with its supervisor (`lifeline.py`); either way it drains first.
"""

import gc
import resource
import socket
import sys

import uvicorn

from bookwell.processes.lifeline import leave_with
from bookwell.processes.listening import BACKLOG
from bookwell.processes.protocol import Protocol
from bookwell.settings import Settings

# Load balancers keep connections for a minute and must be the ones to close them; a request sent
# on a connection that we are closing is lost.
KEEP_ALIVE_SECONDS = 75
# A connection is an open file; the usual limit of 1024 is for programs of another kind.
OPEN_FILES_MAX = 65_536


def main() -> None:
    listening, lifeline = (int(argument) for argument in sys.argv[1:])
    leave_with(lifeline)
    _raise_limit_of_open_files()
    settings = Settings.from_environment()
    config = uvicorn.Config(
        "bookwell.app:create",
        factory=True,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    _Server(config).run(sockets=[socket.socket(fileno=listening)])


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is there now stays until the end. Looking through all of it for garbage would stop
        # the worker for 50 ms again and again; like this, only what came since is looked through.
        gc.collect()
        gc.freeze()


def _raise_limit_of_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
