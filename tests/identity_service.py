"""An identity service as RFC 7662 describes it, small, on a real socket."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import msgspec

CLIENT_ID, CLIENT_SECRET = "bookwell", "s3cret"
_CREDENTIALS = b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()

Ill = Callable[[asyncio.StreamWriter], Awaitable[None]]


class IdentityService:
    """Says of each token what `claims` has of it, and of any other that it is not active.

    While `illness` is set, each question meets it instead of an answer.
    """

    def __init__(self) -> None:
        self.claims: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.illness: Ill | None = None
        self.delay_seconds = 0.0
        self.url = ""
        self._conversations: set[asyncio.Task[None]] = set()

    def knows(self, token: str, **claims: object) -> str:
        """Let the token be active from now on."""
        self.claims[token] = {"active": True, **claims}
        return token

    def revokes(self, token: str) -> None:
        del self.claims[token]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["IdentityService"]:
        """Answer on a port of its own."""
        async with await asyncio.start_server(self._accept, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/introspect"
            yield self
            for conversation in self._conversations:
                conversation.cancel()
            await asyncio.gather(*self._conversations, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._conversations.add(asyncio.create_task(self._converse(reader, writer)))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
                token = parse_qs((await reader.readexactly(length)).decode())["token"][0]
                self.asked.append(token)
                if self.illness is not None:
                    await self.illness(writer)
                    continue
                await asyncio.sleep(self.delay_seconds)
                if f"Authorization: Basic {_CREDENTIALS}\r\n" not in head:
                    await answer(writer, b"", "401 Unauthorized")
                    continue
                claims = self.claims.get(token, {"active": False})
                await answer(writer, msgspec.json.encode(claims))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has hung up, which is its right
        finally:
            writer.close()


async def answer(writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK") -> None:
    """Write one HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await writer.drain()
