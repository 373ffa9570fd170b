"""Runs the service: one socket, one database, workers and couriers, until it is to stop.

What is opened first is closed last, with one exception: the socket closes as soon as the service
is to stop, so that nobody new comes in while the workers drain.
"""

import asyncio
import http.client
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from bookwell.processes import databases
from bookwell.processes.listening import CannotServe, url_of
from bookwell.settings import Settings

# A worker gives up on its requests after `drain_seconds`; who has not left soon after, hangs.
LEAVE_SECONDS = 5.0
# A process that dies at once would else be replaced as fast as the machine can.
REPLACE_PAUSE_SECONDS = 0.5
READY_POLL_SECONDS = 0.05
READY_TIMEOUT_SECONDS = 5.0

_log = structlog.get_logger("bookwell.processes")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of process, and what is logged of one."""

    noun: str
    module: str
    replaced: str
    killed: str


_WORKER: Final = _Kind("worker", "bookwell.processes.worker", "worker_replaced", "worker_killed")
_COURIER: Final = _Kind(
    "courier", "bookwell.processes.courier", "courier_replaced", "courier_killed"
)


async def nothing(_database_url: str) -> None:
    """Prepare nothing."""


def run(
    settings: Settings,
    listening: socket.socket,
    *,
    announce: Callable[[str, str], None],
    prepare: Callable[[str], Awaitable[None]] = nothing,
) -> None:
    """Serve on this socket until a signal says stop, drain, and return.

    `prepare` works on the migrated database (its URL) before any worker starts; `announce` is told
    the base URL and the database's URL once `/readyz` answers. A second signal ends the draining.

    Raises:
        CannotServe, DatabaseUnavailable, EmbeddedPostgresError: As they say.
    """
    asyncio.run(_Service(settings, listening).run(prepare, announce))


class _Service:
    def __init__(self, settings: Settings, listening: socket.socket) -> None:
        self._settings = settings
        self._listening = listening
        self._base_url = url_of(listening)
        self._is_ready = False
        # Both are events; futures, because they are waited for beside other things.
        self._stop: asyncio.Future[None]
        self._hurry: asyncio.Future[None]

    async def run(
        self,
        prepare: Callable[[str], Awaitable[None]],
        announce: Callable[[str, str], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._stop, self._hurry = loop.create_future(), loop.create_future()
        self._stop.add_done_callback(lambda _: self._listening.close())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` ignores SIGHUP for us, so that we outlive the terminal.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._ask_to_stop)
        async with databases.kept(self._settings) as database_url:
            if not self._stop.done():
                await prepare(database_url)
            await self._run_processes(database_url, announce)

    def _ask_to_stop(self) -> None:
        for asked in (self._stop, self._hurry):
            if not asked.done():
                asked.set_result(None)
                return

    async def _run_processes(self, database_url: str, announce: Callable[[str, str], None]) -> None:
        settings = replace(self._settings, database_url=database_url)
        # Each reads from the lifeline until all copies of its other end, ours, are closed.
        lifeline, held = os.pipe()
        kinds = [_WORKER] * settings.workers + [_COURIER] * settings.couriers
        try:
            tasks = [
                asyncio.create_task(self._keep_one(kind, settings, lifeline)) for kind in kinds
            ]
            tasks.append(asyncio.create_task(self._announce_when_ready(announce, database_url)))
            for task in tasks:
                # One that fails stops the others, and all of them drain.
                task.add_done_callback(self._stop_after_failure)
            results = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            os.close(held)
            os.close(lifeline)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _stop_after_failure(self, task: "asyncio.Task[None]") -> None:
        if task.exception() is not None and not self._stop.done():
            self._stop.set_result(None)

    async def _keep_one(self, kind: _Kind, settings: Settings, lifeline: int) -> None:
        while not self._stop.done():
            process = await self._start(kind, settings, lifeline)
            exit_code = await self._wait_or_drain(kind, process)
            if self._stop.done():
                return
            if not self._is_ready:
                raise CannotServe(
                    f"A {kind.noun} ended with code {exit_code} before the service was ready; what "
                    "it logged says why."
                )
            _log.warning(kind.replaced, pid=process.pid, exit_code=exit_code)
            await _first_of(self._stop, timeout=REPLACE_PAUSE_SECONDS)

    async def _start(self, kind: _Kind, settings: Settings, lifeline: int) -> Process:
        inherited = [lifeline]
        if kind is _WORKER:
            inherited.insert(0, self._listening.fileno())
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            kind.module,
            *(str(descriptor) for descriptor in inherited),
            stdin=DEVNULL,
            pass_fds=inherited,
            # A terminal's Ctrl-C is for us; we pass it on.
            start_new_session=True,
            env={**os.environ, **settings.to_environment()},
        )

    async def _wait_or_drain(self, kind: _Kind, process: Process) -> int:
        """Wait until the process is gone; once the service is to stop, make it go."""
        gone = asyncio.ensure_future(process.wait())
        await _first_of(gone, self._stop)
        if not gone.done():
            with suppress(ProcessLookupError):
                process.terminate()
            patience = self._settings.drain_seconds + LEAVE_SECONDS
            await _first_of(gone, self._hurry, timeout=patience)
        if not gone.done():
            _log.warning(kind.killed, pid=process.pid)
            with suppress(ProcessLookupError):
                process.kill()
        return await gone

    async def _announce_when_ready(
        self, announce: Callable[[str, str], None], database_url: str
    ) -> None:
        while not self._stop.done():
            if await asyncio.to_thread(_is_ready, self._base_url):
                self._is_ready = True
                announce(self._base_url, database_url)
                return
            await _first_of(self._stop, timeout=READY_POLL_SECONDS)


async def _first_of(*futures: "asyncio.Future[Any]", timeout: float | None = None) -> None:  # noqa: ASYNC109 - as asyncio.wait
    await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)


def _is_ready(base_url: str) -> bool:
    connection = http.client.HTTPConnection(
        urlsplit(base_url).netloc, timeout=READY_TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
