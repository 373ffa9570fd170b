"""uvicorn's HTTP/1.1, with our answers to what is no HTTP, and with a limit on a request's head.

Such requests never reach the application, so the shape of errors has to be kept here as well.
"""

from typing import TYPE_CHECKING

import structlog
from msgspec import json
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from bookwell.domain.ids import REQUEST, new_id
from bookwell.http.errors import FRAMEWORK_CODES, ErrorBody
from bookwell.http.streams import CONNECTION
from bookwell.processes.one_write import OneWriteCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

# The parser keeps a header whole until it ends, so without a limit one caller could fill the
# memory. Tokens and cookies of the largest kind take 16 KiB, and most proxies stop at 32.
HEAD_BYTES_MAX = 64 * 1024
# Closing on somebody who is still sending resets the connection, which may destroy the answer on
# its way. So we stop talking, hear them out for this long, and close then.
LINGER_SECONDS = 2.0

_BAD_REQUEST = 400
_HEAD_TOO_LONG = 431
_NOT_HTTP = "The request is not valid HTTP."

_log = structlog.get_logger("bookwell.http")


class Protocol(HttpToolsProtocol):
    """One connection.

    What is counted are bytes since the parser last came to something: the end of a head, a part of
    a body, the end of a request. So trailers and chunk extensions have the same limit as heads. A
    head that begins behind another request in the same read is counted from the next piece on, and
    may therefore be up to twice as long.
    """

    _unsettled_bytes = 0
    _is_settled = False
    _is_in_body = False
    # Others may be behind it.
    _answering: OneWriteCycle | None = None
    # What remains to be said, from the moment when we have stopped listening.
    _farewell: bytes | None = None

    def data_received(self, data: bytes) -> None:
        while data and self._farewell is None:
            room = HEAD_BYTES_MAX - self._unsettled_bytes
            piece, data = data[:room], data[room:]
            self._is_settled = False
            super().data_received(piece)
            self._unsettled_bytes = 0 if self._is_settled else self._unsettled_bytes + len(piece)
            if self._unsettled_bytes == HEAD_BYTES_MAX and self._farewell is None:
                self._refuse(_HEAD_TOO_LONG, *FRAMEWORK_CODES[_HEAD_TOO_LONG])

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._is_settled = self._is_in_body = True

    def on_body(self, body: bytes) -> None:
        self._is_settled = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_settled, self._is_in_body = True, False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says it in our shape
        self._refuse(_BAD_REQUEST, FRAMEWORK_CODES[_BAD_REQUEST][0], _NOT_HTTP)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        # uvicorn makes its cycles itself and asks nobody of which class.
        cycle.__class__ = OneWriteCycle
        assert isinstance(cycle, OneWriteCycle), "made one in the line above"
        self._answering = cycle
        cycle.scope[CONNECTION] = cycle  # type: ignore[literal-required]  # ours, beside ASGI's
        super()._start_asgi_task(cycle, app)

    def shutdown(self) -> None:
        super().shutdown()
        if self._answering is not None and not self._answering.response_complete:
            self._answering.keep_alive = False
            self._answering.drain()

    def on_response_complete(self) -> None:
        is_last = not self.pipeline
        super().on_response_complete()
        if is_last and self._farewell is not None:
            self._leave(self._farewell)

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Hear nothing more; answer as soon as the requests before this one have been answered."""
        request_id = new_id(REQUEST)
        _log.info("request_refused", status=status, request_id=request_id)
        self._farewell = self._written(status, code, message, request_id)
        if self._is_in_body and not self.pipeline:
            self._interrupt()
        elif self._is_in_body:
            self.pipeline.popleft()  # the newest, which is this one: its turn has not come
        elif self.cycle is None or self.cycle.response_complete:
            self._leave(self._farewell)

    def _interrupt(self) -> None:
        """Refuse the request that the application is reading; it hears that the caller has left."""
        cycle = self.cycle
        cycle.disconnected, cycle.waiting_for_100_continue = True, False
        cycle.message_event.set()
        # A second answer, or one within another, would be taken for something else.
        self._leave(b"" if cycle.response_started else self._farewell or b"")

    def _leave(self, farewell: bytes) -> None:
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.transport.write(farewell)
        self.transport.write_eof()
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            LINGER_SECONDS, self.timeout_keep_alive_handler
        )

    def _written(self, status: int, code: str, message: str, request_id: str) -> bytes:
        body = json.encode(
            ErrorBody(
                error=code, message=message, request_id=request_id, details={"field": "request"}
            )
        )
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode("ascii")),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body)
