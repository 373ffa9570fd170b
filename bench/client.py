"""One keep-alive connection that waits for each answer and reads it."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from bench.scenario import Request

_PATIENCE_SECONDS = 30


class LostConnectionError(Exception):
    """It ended before the answer did; the next call opens a new one."""


class Client:
    """Not for several tasks at once."""

    def __init__(self, base_url: str, token: str) -> None:
        place = urlsplit(base_url)
        assert place.hostname is not None, "our own services have an address"
        self._address = (place.hostname, place.port)
        self._head = f" HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, request: Request) -> tuple[int, Any]:
        """The status and the JSON of the answer.

        Raises:
            LostConnectionError: No whole answer came.
        """
        head = f"{request.method} {request.path}{self._head}"
        if request.key:
            head += f"Idempotency-Key: {request.key}\r\n"
        if request.body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(request.body)}\r\n"
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._exchange(f"{head}\r\n{request.body}".encode("ascii"))
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise LostConnectionError from error

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, sent: bytes) -> tuple[int, Any]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, limit=2**20)
        reader, writer = self._streams
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r")[0])
        return int(head[9:12]), json.loads(await reader.readexactly(length))
