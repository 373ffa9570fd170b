"""NATS JetStream: one connection, what is published on it, and what became of each event.

    bus = Bus(servers=[...], stream="BOOKWELL", form=Format.STANDARD)
    await bus.open()                                # at once where it is open already
    outcomes = await bus.publish(events)            # all on their way together, one outcome each

A connection is used until its first trouble and then thrown away; nats-py's own reconnecting would
send again by itself, behind the back of whoever counts what was acknowledged. Nothing here waits
longer than its time limit, whatever the server does.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import nats.errors
import nats.js.errors
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy, Header, RetentionPolicy, StorageType, StreamConfig

from bookwell.domain.envelopes import CONTENT_TYPES, Format, LoggedEvent, written

# What the stream is made for, where it has to be made.
SUBJECTS = "booking.>"
# JetStream drops an event that it has seen within this time. Only what was on its way while a
# worker was killed is sent twice, and seconds later; an hour also covers a machine that was asleep.
# JetStream keeps the ids in memory meanwhile: some 100 bytes for each event.
DUPLICATE_SECONDS = 3600.0
CONNECT_SECONDS = 2.0
# Longer than an ack takes on a busy disk, and shorter than the lease of who waits for it.
ACK_SECONDS = 4.0
# A server that is silent is noticed within two of these, even while nothing is published.
PING_SECONDS = 2
CLOSE_SECONDS = 1.0

_FAILURES = (OSError, ValueError, ImportError, nats.errors.Error, nats.js.errors.Error)
_NO_RESPONDERS = "503"


class BusUnavailable(Exception):
    """The bus cannot be reached, or does not answer. `cause` is for the log."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Outcome(Struct, frozen=True):
    """What became of an event. It is in the stream if there is no `cause`.

    `is_heard` says that the bus answered at all; else the event may be in the stream or not.
    """

    cause: str | None = None
    is_heard: bool = True


PUBLISHED = Outcome()


class Bus:
    """One worker's connection to JetStream. Belongs to one event loop; `close` it there.

    `credentials` is a file as `nsc` writes it. `prefix` stands before each event's type in its
    subject, with its dot. `kept_seconds` is how long a stream that is made here keeps events;
    none is for ever. A stream that is there already stays as it is. Of a server with TLS the
    system's authorities have to vouch for the name in its address; to one of `tls://` nothing is
    said without.
    """

    def __init__(
        self,
        *,
        servers: Sequence[str],
        stream: str,
        form: Format,
        prefix: str = "",
        credentials: Path | None = None,
        kept_seconds: float | None = None,
        ack_seconds: float = ACK_SECONDS,
    ) -> None:
        self._servers = list(servers)
        self._stream = stream
        self._form = form
        self._prefix = prefix
        self._credentials = credentials
        self._kept_seconds = kept_seconds
        self._ack_seconds = ack_seconds
        self._client: Client | None = None
        self._inbox = ""
        self._awaited: dict[str, asyncio.Future[Outcome]] = {}

    async def open(self) -> None:
        """Connect, unless that is so already, and see to it that there is a stream.

        Raises:
            BusUnavailable: There is no such server now, it does not know us, or has no JetStream.
        """
        if self._client is not None and self._client.is_connected:
            return
        await self.close()
        client = self._client = _Client()
        try:
            async with asyncio.timeout(2 * CONNECT_SECONDS * len(self._servers)):
                await self._connect(client)
                await self._find_stream(client)
                self._inbox = client.new_inbox()
                await client.subscribe(f"{self._inbox}.*", cb=self._hear)
        except _FAILURES as error:
            await self.close()
            raise BusUnavailable(cause_of(error)) from None
        except BaseException:
            await self.close()
            raise

    async def publish(self, events: Sequence[LoggedEvent]) -> list[Outcome]:
        """Send these together and say what became of each, in their order.

        The connection is closed where one was not answered in time.
        """
        client = self._client
        if client is None or not client.is_connected:
            return [Outcome("not_connected", is_heard=False)] * len(events)
        answers = {str(event.position): asyncio.Future[Outcome]() for event in events}
        lost = Outcome("no_ack_in_time", is_heard=False)
        self._awaited |= {f"{events[0].brand_id}-{at}": each for at, each in answers.items()}
        try:
            for event in events:
                await self._send(client, event)
            # Not asyncio.timeout: nats-py swallows a cancellation here and there.
            await asyncio.wait(answers.values(), timeout=self._ack_seconds)
        except _FAILURES as error:
            lost = Outcome(cause_of(error), is_heard=False)
        finally:
            for at in answers:
                self._awaited.pop(f"{events[0].brand_id}-{at}")
        outcomes = [each.result() if each.done() else lost for each in answers.values()]
        if not all(outcome.is_heard for outcome in outcomes):
            await self.close()
        return outcomes

    async def make_stream(self) -> None:
        """Make the stream where it is gone. Raises BusUnavailable."""
        try:
            if self._client is not None:
                await self._find_stream(self._client)
        except _FAILURES as error:
            raise BusUnavailable(cause_of(error)) from None

    async def close(self) -> None:
        """Hang up, whatever is still on its way."""
        client, self._client = self._client, None
        for answer in self._awaited.values():
            if not answer.done():
                answer.set_result(Outcome("connection_lost", is_heard=False))
        if client is None:
            return
        with suppress(*_FAILURES):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close()
        _hang_up(client)

    async def _connect(self, client: Client) -> None:
        await client.connect(
            servers=self._servers,
            name="bookwell",
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_SECONDS,  # type: ignore[arg-type]  # any number of seconds
            ping_interval=PING_SECONDS,
            max_outstanding_pings=1,
            error_cb=_keep_to_oneself,
            disconnected_cb=self._lose,
            user_credentials=None if self._credentials is None else str(self._credentials),
        )

    async def _find_stream(self, client: Client) -> None:
        streams = client.jetstream(timeout=CONNECT_SECONDS)
        try:
            await streams.stream_info(self._stream)
        except nats.js.errors.NotFoundError:
            await streams.add_stream(
                StreamConfig(
                    name=self._stream,
                    subjects=[self._prefix + SUBJECTS],
                    storage=StorageType.FILE,
                    retention=RetentionPolicy.LIMITS,
                    discard=DiscardPolicy.OLD,
                    max_age=self._kept_seconds,
                    duplicate_window=DUPLICATE_SECONDS,
                )
            )

    async def _send(self, client: Client, event: LoggedEvent) -> None:
        await client.publish(
            self._prefix + event.event_type,
            written(event, self._form),
            reply=f"{self._inbox}.{event.brand_id}-{event.position}",
            headers={
                Header.MSG_ID: event.event_id,
                Header.EXPECTED_STREAM: self._stream,
                "Content-Type": CONTENT_TYPES[self._form],
                "Bookwell-Brand": event.brand_id,
            },
        )

    async def _hear(self, message: Msg) -> None:
        answer = self._awaited.get(message.subject.removeprefix(f"{self._inbox}."))
        if answer is not None and not answer.done():
            answer.set_result(outcome_of(message, stream=self._stream))

    async def _lose(self) -> None:
        """Nothing that is on its way will be answered any more."""
        for answer in self._awaited.values():
            if not answer.done():
                answer.set_result(Outcome("connection_lost", is_heard=False))


