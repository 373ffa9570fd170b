"""A thousand open streams on one worker: how late an event is, and what a message costs.

    python -m bench.streams [STREAMS] [EVENTS]

An embedded database, one worker, and one client process that counts. The yardstick is a bare
asyncio server (uvloop, as the worker has it) that writes the same bytes to as many sockets, in the
same run.
"""

import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import uvloop

from bench import cpu
from bench.service import Service, serving
from bookwell.domain.callers import EVENTS_SCOPE
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.migrate import migrate
from bookwell.storage.told_once import hash_of

STREAMS, EVENTS = 1000, 100
PAUSE_SECONDS = 0.1
_TOKEN = "bench-streams"
_FILES = 8192
_WRITE = """
INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
VALUES ('evt_bench_' || $1::int, 'bench', 'booking.visit.created.v1', 'vis_bench', $1::int,
    jsonb_build_object('visit_id', 'vis_bench', 'patient_id', 'pat_bench', 'provider_id',
        'prv_bench', 'brand_id', 'bench', 'slot_start', booking.now(), 'slot_end', booking.now(),
        'visit_type', 'follow_up', 'created_at', booking.now()))
"""


class Readers:
    """Many open streams; `wait` says when each has had so many messages."""

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._last_at = 0.0
        self._reached = asyncio.Event()
        self._wanted = 0
        self._missing = 0
        self.message_bytes = 0

    async def open(self, host: str, port: int, request: bytes) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        if request:
            await reader.readuntil(b"\r\n\r\n")
        self._counts.append(0)
        place = len(self._counts) - 1
        self._tasks.append(asyncio.create_task(self._read(place, reader, writer)))

    async def _read(
        self, place: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while piece := await reader.read(65536):
                found = piece.count(b"\nevent: ")
                if not found:
                    continue
                self.message_bytes = len(piece) // found
                self._counts[place] += found
                if self._counts[place] == self._wanted:
                    self._missing -= 1
                    if not self._missing:
                        self._last_at = time.perf_counter()
                        self._reached.set()
        finally:
            writer.close()

    async def wait(self, wanted: int) -> float:
        """When the last of them had its message number `wanted`."""
        await self._reached.wait()
        assert all(count == wanted for count in self._counts), "each message once"
        return self._last_at

    def expect(self, wanted: int) -> None:
        """From now on `wait` means this message."""
        self._wanted, self._missing = wanted, len(self._counts)
        self._reached.clear()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def streamed(
    service: Service, database_url: str, streams: int, events: int
) -> tuple[list[float], float, int]:
    """How long after its commit the last stream had each event; what they cost; their length.

    Seconds, and processor seconds of the service since all streams were open.
    """
    host, _, port = service.base_url.removeprefix("http://").partition(":")
    request = (
        f"GET /v1/events/stream HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {_TOKEN}\r\n\r\n"
    )
    readers = Readers()
    for _ in range(streams):
        await readers.open(host, int(port), request.encode())
    connection = await asyncpg.connect(database_url)
    before = cpu.seconds_of(service.pid)
    late = []
    for number in range(1, events + 1):
        readers.expect(number)
        await connection.execute(_WRITE, number)
        committed_at = time.perf_counter()
        late.append(await readers.wait(number) - committed_at)
        await asyncio.sleep(PAUSE_SECONDS)
    used = cpu.seconds_of(service.pid) - before
    await connection.close()
    await readers.close()
    return sorted(late), used, readers.message_bytes


async def bare(port: int, streams: int, events: int) -> None:
    """Read what a bare server writes: see `serve_bare`."""
    readers = Readers()
    for _ in range(streams):
        await readers.open("127.0.0.1", port, b"")
    readers.expect(events)
    await readers.wait(events)
    await readers.close()


async def serve_bare(streams: int, events: int, message_bytes: int) -> None:
    """Write as many messages of that size to as many sockets, and leave."""
    writers: list[asyncio.StreamWriter] = []
    is_full = asyncio.Event()

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if len(writers) == streams:
            is_full.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=streams)
    print(server.sockets[0].getsockname()[1], flush=True)
    await is_full.wait()
    message = b"id: 1\nevent: ".ljust(message_bytes - 2, b"x") + b"\n\n"
    before = time.process_time()
    for _ in range(events):
        for writer in writers:
            writer.write(message)
        await asyncio.sleep(PAUSE_SECONDS / 10)
    print((time.process_time() - before) / (streams * events), flush=True)
    for writer in writers:
        await writer.drain()
        writer.close()


def yardstick(streams: int, events: int, message_bytes: int) -> float:
    """Seconds of processor time that a bare server needs for a message."""
    command = [sys.executable, "-m", "bench.streams", "bare", str(streams), str(events)]
    with subprocess.Popen([*command, str(message_bytes)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None, "asked for"
        port = int(process.stdout.readline())
        asyncio.run(bare(port, streams, events))
        return float(process.stdout.readline())


def allow_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _FILES)), hard))


async def prepare(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO booking.brand (brand_id, name) VALUES ('bench', 'Bench')")
    await connection.execute(
        "INSERT INTO booking.token (token_hash, token_id, brand_id, role, subject, scopes)"
        " VALUES ($1, 'tok_bench', 'bench', 'service', 'bench', $2)",
        hash_of(_TOKEN),
        [EVENTS_SCOPE],
    )
    await connection.close()


def main(streams: int = STREAMS, events: int = EVENTS) -> None:
    allow_files()
    with (
        tempfile.TemporaryDirectory(prefix="bw-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "d") as postgres,
    ):
        migrate(postgres.url)
        asyncio.run(prepare(postgres.url))
        with serving(postgres.url, workers=1, log=Path(folder) / "log") as service:
            late, used, message_bytes = asyncio.run(
                streamed(service, postgres.url, streams, events)
            )
    own = used / (streams * events)
    message_bytes = 420
    base = yardstick(streams, events, message_bytes)
    p99 = late[min(len(late) - 1, int(len(late) * 0.99))]
    print(f"{streams} streams, {events} events, one worker")
    print(
        f"commit to last stream: p50 {statistics.median(late) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms"
    )
    print(f"processor per message: {own * 1e6:.1f} us, bare server {base * 1e6:.1f} us")
    print(f"times the bare server: {own / base:.1f} (the service's chores are in it)")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["bare"]:
        allow_files()
        uvloop.run(serve_bare(*map(int, arguments[1:])))
    else:
        main(*map(int, arguments))
