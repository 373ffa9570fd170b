"""Answers without an end: server-sent events, as the HTML standard has them.

    https://html.spec.whatwg.org/multipage/server-sent-events.html

A stream begins like every answer, with the same refusals, and is then no request in hand any more.
It ends when the caller leaves or does not read, when their token ends, and when the worker drains;
whoever still wants it comes back, each after a pause of their own.
"""

import asyncio
import time
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from litestar import Response
from litestar.enums import ScopeType
from litestar.response.base import ASGIResponse

from bookwell.chance import CHANCE
from bookwell.domain.errors import BookwellError, NotAcceptable
from bookwell.http.auth import is_still_admitted
from bookwell.http.calls import AnyRequest
from bookwell.http.facts import facts_of
from bookwell.logs import places_of
from bookwell.usecases.streaming import Ending, Source, StreamOver, Streams

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Scope, Send

EVENT_STREAM = "text/event-stream"
# Under this key of the scope the server's protocol tells and does what ASGI has no words for.
CONNECTION = "bookwell.connection"

# Proxies close what is silent for a minute, some for half of one.
BEAT_SECONDS = 15.0
# A token that ended ends its streams within this and a beat; so does an identity service that has
# been away for as long.
TOKEN_SECONDS = 30.0
# Nobody needs this long to take 64 KiB, but who is gone without a word.
STALL_SECONDS = 15.0
# After a worker has stopped, its callers come back one by one.
RETRY_MS = (1000, 5000)

_GOODBYE_SECONDS = 1.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # Or nginx would keep what we send until it has some kilobytes of it.
    (b"x-accel-buffering", b"no"),
]
_ANY = ("*/*", "text/*", EVENT_STREAM)

_log = structlog.get_logger("bookwell.http")


class Connection(Protocol):
    """What `processes.protocol` lets an answer without an end know of its connection, and do."""

    is_draining: bool
    on_drain: Any

    def push(self, message: bytes) -> bool:
        """Send a piece of the answer, unless that has to wait for something: then False."""

    def cut(self) -> None:
        """End the connection, also where the other end does not read."""


def refuse_who_takes_no_stream(request: AnyRequest) -> None:
    """NotAcceptable, where Accept allows no event stream (RFC 9110 section 12.5.1)."""
    accepted = ",".join(request.headers.getall("Accept", ["*/*"]))
    for each in accepted.split(","):
        media_range, *parameters = (part.strip().lower() for part in each.split(";"))
        if media_range in _ANY and not any(_is_never(parameter) for parameter in parameters):
            return
    raise NotAcceptable


def _is_never(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name == "q" and value.strip("0.") == ""


class Streamed(Response[Any]):
    """An answer that sends what the source has, for as long as the caller stays."""

    def __init__(self, request: AnyRequest, source: Source, streams: Streams) -> None:
        super().__init__(None, media_type=EVENT_STREAM)
        self._parts = request, source, streams

    def to_asgi_response(self, *_: object, **_more: object) -> ASGIResponse:
        return _Answer(*self._parts)


class _Answer(ASGIResponse):
    def __init__(self, request: AnyRequest, source: Source, streams: Streams) -> None:
        super().__init__(media_type=EVENT_STREAM)
        self._request = request
        self._source = source
        self._streams = streams

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        assert scope["type"] == ScopeType.HTTP, "a route is asked by HTTP"
        facts = facts_of(self._request)
        with self._streams.counted():
            facts.is_stream = not facts.is_head
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            if facts.is_head:
                await _send(send, b"", more=False)
                return
            began = time.monotonic()
            ending = await _Stream(self._request, self._source, scope, send).run(receive)
            _log.info(
                "stream_ended",
                route=scope.get("path_template"),
                cause=ending,
                lasted_seconds=round(time.monotonic() - began, 1),
                request_id=facts.request_id,
            )


class _Stream:
    """One stream from its first byte to its end."""

    def __init__(
        self, request: AnyRequest, source: Source, scope: "HTTPScope", send: "Send"
    ) -> None:
        self._request = request
        self._source = source
        self._send = send
        self._connection: Connection | None = scope.get(CONNECTION)  # type: ignore[assignment]  # ours
        self._over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        # When the last piece was given to the connection, and whether that is still taking it.
        self._sent_at = self._admitted_at = time.monotonic()
        self._is_sending = False

    async def run(self, receive: "Receive") -> Ending:
        if self._connection is not None:
            self._connection.on_drain = lambda: self._end(Ending.DRAINED)
            if self._connection.is_draining:
                self._end(Ending.DRAINED)
        tasks = [
            asyncio.create_task(self._write()),
            asyncio.create_task(self._notice_leaving(receive)),
        ]
        try:
            while not self._over.done():
                await asyncio.wait([self._over], timeout=BEAT_SECONDS)
                if not self._over.done():
                    await self._look_after()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._say_goodbye()
        return self._over.result()

    def _end(self, ending: Ending) -> None:
        if not self._over.done():
            self._over.set_result(ending)

    async def _write(self) -> None:
        try:
            await self._say(b"retry: %d\n\n" % CHANCE.randint(*RETRY_MS))
            async with aclosing(self._source.messages(self._end)) as messages:
                async for message in messages:
                    if message:
                        await self._say(message)
        except StreamOver as over:
            self._end(over.ending)
        except BookwellError as error:
            _log.warning("stream_failed", cause=error.code)
            self._end(Ending.FAILED)
        except Exception as error:  # noqa: BLE001 - told in the log; the caller comes back
            _log.error(
                "stream_failed", cause=type(error).__name__, where=places_of(error.__traceback__)
            )
            self._end(Ending.FAILED)

    async def _say(self, message: bytes) -> None:
        self._sent_at = time.monotonic()
        if self._connection is not None and self._connection.push(message):
            return
        self._is_sending = True
        await _send(self._send, message)
        self._is_sending = False

    async def _notice_leaving(self, receive: "Receive") -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end(Ending.LEFT)

    async def _look_after(self) -> None:
        """What is to be done now and then: a sign of life, and a look at the token."""
        silent_for = time.monotonic() - self._sent_at
        if self._is_sending and silent_for >= STALL_SECONDS:
            self._end(Ending.SLOW)
        elif silent_for >= BEAT_SECONDS / 2:
            self._source.nudge()
        if time.monotonic() - self._admitted_at >= TOKEN_SECONDS - BEAT_SECONDS / 2:
            await self._look_at_token()

    async def _look_at_token(self) -> None:
        try:
            if await is_still_admitted(self._request):
                self._admitted_at = time.monotonic()
            else:
                self._end(Ending.TOKEN)
        except BookwellError:
            # It cannot be said; nobody may go on for long on what was said before.
            if time.monotonic() - self._admitted_at >= TOKEN_SECONDS + BEAT_SECONDS:
                self._end(Ending.TOKEN)

    async def _say_goodbye(self) -> None:
        """End the answer as it should be; cut off who does not read."""
        ending = self._over.result()
        if ending is Ending.LEFT:
            return
        if not self._is_sending:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await _send(self._send, b"", more=False)
                    return
        if self._connection is not None:
            self._connection.cut()


async def _send(send: "Send", body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})
