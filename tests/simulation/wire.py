"""A proxy between a service and PostgreSQL that knows where one message ends and the next begins.

It reads the frontend/backend protocol 3.0 (PostgreSQL manual, chapter 55) as far as a crash needs:
what a service sends up to a Sync, Query or Flush is one group; a watcher is asked about each group
before it is passed on. Sockets are Unix sockets, so nothing negotiates encryption.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

# The socket's name in its folder, by PostgreSQL's convention for port 5432.
SOCKET = ".s.PGSQL.5432"
CANCEL_REQUEST = (80877102).to_bytes(4, "big")
# After these the service waits for an answer, or is gone.
_ENDS_A_GROUP = frozenset(b"SQHXp")
_WRITES = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM) booking\.(?!rate_window)")
# A chore of the service, not a call's work.
# What a worker does by itself, again and again, and no call.
_SWEEPS = re.compile(
    r"DELETE FROM booking\.idempotency|booking\.number_events|UPDATE booking\.delivery|"
    r"DELETE FROM booking\.delivery|DELETE FROM booking\.event"
)


class Verdict(Enum):
    """What becomes of a group."""

    PASS = "passed on"
    DROP = "never sent, the connection breaks"
    SWALLOW = "sent, its answer lost, the connection breaks"


@dataclass(frozen=True)
class Group:
    """Messages that belong together; `sql` is what they run, empty where they only prepare."""

    frames: bytes
    sql: str
    is_in_transaction: bool

    @property
    def commits(self) -> bool:
        """Whether a call's effect is there for good once PostgreSQL has done this."""
        if self.sql.startswith("COMMIT"):
            return True
        return not self.is_in_transaction and self.writes

    @property
    def writes(self) -> bool:
        return bool(_WRITES.search(self.sql)) and not _SWEEPS.search(self.sql)


Watcher = Callable[[Group], Awaitable[Verdict]]


async def _pass_everything(_: Group) -> Verdict:
    return Verdict.PASS


@dataclass
class Proxy:
    """Listens in `folder`, and passes everything on to the server that listens in `server_folder`."""

    folder: Path
    server_folder: Path
    watch: Watcher = _pass_everything
    links: set["Link"] = field(default_factory=set)

    is_stopped: bool = False

    async def start(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = await asyncio.start_unix_server(self._accept, self.folder / SOCKET)

    async def stop(self) -> None:
        """Close the door and break every connection."""
        self.is_stopped = True
        self._listening.close()
        # Who has been let in already takes a few turns of the loop to get to `_accept`.
        for _ in range(5):
            await asyncio.sleep(0)
        self.break_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._listening.wait_closed()

    def watch_nothing(self) -> None:
        self.watch = _pass_everything

    def break_all(self) -> None:
        """Break every connection. A statement that PostgreSQL has begun goes on without us."""
        for link in list(self.links):
            link.break_off()

    @property
    def backends(self) -> list[int]:
        """PostgreSQL's process ids behind the connections."""
        return [link.backend for link in self.links if link.backend]

    def link_to(self, backend: int) -> "Link | None":
        return next((link for link in self.links if link.backend == backend), None)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_stopped:
            # It was let in in the same turn of the loop.
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            upper = await asyncio.open_unix_connection(self.server_folder / SOCKET)
            link = Link(self, (reader, writer), upper)
            self.links.add(link)
            try:
                await link.run()
            finally:
                self.links.discard(link)
                link.break_off()
        except (OSError, asyncio.IncompleteReadError):
            # The server is away, or the service left before it had said who it is.
            writer.transport.abort()
        except asyncio.CancelledError:
            # Only `stop` cancels; asyncio's own callback would report it as an error.
            writer.transport.abort()
        finally:
            self._tasks.discard(task)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """One connection of the service and its twin to PostgreSQL."""

    def __init__(self, proxy: Proxy, lower: Streams, upper: Streams) -> None:
        self.backend = 0
        self._proxy = proxy
        self._lower, self._upper = lower, upper
        self._statements: dict[bytes, str] = {}
        self._status = b"I"
        self._swallows = False

    def break_off(self) -> None:
        """Break both ends."""
        self.leave()
        self._upper[1].transport.abort()

    def leave(self) -> None:
        """Break the service's end only: what PostgreSQL is doing it goes on doing, and commits."""
        self._lower[1].transport.abort()

    async def run(self) -> None:
        """Pass messages both ways until one end is gone."""
        reader, _ = self._lower
        size = await reader.readexactly(4)
        start = await reader.readexactly(int.from_bytes(size, "big") - 4)
        self._upper[1].write(size + start)
        if start[:4] == CANCEL_REQUEST:
            await self._upper[0].read()
            return
        downward = asyncio.create_task(self._down())
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                await self._up()
            # The service is gone; the server's answer is awaited, because closing is not aborting.
            self._upper[1].write_eof()
            await downward
        except OSError:
            pass
        finally:
            downward.cancel()
            await asyncio.gather(downward, return_exceptions=True)

    async def _up(self) -> None:
        reader, _ = self._lower
        frames, sql = bytearray(), ""
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
            frames += head + body
            sql = self._sql_of(head[0], body) or sql
            if head[0] not in _ENDS_A_GROUP:
                continue
            group = Group(bytes(frames), sql, self._status != b"I")
            verdict = await self._proxy.watch(group) if sql else Verdict.PASS
            if verdict is Verdict.DROP:
                self.break_off()
                return
            self._swallows = verdict is Verdict.SWALLOW
            if self._upper[1].transport.is_closing():
                return
            self._upper[1].write(group.frames)
            frames, sql = bytearray(), ""

    def _sql_of(self, kind: int, body: bytes) -> str:
        """What this message runs; what it prepares is kept for the message that runs it."""
        if kind == ord("Q"):
            return body[:-1].decode()
        if kind == ord("P"):
            name, text, _ = body.split(b"\0", 2)
            self._statements[name] = text.decode()
        elif kind == ord("B"):
            _, name, _ = body.split(b"\0", 2)
            return self._statements.get(name, "")
        return ""

    async def _down(self) -> None:
        reader, _ = self._upper
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readexactly(5)
                body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
                if head[:1] == b"K":
                    self.backend = int.from_bytes(body[:4], "big")
                if head[:1] == b"Z":
                    self._status = body
                    if self._swallows:
                        break
                if not self._swallows and not self._lower[1].transport.is_closing():
                    self._lower[1].write(head + body)
        self.break_off()
