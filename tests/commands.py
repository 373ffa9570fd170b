"""`bookwell` as people run it: in this process where that is enough, else as one of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # ships no types

# Much more than a start or a stop takes on a busy machine.
PATIENCE_SECONDS = 40.0


@dataclass(frozen=True)
class Said:
    """What a command that has ended left behind."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its output as one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


WORKER_MODULE = "bookwell.processes.worker"
COURIER_MODULE = "bookwell.processes.courier"

Bookwell = Callable[..., Said]


@dataclass(frozen=True)
class Running:
    """A `bookwell serve` or `bookwell demo`; what it says goes into files of its folder."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def logged(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.logged if line["event"] == name]

    @property
    def workers(self) -> list[psutil.Process]:
        """Its worker processes, oldest first."""
        return self._children(WORKER_MODULE)

    @property
    def couriers(self) -> list[psutil.Process]:
        """Its courier processes, oldest first."""
        return self._children(COURIER_MODULE)

    def _children(self, module: str) -> list[psutil.Process]:
        return [
            child for child in psutil.Process(self.process.pid).children() if runs(module, child)
        ]

    def address(self) -> str:
        """Where `bookwell serve` serves, once it does."""
        self.until(lambda: bool(self.events("serving")))
        address: str = self.events("serving")[0]["address"]
        return address

    def until(self, is_so: Callable[[], bool]) -> None:
        """Return when it is so; fail when it does not become so, or the process ends before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert self.process.poll() is None, self.err
            assert time.monotonic() < deadline, self.err
            time.sleep(0.02)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[Running]:
    """A command that goes on until it is told to stop; at the end it is killed if it still runs."""
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "bookwell", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment_of(**environment),
            # As a terminal does, so that a Ctrl-C of this group does not reach the tests.
            process_group=0,
        )
    try:
        yield Running(process, folder)
    finally:
        process.kill()
        process.wait()


def environment_of(**environment: str) -> dict[str, str]:
    """Ours without its settings of bookwell, and with these."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("BOOKWELL_")}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "COLUMNS": "100",
        **environment,
    }


def run_to_its_end(*arguments: str, **environment: str) -> Said:
    """A command as a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "bookwell", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        stdin=subprocess.DEVNULL,
        env=environment_of(**environment),
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


def runs(module: str, process: psutil.Process) -> bool:
    try:
        return module in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
