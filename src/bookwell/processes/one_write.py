"""An answer's head and body in one write: each write is a system call, and a packet of its own."""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent, HTTPResponseStartEvent

# How long the end of a stream may take to reach somebody, when the worker is to stop.
FAREWELL_SECONDS = 2.0
# A longer body costs more to copy than a second write does.
BODY_BYTES_MAX = 64 * 1024

_BODILESS = (204, 304)
# What no header may hold: it could end the header, and begin another answer. A tab may be there.
_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte != ord("\t"))


class OneWriteCycle(RequestResponseCycle):
    """uvicorn's way through one request, except that a head waits for the body behind it.

    Only a plain answer, whole in one message on a connection that stays open, is written here.
    Every other one is uvicorn's, with all its checks.
    """

    _start: "HTTPResponseStartEvent | None" = None
    # What an answer without an end is to be told: see bookwell.http.streams.
    is_draining = False
    on_drain: Callable[[], None] | None = None

    def drain(self) -> None:
        """Tell an answer without an end to end; who does not hear its end is cut off."""
        self.is_draining = True
        if self.on_drain is not None:
            self.on_drain()
            asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self.transport.abort)

    def push(self, message: bytes) -> bool:
        """Send a piece of an answer that goes on, without waiting; False where `send` has to."""
        if self.disconnected or self.flow.write_paused or not self.chunked_encoding:
            return False
        if self.response_complete or self._start is not None:
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(message), message))
        return True

    def cut(self) -> None:
        """End the connection, also where the other end does not read what waits for it."""
        self.disconnected = True
        self.transport.abort()

    async def send(self, message: "ASGISendEvent") -> None:
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if self.flow.write_paused and not self.disconnected:
                await self.flow.drain()
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                answer = self._written(start, message["body"])
                if answer is not None:
                    self._finish_with(answer)
                    return
            await super().send(start)
        await super().send(message)

    def _written(self, start: "HTTPResponseStartEvent", body: bytes) -> bytes | None:
        """The answer as it goes over the wire; None unless it is a plain one."""
        status = start["status"]
        if (
            not self.keep_alive
            or status in _BODILESS
            or self.scope["method"] == "HEAD"
            or len(body) > BODY_BYTES_MAX
        ):
            return None
        headers = [*self.default_headers, *start.get("headers", ())]
        if (b"content-length", b"%d" % len(body)) not in headers:
            return None
        parts = [STATUS_LINE[status]]
        for name, value in headers:
            if not _is_plain(name):
                return None
            parts += (name, b": ", value, b"\r\n")
        head = b"".join(parts)
        line_ends = 2 * (len(headers) + 1)
        if len(head.translate(None, _CONTROLS)) != len(head) - line_ends:
            return None
        return b"%b\r\n%b" % (head, body)

    def _finish_with(self, answer: bytes) -> None:
        if self.disconnected:
            return
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(answer)
        self.message_event.set()
        self.on_response()


@lru_cache(maxsize=256)
def _is_plain(name: bytes) -> bool:
    """Whether this is a header's name in small letters, and says nothing of the connection."""
    return (
        HEADER_RE.search(name) is None
        and name == name.lower()
        and name not in (b"connection", b"transfer-encoding")
    )
