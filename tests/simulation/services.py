"""The real application, called in this process, behind a connection that can break."""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg
import msgspec

from bookwell.app import build
from bookwell.settings import Settings
from conftest import settings_for
from simulation.wire import Proxy

if TYPE_CHECKING:  # generic for the type checker only
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection: TypeAlias = asyncpg.Connection

# Far more than any call needs on a busy machine.
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """What a service said. A status of 0 is a service that died before it said anything."""

    status: int
    body: Mapping[str, Any]
    etag: str | None = None
    is_replay: bool = False

    @property
    def code(self) -> str | None:
        """The `error` of a refusal."""
        return self.body.get("error")

    @property
    def is_final(self) -> bool:
        """Whether the caller knows what became of the call. A 500 is an answer, and a wrong one."""
        return self.status not in (0, 503)


NO_ANSWER = Answer(0, {})


class Service:
    """One bookwell service: its application, its pool, and the proxy before PostgreSQL."""

    def __init__(self, name: str, database_url: str, **settings: object) -> None:
        self.name = name
        self._database_url = database_url
        self._settings = settings
        self._in_hand: set[asyncio.Task[Answer]] = set()

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bw-sim-")
        (server_folder,) = parse_qs(urlsplit(self._database_url).query)["host"]
        self.proxy = Proxy(Path(self._folder.name), Path(server_folder))
        await self.proxy.start()
        url = self._database_url.replace(server_folder, self._folder.name)
        self._app = build(self._settings_with(url), is_alone=True)
        self._lifespan = _Lifespan(self._app)
        await self._lifespan.start()

    def _settings_with(self, url: str) -> Settings:
        return settings_for(url, pool_size=6, **self._settings)

    async def _stop(self) -> None:
        # A dead service's door is shut first, so that what is left of it reaches nobody any more.
        await self._lifespan.stop()
        await self.proxy.stop()
        self._folder.cleanup()

    async def die(self) -> None:
        """As if the process were killed: no answer any more, every connection broken."""
        self.proxy.break_all()
        for task in list(self._in_hand):
            task.cancel()
        await asyncio.gather(*self._in_hand, return_exceptions=True)

    async def restart(self) -> None:
        """A new process in the dead one's place."""
        await self.proxy.stop()
        await self._lifespan.stop()
        self._folder.cleanup()
        await self._start()

    def begin(
        self, method: str, path: str, headers: Mapping[str, str], body: object = None
    ) -> "asyncio.Task[Answer]":
        """Make a call; the task's result is the answer, NO_ANSWER if it is cancelled."""
        task = asyncio.create_task(self._call(method, path, headers, body))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)
        return task

    async def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: object
    ) -> Answer:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await _ask(self._app, method, path, headers, body)
        except asyncio.CancelledError:
            return NO_ANSWER


async def _ask(
    app: Any, method: str, path: str, headers: Mapping[str, str], body: object
) -> Answer:
    sent = b"" if body is None else msgspec.json.encode(body)
    named = {**headers, "content-length": str(len(sent))}
    if sent:
        named["content-type"] = "application/json"
    bare, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode()) for k, v in named.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    status, answered, chunks = 0, dict[str, str](), list[bytes]()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": sent, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            answered.update((k.decode().lower(), v.decode()) for k, v in message["headers"])
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(
        status,
        msgspec.json.decode(b"".join(chunks)),
        etag=answered.get("etag"),
        is_replay=answered.get("idempotency-replayed") == "true",
    )


class _Lifespan:
    """The start and the stop of an application, as a server does them (ASGI lifespan)."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._says: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._hears: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def start(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._task = asyncio.ensure_future(self._app(scope, self._says.get, self._hears.put))
        await self._tell("startup")

    async def stop(self) -> None:
        await self._tell("shutdown")
        await self._task

    async def _tell(self, what: str) -> None:
        await self._says.put({"type": f"lifespan.{what}"})
        async with asyncio.timeout(PATIENCE_SECONDS):
            heard = await self._hears.get()
        assert heard["type"] == f"lifespan.{what}.complete", heard
