"""Calls that reach the service at the same moment, each on a connection of its own."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

# Far more than any race here needs on a busy machine, and far less than a test may hang.
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One call, ready to be made."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, object] | None = None
    method: str = "POST"


@dataclass(frozen=True)
class Doors:
    """Clients of one service, or of several on one database; callers take them in turn."""

    clients: Sequence[httpx.AsyncClient]
    _warm: set[int] = field(default_factory=set)

    async def race(self, shots: Sequence[Shot]) -> list[httpx.Response]:
        """Make all the calls at once; the answers in the order of the calls."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            barrier = asyncio.Barrier(len(shots))

            async def call(number: int, shot: Shot) -> httpx.Response:
                client = self.clients[number % len(self.clients)]
                # As many calls at once as there will be, so that each finds an open connection.
                if len(shots) not in self._warm:
                    await client.get("/openapi.json")
                await barrier.wait()
                return await client.request(
                    shot.method, shot.path, json=shot.body, headers=dict(shot.headers)
                )

            answers = await asyncio.gather(*(call(n, shot) for n, shot in enumerate(shots)))
            self._warm.add(len(shots))
            return answers


@asynccontextmanager
async def doors_to(*base_urls: str) -> AsyncIterator[Doors]:
    """Clients of the services at these addresses."""
    clients = [
        httpx.AsyncClient(
            base_url=base_url,
            timeout=30,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )
        for base_url in base_urls
    ]
    try:
        yield Doors(clients)
    finally:
        for client in clients:
            await client.aclose()
