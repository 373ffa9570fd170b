"""The outermost layer: request ids, one log line a request, the limit of requests in hand.

Plain ASGI around Litestar, because it must also see what Litestar answers itself, and must cost
next to nothing.
"""

import time
from typing import TYPE_CHECKING

from litestar.enums import HttpMethod, ScopeType
from msgspec import json

from bookwell.domain.errors import Overloaded
from bookwell.http.errors import RETRY_AFTER_SECONDS, ErrorBody
from bookwell.http.facts import Facts, attach, facts_from
from bookwell.http.paths import with_slashes_kept
from bookwell.logs import RequestLine, log_request

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

# Whoever asks whether we live must not hear that we are busy.
_ALWAYS_ANSWERED = ("/healthz", "/readyz")


class Edge:
    """Wraps the application."""

    def __init__(self, app: "ASGIApp", *, requests_max: int) -> None:
        self._app = app
        self._requests_max = requests_max
        self._in_hand = 0

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: "HTTPScope", receive: "Receive", send: "Send") -> None:
        method = scope["method"]
        facts = facts_from(scope["headers"], is_head=method == HttpMethod.HEAD)
        if facts.is_head:
            # A copy: the server must still know it was HEAD, to send no body (RFC 9110, 9.3.2).
            scope = {**scope, "method": HttpMethod.GET}
        kept = with_slashes_kept(scope["raw_path"])
        if kept is not None:
            scope["path"] = kept
        attach(scope, facts)
        began = time.perf_counter()
        status = 500

        def settle() -> None:
            self._in_hand -= 1
            log_request(
                RequestLine(
                    method=method,
                    route=scope.get("path_template", "-"),
                    status=status,
                    duration_ms=round((time.perf_counter() - began) * 1000, 2),
                    request_id=facts.request_id,
                    trace_id=facts.trace_id,
                    caller=facts.caller.role if facts.caller else None,
                )
            )

        async def send_named(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_headers_of(scope, facts)]
                if facts.is_stream:
                    # Streams have a limit of their own, and their end a line of its own.
                    settle()
            await send(message)

        self._in_hand += 1
        try:
            if self._in_hand > self._requests_max and scope["path"] not in _ALWAYS_ANSWERED:
                await _refuse(send_named, facts)
            else:
                await self._app(scope, receive, send_named)
        finally:
            if not facts.is_stream:
                settle()


def _headers_of(scope: "HTTPScope", facts: Facts) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", facts.request_id.encode("ascii"))]
    if facts.traceparent:
        headers.append((b"traceparent", facts.traceparent.encode("ascii")))
    if scope["path"].startswith("/v1/"):
        # Nearly every answer carries health information; no cache on the way may keep one.
        headers.append((b"cache-control", b"no-store"))
    return headers


async def _refuse(send: "Send", facts: Facts) -> None:
    body = ErrorBody(
        error=Overloaded.code, message=Overloaded().message, request_id=facts.request_id
    )
    await send(
        {
            "type": "http.response.start",
            "status": 503,
            "headers": [
                (b"content-type", b"application/json"),
                (b"retry-after", str(RETRY_AFTER_SECONDS).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": json.encode(body), "more_body": False})
