"""Receivers of webhooks on real sockets, which answer as a test tells them to.

with receiving() as receiver:
    receiver.next(status(500), reset)          # the first two requests; then all is well again
    receiver.always(hang)                      # from now on
    receiver.decide = lambda request: …        # or one by one
    receiver.url, receiver.got
"""

import asyncio
import json
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

from clinic import kept_running


class Received(NamedTuple):
    """A request that came in whole; `at` is by the monotonic clock."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def attempt(self) -> int:
        return int(self.headers["x-loop-delivery-attempt"])


# What is done with a request; the connection is kept if nothing was closed.
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def status(code: int, **headers: str) -> Answer:
    """An answer with this status, and `retry_after="1"` as Retry-After."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
        writer.write(f"HTTP/1.1 {code} Said\r\n{lines}content-length: 2\r\n\r\nok".encode())
        await writer.drain()

    return answer


async def hang(_writer: asyncio.StreamWriter) -> None:
    """Say nothing, and keep the connection."""
    await asyncio.sleep(3600)


async def reset(writer: asyncio.StreamWriter) -> None:
    """Break off in the middle of the head."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
    await writer.drain()
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close without a word."""
    writer.close()


async def drip(writer: asyncio.StreamWriter) -> None:
    """Say yes, and then go on for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def drip_head(writer: asyncio.StreamWriter) -> None:
    """Begin an answer, and never come to its end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def flood(writer: asyncio.StreamWriter) -> None:
    """Say yes, and send as much as the other side will take."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def huge_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx-much: " + b"x" * 300_000 + b"\r\n\r\n")
    await writer.drain()


async def gibberish(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    await writer.drain()


async def half_closed(writer: asyncio.StreamWriter) -> None:
    """Answer, and hear nothing more on this connection."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nthe end is the end of the connection")
    writer.write_eof()
    await asyncio.sleep(3600)


class Receiver:
    """Answers 200 unless told otherwise."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[Received] = []
        self.connections = 0
        self.decide: Callable[[Received], Answer] = lambda _request: self._usual
        self._usual = status(200)
        self._next: deque[Answer] = deque()
        self._conversations: set[asyncio.Task[None]] = set()

    def next(self, *answers: Answer) -> None:
        """Answer the next requests like this, one after the other."""
        self._next.extend(answers)

    def always(self, answer: Answer) -> None:
        """Answer like this from now on."""
        self._usual = answer

    def events(self) -> list[str]:
        """The ids of what came in, in that order."""
        return [request.headers["webhook-id"] for request in list(self.got)]

    def wait_for(self, count: int, *, seconds: float = 10) -> list[Received]:
        """What came in, once there is so much of it."""
        deadline = time.monotonic() + seconds
        while len(self.got) < count:
            assert time.monotonic() < deadline, f"{len(self.got)} of {count} came"
            time.sleep(0.005)
        return list(self.got)

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None, port: int = 0) -> Any:
        async with await asyncio.start_server(
            self._accept, "127.0.0.1", port, ssl=tls, backlog=512
        ) as server:
            port = server.sockets[0].getsockname()[1]
            self.url = f"{'https' if tls else 'http'}://localhost:{port}/hook"
            yield self
            for conversation in self._conversations:
                conversation.cancel()
            await asyncio.gather(*self._conversations, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        conversation = asyncio.ensure_future(self._converse(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                request = await _read(reader)
                self.got.append(request)
                answer = self._next.popleft() if self._next else self.decide(request)
                await answer(writer)
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Received:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {}
    for line in lines:
        name, _, text = line.partition(": ")
        headers[name.lower()] = text
    body = await reader.readexactly(int(headers["content-length"]))
    return Received(first.split(" ")[1], headers, body, time.monotonic())


@contextmanager
def receiving(tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Receiver]:
    """A receiver in a thread of its own, for tests of any kind."""
    receiver = Receiver()

    @asynccontextmanager
    async def serve() -> Any:
        async with receiver.listening(tls, port):
            yield receiver.url

    with kept_running(serve):
        yield receiver
