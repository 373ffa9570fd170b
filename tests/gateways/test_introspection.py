import asyncio
import logging
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from structlog.testing import capture_logs

from bookwell.domain.errors import IdentityUnavailable
from bookwell.gateways.introspection import ANSWER_BYTES_MAX, Introspection

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


def respond(body: bytes, status: str = "200 OK", *, headers: str = "", after: float = 0) -> Reply:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"

    async def reply(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(after)
        writer.write(head.encode() + body)

    return reply


def say(*, after: float = 0, **claims: object) -> Reply:
    return respond(msgspec.json.encode({"active": True, **claims}), after=after)


async def reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def dribble(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await asyncio.sleep(0.05)


class Identity:
    """An identity service on a real socket: `replies` in turn, the last one for ever."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [say(sub="pat_1")]
        self.heads: list[str] = []
        self.forms: list[dict[str, list[str]]] = []
        self.connections = self.busy = self.busiest = 0
        self.url = ""
        self._serving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Identity"]:
        async with await asyncio.start_server(self._accept, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/introspect"
            yield self
        for task in self._serving:
            task.cancel()
        await outcomes(self._serving)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
                self.heads.append(head)
                self.forms.append(parse_qs((await reader.readexactly(length)).decode()))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                self.busy += 1
                self.busiest = max(self.busiest, self.busy)
                await reply(writer)
                self.busy -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has hung up, which is its right
        finally:
            writer.close()


async def outcomes(callers: Iterable[Awaitable[str | None]]) -> list[str | BaseException | None]:
    return await asyncio.gather(*callers, return_exceptions=True)


@pytest.fixture
async def identity(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Identity]:
    # Nobody listens there, so every test shows that no proxy of the environment is used.
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    async with Identity().listening() as server:
        yield server


@asynccontextmanager
async def asking(identity: Identity, **settings: Any) -> AsyncIterator[Introspection]:
    credentials = {"client_id": None, "client_secret": None}
    introspection = Introspection(url=identity.url, **(credentials | settings))
    try:
        yield introspection
    finally:
        await introspection.close()


async def subject(introspection: Introspection, number: int = 1) -> str | None:
    claims = await introspection.introspect(f"lph_at_{number}")
    return None if claims is None else claims.subject


async def test_an_active_token_gives_its_claims(identity: Identity) -> None:
    identity.replies = [say(sub="pat_1", scope="read:visits", brand_id="acme")]

    async with asking(identity) as introspection:
        claims = await introspection.introspect("lph_at_+&=%")

    assert claims is not None
    assert (claims.subject, claims.brand_id) == ("pat_1", "acme")
    assert identity.forms == [{"token": ["lph_at_+&=%"], "token_type_hint": ["access_token"]}]
    head = identity.heads[0].lower()
    assert head.startswith("post /introspect http/1.1\r\n")
    assert "\r\naccept: application/json\r\n" in head
    assert "authorization" not in head


async def test_the_credentials_go_urlencoded_as_basic(identity: Identity) -> None:
    async with asking(identity, client_id="book:well", client_secret="s p/ä") as introspection:
        await introspection.introspect("lph_at_1")

    credentials = identity.heads[0].partition("Authorization: Basic ")[2].partition("\r\n")[0]
    assert b64decode(credentials) == b"book%3Awell:s+p%2F%C3%A4"


@pytest.mark.parametrize("reply", [say(active=False), say(exp=1e9)], ids=["revoked", "expired"])
async def test_an_inactive_token_is_none_and_is_kept(identity: Identity, reply: Reply) -> None:
    identity.replies = [reply]

    async with asking(identity) as introspection:
        assert await introspection.introspect("lph_at_1") is None
        assert await introspection.introspect("lph_at_1") is None

    assert len(identity.forms) == 1


async def test_an_answer_is_believed_for_its_time_only(identity: Identity) -> None:
    identity.replies = [say(sub="pat_1"), say(active=False)]

    async with asking(identity, cache_seconds=0.4) as introspection:
        assert [await subject(introspection) for _ in range(3)] == ["pat_1"] * 3
        assert len(identity.forms) == 1
        await asyncio.sleep(0.45)
        assert await introspection.introspect("lph_at_1") is None

    assert len(identity.forms) == 2


async def test_an_answer_is_not_believed_past_its_expiry(identity: Identity) -> None:
    identity.replies = [say(sub="pat_1", exp=time.time() + 0.5)]

    async with asking(identity) as introspection:
        assert await subject(introspection) == "pat_1"
        await asyncio.sleep(0.55)
        assert await introspection.introspect("lph_at_1") is None


async def test_fifty_callers_with_one_token_share_one_question(identity: Identity) -> None:
    identity.replies = [say(sub="pat_1", after=0.05)]

    async with asking(identity, cache_seconds=0) as introspection:
        subjects = await asyncio.gather(*(subject(introspection) for _ in range(50)))

    assert subjects == ["pat_1"] * 50
    assert len(identity.forms) == 1


async def test_fifty_callers_of_one_failure_all_hear_of_it(identity: Identity) -> None:
    identity.replies = [respond(b"", "500 Internal Server Error", after=0.05)]

    async with asking(identity) as introspection:
        errors = await outcomes(subject(introspection) for _ in range(50))

    assert {type(error) for error in errors} == {IdentityUnavailable}
    assert len({id(error) for error in errors}) == 50
    assert len(identity.forms) == 1


async def test_a_caller_who_gives_up_does_not_hurt_the_others(identity: Identity) -> None:
    identity.replies = [say(sub="pat_1", after=0.1)]

    async with asking(identity) as introspection:
        callers = [asyncio.create_task(subject(introspection)) for _ in range(3)]
        await asyncio.sleep(0.02)
        callers[0].cancel()
        first, *others = await asyncio.gather(*callers, return_exceptions=True)

    assert isinstance(first, asyncio.CancelledError)
    assert others == ["pat_1", "pat_1"]
    assert len(identity.forms) == 1


async def test_so_many_questions_are_asked_at_once_and_no_more(identity: Identity) -> None:
    identity.replies = [say(sub="pat_1", after=0.03)]

    async with asking(identity, concurrent_max=2) as introspection:
        await asyncio.gather(*(subject(introspection, n) for n in range(8)))

    assert (len(identity.forms), identity.busiest, identity.connections) == (8, 2, 2)


async def test_who_waits_in_vain_for_a_place_hears_in_time(identity: Identity) -> None:
    identity.replies = [say(after=5)]

    async with asyncio.timeout(1), asking(identity, concurrent_max=1, timeout_seconds=0.2) as asked:
        errors = await outcomes(subject(asked, n) for n in range(3))

    assert {type(error) for error in errors} == {IdentityUnavailable}


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(say(after=5), id="silence"),
        pytest.param(dribble, id="a body that never ends"),
        pytest.param(reset, id="a reset"),
        pytest.param(respond(b"{", "200 OK", headers="Transfer-Encoding: no\r\n"), id="no HTTP"),
        pytest.param(respond(b"", "500 Internal Server Error"), id="500"),
        pytest.param(respond(b'{"active": true}', "201 Created"), id="201"),
        pytest.param(respond(b"", "307 Moved", headers="Location: /new\r\n"), id="a redirect"),
        pytest.param(respond(b"<html>sign in</html>"), id="HTML"),
        pytest.param(respond(b'{"active": true}'.ljust(ANSWER_BYTES_MAX + 1)), id="too much"),
        pytest.param(say(exp="tomorrow"), id="a wrong type"),
    ],
)
async def test_what_is_not_a_clear_answer_admits_nobody_and_is_forgotten_at_once(
    identity: Identity, reply: Reply
) -> None:
    identity.replies = [reply, say(sub="pat_1")]

    async with asking(identity, timeout_seconds=0.5) as introspection:
        with capture_logs() as lines, pytest.raises(IdentityUnavailable) as caught:
            await introspection.introspect("lph_at_1")

        assert len(identity.forms) == 1
        assert caught.value.__context__ is None
        assert [line["event"] for line in lines] == ["introspection_failed"]
        assert await subject(introspection) == "pat_1"


async def test_the_loss_of_a_kept_connection_is_no_failure(identity: Identity) -> None:
    identity.replies = [say(sub="pat_1"), say(sub="pat_2"), reset, say(sub="pat_3")]

    async with asking(identity) as introspection:
        subjects = [await subject(introspection, n) for n in range(3)]

    assert subjects == ["pat_1", "pat_2", "pat_3"]
    assert (len(identity.forms), identity.connections) == (4, 2)


async def test_nobody_listening_admits_nobody(identity: Identity) -> None:
    identity.url = "http://127.0.0.1:9/introspect"

    async with asking(identity) as introspection:
        with pytest.raises(IdentityUnavailable):
            await introspection.introspect("lph_at_1")


async def test_who_asks_before_the_close_is_still_answered(identity: Identity) -> None:
    identity.replies = [say(sub="pat_1", after=0.1)]

    async with asking(identity) as introspection:
        before = asyncio.create_task(subject(introspection))
        await asyncio.sleep(0.02)
        await introspection.close()
        assert await before == "pat_1"
        with pytest.raises(IdentityUnavailable):
            await introspection.introspect("lph_at_2")

    assert len(identity.forms) == 1


async def test_no_log_line_tells_a_token_a_secret_or_a_claim(
    identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    identity.replies = [reset, say(sub="hush\0"), respond(b"hush", "401 No"), say(sub="hush")]

    async with asking(identity, client_id="bookwell", client_secret="hush") as introspection:
        with capture_logs() as lines:
            for _ in range(3):
                with pytest.raises(IdentityUnavailable):
                    await introspection.introspect("lph_at_hush")
            await introspection.introspect("lph_at_hush")

    assert [line.get("status") for line in lines] == [None, 200, 401]
    assert "hush" not in f"{lines} {caplog.text}"
