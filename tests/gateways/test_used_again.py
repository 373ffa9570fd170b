"""A connection that is used again may be over by then; a request is sent once all the same."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bookwell.gateways.dialing import OutboundFailed
from bookwell.gateways.outbound import Outbound
from certificates import Authority
from receivers import Answer, Receiver, hang_up, reset, status


async def test_a_connection_that_was_closed_while_idle_is_not_used_again() -> None:
    async with a_receiver_that_closes_after_each_answer() as receiver, posting() as outbound:
        first = await post(outbound, receiver.url)
        await until_heard_of()
        second = await post(outbound, receiver.url)

    assert (first, second) == (200, 200)
    assert receiver.answered == 2


async def test_so_it_is_with_tls(tmp_path: Path) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = Authority(tmp_path)
    made = authority.vouch_for("DNS:localhost")
    theirs.load_cert_chain(made.certificate, made.key)
    ours = ssl.create_default_context(cafile=str(authority.certificate))
    async with (
        a_receiver_that_closes_after_each_answer(theirs) as receiver,
        posting(tls=ours) as outbound,
    ):
        first = await post(outbound, receiver.url)
        await until_heard_of()
        second = await post(outbound, receiver.url)

    assert (first, second) == (200, 200)
    assert receiver.answered == 2


@pytest.mark.parametrize("answer", [hang_up, reset])
@pytest.mark.parametrize("is_used_again", [False, True])
async def test_a_request_is_sent_once_whatever_becomes_of_its_connection(
    answer: Answer, *, is_used_again: bool
) -> None:
    async with receiving_here() as receiver, posting() as outbound:
        if is_used_again:
            assert await post(outbound, receiver.url) == 200
        before = len(receiver.got)
        receiver.always(answer)

        assert await failed(outbound, receiver.url) == "reset"

    assert len(receiver.got) == before + 1


async def test_what_is_wanted_no_more_is_not_sent_whole() -> None:
    async with receiving_here() as receiver, posting() as outbound:
        assert await failed(outbound, receiver.url, is_wanted=lambda: False) == "interrupted"
        assert await post(outbound, receiver.url) == 200

    assert len(receiver.got) == 1


class ClosesAfterEach:
    """Answers a request, says nothing of closing, and closes."""

    def __init__(self) -> None:
        self.url = ""
        self.answered = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def end(self) -> None:
        """Wait for nobody's farewell, as TLS would."""
        for writer in self._writers:
            writer.transport.abort()
        await until_heard_of()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        self.answered += 1
        await status(200)(writer)
        writer.close()


@asynccontextmanager
async def a_receiver_that_closes_after_each_answer(
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[ClosesAfterEach]:
    receiver = ClosesAfterEach()
    async with await asyncio.start_server(receiver.accept, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        receiver.url = f"{'https' if tls else 'http'}://localhost:{port}/hook"
        yield receiver
        await receiver.end()


async def until_heard_of() -> None:
    """Both ends live in this loop: what one has closed the other has read some turns later."""
    await asyncio.sleep(0.2)


@asynccontextmanager
async def receiving_here() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with receiver.listening():
        yield receiver


@asynccontextmanager
async def posting(
    *, attempt_seconds: float = 10.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Outbound]:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    outbound = Outbound(
        allow_loopback=True, attempt_seconds=attempt_seconds, resolve=resolve, tls=tls
    )
    yield outbound
    await outbound.close()


async def post(outbound: Outbound, url: str) -> int:
    return (await outbound.post(url, headers={"x-one": "two"}, body=b"{}")).status


async def failed(
    outbound: Outbound, url: str, *, is_wanted: Callable[[], bool] = lambda: True
) -> str:
    """Why there was no answer."""
    with pytest.raises(OutboundFailed) as failure:
        await outbound.post(url, headers={}, body=b"{}", is_wanted=is_wanted)
    return failure.value.cause
