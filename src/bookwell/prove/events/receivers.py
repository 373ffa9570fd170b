"""The receivers of a run: one HTTP server of our own, with a path for each endpoint.

Until it is told to behave it answers about a third of the requests badly, in every way in which
receivers fail. It is written on sockets, because no HTTP server offers half an answer.
"""

import asyncio
import hashlib
import random
import socket
import struct
import time
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Self

from msgspec import structs

from bookwell.prove.events.fingerprints import NotAnEvent, fingerprint, read_body
from bookwell.prove.events.record import CLOUD_EVENTS, Conduct, Received
from bookwell.prove.events.signed import loop_signed_by, signed_by

HOST = "127.0.0.1"
BAD_SHARE = 1 / 3
# Of each hundred bad answers so many. A sender can only wait for one that does not come, so that
# many of those would leave time for nothing else.
BAD = {
    Conduct.FAILS: 28,
    Conduct.IS_BUSY: 4,
    Conduct.HANGS: 4,
    Conduct.BREAKS_EARLY: 16,
    Conduct.BREAKS_LATE: 16,
    Conduct.CUTS: 16,
    Conduct.REDIRECTS: 16,
}
# One event is not treated so more often: the tenth failure is waited after for half a minute, which
# is right, and would say nothing about how fast the rest leaves.
BAD_TO_ONE_MAX = 6
RETRY_AFTER_SECONDS = 1
HEAD_BYTES_MAX = 64 * 1024
ELSEWHERE = "/elsewhere"
# Closing a socket that lingers for no time at all is a reset.
_NO_LINGER = struct.pack("ii", 1, 0)
_CONTENT_TYPES = {CLOUD_EVENTS: "application/cloudevents+json"}

_ANSWERS = {
    Conduct.TAKES: ("200 OK", []),
    Conduct.FAILS: ("500 Internal Server Error", []),
    Conduct.IS_BUSY: ("503 Service Unavailable", [f"Retry-After: {RETRY_AFTER_SECONDS}"]),
}

Headers = dict[str, str]


class Mailbox:
    """What one endpoint's receiver knows and has got."""

    def __init__(self) -> None:
        self.endpoint_id = ""
        self.format = ""
        # As its receiver would keep them; the newest last.
        self.secrets: list[str] = []
        self.received: list[Received] = []
        self.taken: set[str] = set()
        # How often each event was answered badly.
        self.refused: Counter[str] = Counter()


class Receivers:
    """The server, open for as long as the block runs; its times are those of `time.monotonic`."""

    def __init__(self, seed: int) -> None:
        self.strayed = 0
        self._behaves = False
        self._drawn = random.Random(f"receivers {seed}")  # noqa: S311 - repeatable, not secret
        self._mailboxes: dict[str, Mailbox] = {}
        self._meetings: dict[asyncio.StreamWriter, asyncio.Task[object] | None] = {}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._meet, HOST, 0, limit=HEAD_BYTES_MAX)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None, "it was entered"
        self._server.close()
        meetings = [meeting for meeting in self._meetings.values() if meeting is not None]
        for writer in self._meetings:
            writer.transport.abort()
        await asyncio.gather(*meetings, return_exceptions=True)
        await self._server.wait_closed()

    def behave_from_now_on(self) -> float:
        """Take everything; since when, is answered."""
        self._behaves = True
        return time.monotonic()

    def open_mailbox(self, path: str) -> tuple[str, Mailbox]:
        """A new mailbox under this path, and its address."""
        mailbox = self._mailboxes[path] = Mailbox()
        return self._address + path, mailbox

    @property
    def _address(self) -> str:
        assert self._server is not None, "it was entered"
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._meetings[writer] = asyncio.current_task()
        try:
            while await self._serve(reader, writer):
                pass
        # Whoever was sending was killed, or gave up on us.
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
            del self._meetings[writer]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one request and do something with it; whether the connection goes on."""
        at_path, headers = _read_head(await reader.readuntil(b"\r\n\r\n"))
        mailbox = self._mailboxes.get(at_path)
        if mailbox is None:
            self.strayed += 1
            await _say(writer, "404 Not Found", [])
            # Its body was not read.
            return False
        event_id = headers.get("webhook-id", "")
        conduct = self._next_conduct(mailbox, event_id)
        got = Received(
            endpoint_id=mailbox.endpoint_id,
            at=time.monotonic(),
            event_id=event_id,
            attempt=_number(headers.get("x-loop-delivery-attempt", "")),
            conduct=conduct,
        )
        if conduct is Conduct.BREAKS_EARLY:
            mailbox.received.append(got)
            _reset(writer)
            return False
        body = await reader.readexactly(_number(headers.get("content-length", "")))
        mailbox.received.append(_looked_at(got, mailbox, headers, body))
        if conduct is Conduct.TAKES:
            mailbox.taken.add(got.event_id)
        return await self._do(conduct, reader, writer)

    def _next_conduct(self, mailbox: Mailbox, event_id: str) -> Conduct:
        is_good = self._drawn.random() >= BAD_SHARE
        if self._behaves or is_good or mailbox.refused[event_id] == BAD_TO_ONE_MAX:
            return Conduct.TAKES
        mailbox.refused[event_id] += 1
        return self._drawn.choices(list(BAD), list(BAD.values()))[0]

    async def _do(
        self, conduct: Conduct, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        match conduct:
            case Conduct.REDIRECTS:
                to = f"Location: {self._address}{ELSEWHERE}"
                return await _say(writer, "307 Temporary Redirect", [to])
            case Conduct.CUTS:
                writer.write(b"HTTP/1.1 2")
                await writer.drain()
            case Conduct.HANGS:
                # Until whoever waits has had enough, or is killed.
                await reader.read()
            case Conduct.BREAKS_LATE:
                _reset(writer)
            case _:
                return await _say(writer, *_ANSWERS[conduct])
        return False


def _read_head(head: bytes) -> tuple[str, Headers]:
    """The path, and the headers with their names in lower case."""
    request, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return request.split(" ")[1], {name.lower(): value.strip() for name, _, value in pairs}


def _number(said: str) -> int:
    """0 for what is no number, which no attempt has."""
    return int(said) if said.isdecimal() else 0


def _looked_at(got: Received, mailbox: Mailbox, headers: Headers, body: bytes) -> Received:
    contradiction = None
    print_of_it = None
    try:
        event = read_body(body)
        print_of_it = fingerprint(event)
        contradiction = _contradiction(mailbox, headers, event["id"], event["type"])
    except NotAnEvent as error:
        contradiction = str(error)
    return structs.replace(
        got,
        body_hash=hashlib.sha256(body).hexdigest(),
        fingerprint=print_of_it,
        signed_by=signed_by(mailbox.secrets, headers, body),
        loop_signed_by=loop_signed_by(mailbox.secrets, headers.get("x-loop-signature", ""), body),
        contradiction=contradiction,
    )


def _contradiction(
    mailbox: Mailbox, headers: Headers, event_id: str, event_type: str
) -> str | None:
    """The first header that does not say what the body says."""
    said = {
        "webhook-id": event_id,
        "x-loop-event-id": event_id,
        "x-loop-event-type": event_type,
        "content-type": _CONTENT_TYPES.get(mailbox.format, "application/json"),
    }
    for name, meant in said.items():
        if headers.get(name) != meant:
            return f"{name} is {headers.get(name)}, and the body says {meant}"
    return None


async def _say(writer: asyncio.StreamWriter, status: str, headers: list[str]) -> bool:
    lines = [f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    await writer.drain()
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
