"""What is known of a request before anybody looks at it, and who turned out to send it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from litestar.connection import ASGIConnection

from bookwell.domain.callers import Caller
from bookwell.domain.ids import REQUEST, new_id

_KEY = "bookwell"
# What a caller may call a request: nothing that could break a log line or a header.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)

AnyConnection = ASGIConnection[Any, Any, Any, Any]


@dataclass(slots=True)
class Facts:
    """Of one request."""

    request_id: str
    traceparent: str | None
    # Asked with HEAD, which the routes see as GET.
    is_head: bool = False
    caller: Caller | None = None
    # The answer goes on for as long as the caller stays.
    is_stream: bool = False

    @property
    def trace_id(self) -> str | None:
        return self.traceparent.split("-")[1] if self.traceparent else None


def facts_from(headers: Iterable[tuple[bytes, bytes]], *, is_head: bool = False) -> Facts:
    """The request's own id where it has a decent one, else a new one."""
    request_id = traceparent = None
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode("ascii")
        elif name == b"traceparent" and _TRACEPARENT.fullmatch(value):
            traceparent = value.decode("ascii")
    return Facts(request_id=request_id or new_id(REQUEST), traceparent=traceparent, is_head=is_head)


def attach(scope: Any, facts: Facts) -> None:  # noqa: ANN401 - an ASGI scope
    scope[_KEY] = facts


def facts_of(connection: AnyConnection) -> Facts:
    facts: Facts = connection.scope[_KEY]  # type: ignore[literal-required]  # ours, beside ASGI's
    return facts
