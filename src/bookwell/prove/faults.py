"""Kills parts of a service with SIGKILL, again and again, by a schedule drawn from a seed.

What is killed comes back by itself, except the supervisor, which is started again here as an
operating system's service manager would. Most blows wait until the service is ready again; some
fall while it is still getting up.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

# psutil ships no types, and `types-psutil` is not among our tools.
import psutil  # type: ignore[import-untyped]  # it ships no types

from bookwell.prove.own_service import OwnService, children_of, kill
from bookwell.prove.report import Fault

# Between the instant when the service is ready again and the next blow: long enough for the
# clients to get into their stride, short enough for many blows.
CALM_SECONDS = (0.2, 1.5)
# Where only they fall, between blows there is time for what they are asked to do.
PROCESSES_CALM_SECONDS = (1.0, 3.0)
# One blow in so many falls while the service is still getting up after the one before.
HARDSHIP = 4
HARD_SECONDS = (0.05, 0.8)
POLL_S = 0.02
# The name that a process of PostgreSQL bears while it works for a client on this machine.
CLIENT_BACKEND = "[local]"


class Target(StrEnum):
    """What a blow strikes; the value is how a report names it."""

    WORKER = "a worker"
    COURIER = "a courier"
    SERVICE = "the supervisor and its workers and couriers"
    BACKEND = "one backend of PostgreSQL"
    DATABASE = "PostgreSQL with all its processes"


# What the supervisor replaces by itself.
PROCESSES = (Target.WORKER, Target.COURIER)


@dataclass(frozen=True, slots=True)
class Planned:
    """One entry of the schedule of blows."""

    target: Target
    pause_seconds: float
    # Otherwise it does not wait for the service to be ready before its pause begins.
    in_calm: bool


@dataclass(slots=True)
class Blow:
    """One blow that fell.

    `struck_at` and `ready_at` are instants of `time.monotonic()`. `ready_at` is None where the next
    blow fell before the service was ready.
    """

    target: Target
    struck_at: float
    process_count: int
    ready_at: float | None = None

    def since(self, began_at: float) -> Fault:
        """As the report tells it of a race that began at this instant of `time.monotonic()`."""
        return Fault(
            at=self.struck_at - began_at,
            what=f"killed {self.target}",
            healed_at=None if self.ready_at is None else self.ready_at - began_at,
        )


def schedule(seed: int, targets: Sequence[Target] = tuple(Target)) -> Iterator[Planned]:
    """Draw blows without end; counted from the first, each round has one for each target."""
    # Its own, so that what the clients draw from the seed does not depend on the faults.
    drawn = random.Random(f"faults {seed}")  # noqa: S311 - repeatable, not secret
    is_first = True
    is_for_processes = set(targets) <= set(PROCESSES)
    calm_seconds = PROCESSES_CALM_SECONDS if is_for_processes else CALM_SECONDS
    # They fall in every round; would many fall while others get up, none would ever be up.
    hardship = HARDSHIP * (len(Target) if is_for_processes else 1)
    while True:
        for target in drawn.sample(targets, len(targets)):
            in_calm = is_first or drawn.randrange(hardship) > 0
            pause = drawn.uniform(*(calm_seconds if in_calm else HARD_SECONDS))
            yield Planned(target, pause, in_calm)
            is_first = False


class Faults:
    """Strikes a service from a thread of its own for as long as the block runs.

    At the end of the block the service is ready again.
    """

    def __init__(
        self, service: OwnService, seed: int, targets: Sequence[Target] = tuple(Target)
    ) -> None:
        self.struck: list[Blow] = []
        self.targets = tuple(targets)
        self._service = service
        self._schedule = schedule(seed, targets)
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            # Nobody needs the service any more.
            self._stop.set()
            self._thread.join()

    def finish(self) -> None:
        """Strike no more, and return when the service is ready again.

        Raises:
            CannotServe: The service did not come back within a minute, now or after some blow.
        """
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        self._service.wait_until_ready()
        self._mark_ready()

    def _run(self) -> None:
        try:
            for planned in self._schedule:
                if not self._await_moment(planned):
                    return
                self._strike(planned.target)
        except Exception as error:  # noqa: BLE001 - raised again by `finish`
            self._failure = error

    def _await_moment(self, planned: Planned) -> bool:
        """Wait for the moment of this blow; False when there are to be no more."""
        if planned.in_calm:
            if not self._service.wait_until_ready(until=self._stop.is_set):
                return False
            self._mark_ready()
        deadline = time.monotonic() + planned.pause_seconds
        while time.monotonic() < deadline:
            if self._stop.wait(POLL_S):
                return False
            self._service.start_if_gone()
        return not self._stop.is_set()

    def _mark_ready(self) -> None:
        if self.struck and self.struck[-1].ready_at is None:
            self.struck[-1].ready_at = time.monotonic()

    def _strike(self, target: Target) -> None:
        struck_at = time.monotonic()
        process_count = _STRIKES[target](self._service)
        # While the service gets up after another blow, there may be nobody to strike.
        if process_count:
            self.struck.append(Blow(target, struck_at, process_count))
        self._service.start_if_gone()


def _strike_worker(service: OwnService) -> int:
    return _killed(service.workers()[:1])


def _strike_courier(service: OwnService) -> int:
    return _killed(service.couriers()[:1])


def _strike_service(service: OwnService) -> int:
    supervisor = service.supervisor()
    if supervisor is None:
        return 0
    # Held first, so that it does not notice the deaths of its processes and start others.
    supervisor.suspend()
    return _killed([supervisor, *service.workers(), *service.couriers()])


def _strike_backend(service: OwnService) -> int:
    server = service.postmaster()
    if server is None:
        return 0
    backends = [child for child in children_of(server.process) if _works_for_client(child)]
    return _killed(backends[-1:])


def _strike_database(service: OwnService) -> int:
    server = service.postmaster()
    if server is None:
        return 0
    with suppress(psutil.NoSuchProcess):
        server.process.suspend()
    return _killed([server.process, *children_of(server.process)])


_STRIKES: dict[Target, Callable[[OwnService], int]] = {
    Target.WORKER: _strike_worker,
    Target.COURIER: _strike_courier,
    Target.SERVICE: _strike_service,
    Target.BACKEND: _strike_backend,
    Target.DATABASE: _strike_database,
}


def _killed(processes: list[psutil.Process]) -> int:
    kill(processes)
    return len(processes)


def _works_for_client(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return CLIENT_BACKEND in " ".join(process.cmdline())
    return False
