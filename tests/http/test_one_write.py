"""Answers as they leave: in one piece where they can, and never another answer within one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from bookwell.processes.one_write import BODY_BYTES_MAX, OneWriteCycle
from bookwell.processes.protocol import Protocol

Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Transport(asyncio.Transport):
    """Keeps what is written to it, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def writes_of(
    app: Callable[[Send], Awaitable[None]], request: bytes = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
) -> Transport:
    """What the service writes when this application answers."""

    async def asgi(_scope: Any, _receive: Any, send: Send) -> None:
        await app(send)

    config = uvicorn.Config(asgi, http=Protocol, ws="none", lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    protocol = Protocol(config, state, {})
    transport = Transport()
    protocol.connection_made(transport)
    protocol.data_received(request)
    while state.tasks:
        await asyncio.gather(*state.tasks)
    if protocol.timeout_keep_alive_task is not None:
        protocol.timeout_keep_alive_task.cancel()
    return transport


def start(headers: Headers, status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: bytes, *, is_last: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": not is_last}


def answering(headers: Headers, content: bytes, status: int = 200) -> Callable[[Send], Any]:
    async def app(send: Send) -> None:
        await send(start(headers, status))
        await send(body(content))

    return app


async def test_a_plain_answer_is_one_write() -> None:
    transport = await writes_of(answering([(b"content-length", b"2"), (b"x-y", b"z")], b"hi"))

    assert transport.writes == [
        b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\nx-y: z\r\n\r\nhi"
    ]


@pytest.mark.parametrize(
    ("headers", "status", "request_line"),
    [
        pytest.param([(b"Content-Length", b"2")], 200, b"GET / HTTP/1.1", id="capital letters"),
        pytest.param([], 200, b"GET / HTTP/1.1", id="no length"),
        pytest.param([(b"content-length", b"2")], 200, b"HEAD / HTTP/1.1", id="HEAD"),
        pytest.param([(b"content-length", b"2")], 200, b"GET / HTTP/1.0", id="HTTP/1.0"),
        pytest.param([(b"content-length", b"2"), (b"connection", b"close")], 200, b"GET / HTTP/1.1", id="close"),
        pytest.param([(b"transfer-encoding", b"chunked")], 200, b"GET / HTTP/1.1", id="chunked"),
    ],
)  # fmt: skip
async def test_any_other_answer_is_uvicorns(
    headers: Headers, status: int, request_line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_line + b"\r\nhost: x\r\n\r\n"

    ours = await writes_of(answering(headers, b"hi", status), request)
    monkeypatch.setattr(OneWriteCycle, "send", RequestResponseCycle.send)
    uvicorns = await writes_of(answering(headers, b"hi", status), request)

    assert b"".join(ours.writes) == b"".join(uvicorns.writes)
    assert ours.is_closed == uvicorns.is_closed


async def test_a_long_body_is_not_copied() -> None:
    content = b"x" * (BODY_BYTES_MAX + 1)

    transport = await writes_of(answering([(b"content-length", b"%d" % len(content))], content))

    assert transport.writes[1:] == [content]


async def test_an_answer_in_parts_is_sent_in_parts() -> None:
    async def app(send: Send) -> None:
        await send(start([]))
        await send(body(b"one", is_last=False))
        await send(body(b"two"))

    transport = await writes_of(app)

    head, rest = b"".join(transport.writes).split(b"\r\n\r\n", 1)
    assert head.endswith(b"transfer-encoding: chunked")
    assert rest == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [
        (b"x-y", b"z\r\nset-cookie: a=b"), (b"x-y", b"z\n"), (b"x-y", b"z\x00"), (b"x-y", b"z\x7f"),
        (b"x-y\r\nx-z", b"1"), (b"x y", b"1"), (b"x:y", b"1"),
    ],
)  # fmt: skip
async def test_no_header_becomes_two(header: tuple[bytes, bytes]) -> None:
    transport = await writes_of(answering([(b"content-length", b"2"), header], b"hi"))

    written = b"".join(transport.writes)
    assert b"x-y" not in written
    assert b"set-cookie" not in written
    assert transport.is_closed


async def test_a_body_of_another_length_than_told_is_never_followed_by_another_answer() -> None:
    transport = await writes_of(answering([(b"content-length", b"1")], b"hi"))

    assert transport.is_closed


async def test_an_application_that_fails_before_its_body_is_answered_with_500() -> None:
    async def app(send: Send) -> None:
        await send(start([(b"content-length", b"2")]))
        raise RuntimeError

    transport = await writes_of(app)

    assert b"".join(transport.writes).startswith(b"HTTP/1.1 500 ")
    assert b"200" not in b"".join(transport.writes)


async def test_requests_in_one_read_are_answered_in_their_order() -> None:
    answers = iter([b"1", b"2", b"3"])

    async def app(send: Send) -> None:
        await asyncio.sleep(0)
        await send(start([(b"content-length", b"1")]))
        await send(body(next(answers)))

    transport = await writes_of(app, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 3)

    assert [write[-1:] for write in transport.writes] == [b"1", b"2", b"3"]