class _Client(Client):
    """One who speaks TLS wherever the address says `tls://`.

    nats-py leaves that to the server's greeting, which comes in the clear: where it asks for none,
    or somebody in between took that out, the password would follow in the clear.
    """

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        assert self._current_server is not None, "who greets is who we have called"
        if self._current_server.uri.scheme == "tls":
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)


class _Error(Struct):
    code: int = 0
    err_code: int = 0


class _Ack(Struct):
    stream: str | None = None
    seq: int = 0
    error: _Error | None = None


def outcome_of(message: Msg, *, stream: str) -> Outcome:
    """What an answer says; whatever is not this stream's ack is a failure."""
    if (message.headers or {}).get(Header.STATUS) == _NO_RESPONDERS:
        return Outcome("no_stream")
    try:
        ack = msgspec.json.decode(message.data, type=_Ack)
    except msgspec.MsgspecError:
        return Outcome("no_ack")
    if ack.error is not None:
        # The number says which of JetStream's errors it is; its text may quote what we sent.
        return Outcome(f"refused_{ack.error.err_code or ack.error.code}")
    return PUBLISHED if ack.stream == stream and ack.seq > 0 else Outcome("no_ack")


def cause_of(error: BaseException) -> str:
    """An error without its text, which may quote the address with its password."""
    if isinstance(error, nats.js.errors.APIError) and error.err_code:
        return f"refused_{error.err_code}"
    if type(error) is nats.errors.Error and "authoriz" in str(error).lower():
        # While a connection is being made, nats-py tells this by the text alone.
        return nats.errors.AuthorizationError.__name__
    return type(error).__name__


def _hang_up(client: Client) -> None:
    """Drop what a silent server does not take, which would keep the socket open for ever."""
    writer = getattr(getattr(client, "_transport", None), "_io_writer", None)
    if writer is not None:
        writer.transport.abort()


async def _keep_to_oneself(_error: Exception) -> None:
    """nats-py would log the error's text; we tell its kind, once, where it matters."""
