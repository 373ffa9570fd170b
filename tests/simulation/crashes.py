"""Crashes at named points of a call's way through the database.

    before the commit              what would commit is never sent
    after the commit               it is sent and done, its answer is lost
    between two statements         a transaction that has begun goes no further
    session ended in the middle    PostgreSQL ends the session that waits in the middle of its work
    left in the middle             the connection breaks while PostgreSQL works on, and commits late
    call given up                  the caller hangs up, and the service stops working for it

All but the last may take the whole service with them. "In the middle" is made by a lock that the
work runs into: on the rows of providers and visits, on the journal, or on the keys.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from random import Random

from simulation.services import Answer, Connection, Service
from simulation.wire import Group, Verdict

# Below the service's lock timeout of 5 s, far above what a machine needs to reach the lock.
_PATIENCE_SECONDS = 3.0
# PostgreSQL ends every statement of the service's after 10 s.
_QUIET_SECONDS = 12.0
# So long others may gather behind the one that waits.
_GATHERING_SECONDS = 0.01


class Point(Enum):
    BEFORE_COMMIT = "before the commit"
    AFTER_COMMIT = "after the commit, before the answer"
    BETWEEN_STATEMENTS = "between two statements"
    SESSION_ENDED = "session ended in the middle"
    LEFT = "left in the middle"
    GIVEN_UP = "call given up in the middle"


_ON_THE_WIRE = (Point.BEFORE_COMMIT, Point.AFTER_COMMIT, Point.BETWEEN_STATEMENTS)

LOCKS = {
    "rows": [
        "SELECT FROM booking.provider ORDER BY provider_no FOR UPDATE",
        "SELECT FROM booking.visit ORDER BY visit_id FOR UPDATE",
    ],
    "journal": ["LOCK TABLE booking.event IN SHARE MODE"],
    "keys": ["LOCK TABLE booking.idempotency IN SHARE MODE"],
}


@dataclass(frozen=True)
class Crash:
    """`nth`: at the so-manieth group of messages that reaches the point."""

    point: Point
    nth: int
    lock: str
    takes_service: bool

    @classmethod
    def drawn(cls, luck: Random) -> "Crash":
        point = luck.choice(list(Point))
        return cls(
            point,
            nth=luck.choice([1, 1, 1, 2, 3]),
            lock=luck.choice(list(LOCKS)),
            takes_service=luck.random() < 0.25 and point is not Point.GIVEN_UP,
        )

    def __str__(self) -> str:
        where = f"number {self.nth}" if self.point in _ON_THE_WIRE else f"at a lock on {self.lock}"
        return f"{self.point.value}, {where}{', the service dies' if self.takes_service else ''}"


@asynccontextmanager
async def crashing(
    crash: Crash, service: Service, control: Connection, blocker: Connection
) -> AsyncIterator["Trap"]:
    """Everything the service is asked in this block runs into the crash, if it gets that far.

    `blocker` holds locks; `control` looks on, because one in a transaction sees an old picture.
    """
    trap = Trap(crash, service, control)
    if crash.point in _ON_THE_WIRE:
        service.proxy.watch = trap.watch
        try:
            yield trap
        finally:
            service.proxy.watch_nothing()
    else:
        async with blocker.transaction():
            for lock in LOCKS[crash.lock]:
                await blocker.execute(lock)
            yield trap


@dataclass
class Trap:
    """Waits for the calls of a burst to reach the point, and springs."""

    crash: Crash
    service: Service
    control: Connection
    sprung: bool = False
    met: str = ""  # the SQL at which it sprang
    first_answers: Sequence[Answer] = ()
    _met: int = 0
    _dying: asyncio.Task[None] | None = None

    async def watch(self, group: Group) -> Verdict:
        """Decides about each group of messages, where the point lies on the wire."""
        if self.sprung or not self._reaches(group):
            return Verdict.PASS
        self._met += 1
        if self._met < self.crash.nth:
            return Verdict.PASS
        self.sprung, self.met = True, group.sql
        if self.crash.takes_service:
            if self.crash.point is Point.AFTER_COMMIT:
                self._dying = asyncio.create_task(self._die_soon())
                return Verdict.SWALLOW
            self._dying = asyncio.create_task(self.service.die())
            return Verdict.DROP
        return Verdict.SWALLOW if self.crash.point is Point.AFTER_COMMIT else Verdict.DROP

    def _reaches(self, group: Group) -> bool:
        if self.crash.point is Point.BETWEEN_STATEMENTS:
            return group.is_in_transaction and not group.sql.startswith(("COMMIT", "ROLLBACK"))
        return group.commits

    async def _die_soon(self) -> None:
        # The group is sent when the watcher has returned; after that it is PostgreSQL's.
        await asyncio.sleep(_GATHERING_SECONDS)
        await self.service.die()

    async def spring(self, tasks: Sequence["asyncio.Task[Answer]"]) -> None:
        """Wait in the middle, where the point lies there; then let it happen."""
        if self.crash.point in _ON_THE_WIRE:
            await asyncio.wait(tasks)
            if self._dying is not None:
                await self._dying
            return
        waiting = await self._waiting(tasks)
        if not waiting:
            return
        self.sprung = True
        await asyncio.sleep(_GATHERING_SECONDS)
        if self.crash.point is Point.GIVEN_UP:
            tasks[0].cancel()
        elif self.crash.point is Point.LEFT:
            for backend in waiting:
                link = self.service.proxy.link_to(backend)
                if link is not None:
                    link.leave()
        else:
            await self.control.execute(
                "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", waiting
            )
        if self.crash.takes_service:
            await self.service.die()

    async def _waiting(self, tasks: Sequence["asyncio.Task[Answer]"]) -> list[int]:
        """The backends of the service that wait for our lock; none, if every call gets by."""
        until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while not all(task.done() for task in tasks):
            rows = await self.control.fetch(
                "SELECT pid FROM pg_stat_activity WHERE pid = ANY ($1) AND wait_event_type = 'Lock'",
                self.service.proxy.backends,
            )
            if rows or asyncio.get_running_loop().time() > until:
                return [row["pid"] for row in rows]
            await asyncio.sleep(0.003)
        return []


async def quiet(control: Connection) -> None:
    """Return when PostgreSQL has finished everything, also what nobody waits for any more."""
    async with asyncio.timeout(_QUIET_SECONDS):
        while await control.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            " AND (state <> 'idle' OR state IS NULL)"
        ):
            await asyncio.sleep(0.003)
