"""A message service as the platform has one, small, on a real socket, with its bad days."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True)
class Heard:
    """One try as it came in."""

    body: dict[str, Any]
    idempotency_key: str
    authorization: str


class CommsService:
    """Takes messages; `ill` says of each try what becomes of it instead, if anything.

    What it may say is a status with perhaps a header (`"429 Slow\\r\\nRetry-After: 1"`), `hang` or
    `reset`; None takes the message. While `may_answer` is clear, it hears and says nothing.
    """

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.taken: Counter[str] = Counter()
        self.ill: Callable[[Heard], str | None] = lambda _: None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.url = ""
        self._conversations: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["CommsService"]:
        """Listen on a port of its own."""
        async with await asyncio.start_server(self._accept, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self
            for conversation in self._conversations:
                conversation.cancel()
            await asyncio.gather(*self._conversations, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._conversations.add(asyncio.create_task(self._converse(reader, writer)))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while not writer.is_closing():
                    await self._answer(await _read(reader), writer)
        finally:
            writer.close()

    async def _answer(self, heard: Heard, writer: asyncio.StreamWriter) -> None:
        self.heard.append(heard)
        await self.may_answer.wait()
        illness = self.ill(heard)
        if illness == "hang":
            await asyncio.sleep(60)
        if illness == "reset":
            writer.transport.abort()
            return
        if illness is None:
            self.taken[heard.body["dedup_key"]] += 1
        status = illness or "202 Accepted"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = head.split("\r\n")
    assert lines[0] == "POST /v1/messages/send HTTP/1.1"
    fields = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines[1:] if line)
    }
    body = await reader.readexactly(int(fields["content-length"]))
    return Heard(
        msgspec.json.decode(body),
        fields.get("idempotency-key", ""),
        fields.get("authorization", ""),
    )
