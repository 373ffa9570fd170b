"""Readers of a brand's log and live stream, who go on through every break from where they were."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

import httpx
import msgspec
from msgspec import Struct

from bookwell.prove.calls import PATIENCE_WITH_FAULTS_SECONDS
from bookwell.prove.events.fingerprints import Json, NotAnEvent, event_of, fingerprint
from bookwell.prove.events.record import Heard

PAGE = 200
LOG_PAUSE_SECONDS = 0.2
AGAIN_PAUSE_SECONDS = 0.1
# Heartbeats come each 15 seconds; whoever hears nothing for longer is on a dead line.
SILENCE_SECONDS = 20.0


class _Page(Struct):
    events: list[Json]
    next_after: int
    next_cursor: str | None = None


class Message(Struct, frozen=True):
    """One message of server-sent events."""

    message_id: str
    data: str


class Follower:
    """Follows one brand, by its log or by its stream, and keeps what it heard."""

    def __init__(
        self, http: httpx.AsyncClient, brand_id: str, seconds: Callable[[], float]
    ) -> None:
        self.heard: list[Heard] = []
        self.breaks = 0
        self._http = http
        self._brand_id = brand_id
        self._seconds = seconds

    async def follow_log(self) -> None:
        """Read the log on and on, until cancelled."""
        after = 0
        while True:
            page = await self._read(after)
            if page is not None:
                self._hear(page.events)
                after = page.next_after
            if page is None or page.next_cursor is None:
                await asyncio.sleep(LOG_PAUSE_SECONDS)

    async def follow_stream(self) -> None:
        """Keep the stream open, until cancelled."""
        last_id = "0"
        while True:
            try:
                async for message in self._stream(last_id):
                    # Whatever it says, this is where it wants to be gone on from.
                    last_id = message.message_id
                    self._hear([msgspec.json.decode(message.data, type=Json)])
            except (httpx.TransportError, httpx.StreamError, OSError, msgspec.DecodeError):
                pass
            self.breaks += 1
            await asyncio.sleep(AGAIN_PAUSE_SECONDS)

    async def _read(self, after: int) -> _Page | None:
        try:
            response = await self._http.get("/v1/events", params={"after": after, "limit": PAGE})
            if response.is_success:
                return msgspec.json.decode(response.content, type=_Page)
        except (httpx.TransportError, OSError, msgspec.DecodeError):
            pass
        self.breaks += 1
        return None

    async def _stream(self, last_id: str) -> AsyncIterator[Message]:
        timeout = httpx.Timeout(PATIENCE_WITH_FAULTS_SECONDS, read=SILENCE_SECONDS)
        headers = {"Last-Event-ID": last_id, "Accept": "text/event-stream"}
        async with self._http.stream(
            "GET", "/v1/events/stream", headers=headers, timeout=timeout
        ) as response:
            if not response.is_success:
                return
            lines: list[str] = []
            async for line in response.aiter_lines():
                if line:
                    lines.append(line)
                    continue
                message = read_message(lines)
                lines = []
                if message is not None:
                    yield message

    def _hear(self, events: Iterable[Json]) -> None:
        for said in events:
            try:
                event = event_of(said)
            except NotAnEvent:
                event = {"id": str(said.get("id")), "position": 0}
            self.heard.append(
                Heard(
                    brand_id=self._brand_id,
                    at=self._seconds(),
                    position=event["position"],
                    event_id=event["id"],
                    fingerprint=fingerprint(event),
                )
            )


def read_message(lines: Iterable[str]) -> Message | None:
    """The message of these lines (HTML Living Standard 9.2.6); None for one without data."""
    fields: dict[str, list[str]] = {"id": [], "data": []}
    for line in lines:
        name, _, value = line.partition(":")
        if name in fields:
            fields[name].append(value.removeprefix(" "))
    if not fields["data"]:
        return None
    return Message(
        message_id=(fields["id"] or [""])[-1],
        data="\n".join(fields["data"]),
    )
