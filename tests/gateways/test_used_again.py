"""A connection that is used again may be over by then: what was never read is sent once more."""

import asyncio
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bookwell.gateways.dialing import OutboundFailed
from bookwell.gateways.outbound import Outbound
from receivers import Answer, Receiver, hang, hang_up, reset, status


async def test_what_a_receiver_that_hung_up_while_idle_never_read_is_sent_again_at_once() -> None:
    async with a_receiver_that_ends_idle_connections() as receiver, posting() as outbound:
        first = await post(outbound, receiver.url)
        second = await post(outbound, receiver.url)

    assert (first, second) == (200, 200)
    assert receiver.asked == [1, 1], "each on the first request of its connection"


async def test_so_it_is_with_tls(certified: Path) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certified / "certificate", certified / "key")
    ours = ssl.create_default_context(cafile=str(certified / "certificate"))
    async with (
        a_receiver_that_ends_idle_connections(theirs) as receiver,
        posting(tls=ours) as outbound,
    ):
        statuses = [await post(outbound, receiver.url) for _ in range(2)]

    assert statuses == [200, 200]
    assert receiver.asked == [1, 1]


async def test_when_many_idle_connections_are_over_each_request_is_sent_again_on_a_new_one() -> (
    None
):
    async with a_receiver_that_ends_idle_connections() as receiver, posting() as outbound:
        receiver.hold(4)
        await asyncio.gather(*(post(outbound, receiver.url) for _ in range(4)))

        again = await asyncio.gather(*(post(outbound, receiver.url) for _ in range(4)))

    assert again == [200] * 4
    assert receiver.asked == [1] * 8


@pytest.mark.parametrize("answer", [hang_up, reset])
async def test_a_new_connection_that_breaks_off_is_a_failure_after_one_try(answer: Answer) -> None:
    async with receiving_here() as receiver, posting() as outbound:
        receiver.always(answer)

        assert await failed(outbound, receiver.url) == "reset"

    assert len(receiver.got) == 1


async def test_a_request_is_sent_again_once_and_not_more_often() -> None:
    async with receiving_here() as receiver, posting() as outbound:
        assert await post(outbound, receiver.url) == 200
        receiver.always(hang_up)

        assert await failed(outbound, receiver.url) == "reset"

    assert len(receiver.got) == 3
    assert receiver.connections == 2


async def test_who_began_to_answer_has_read_it_and_is_not_sent_it_again() -> None:
    async with receiving_here() as receiver, posting() as outbound:
        assert await post(outbound, receiver.url) == 200
        receiver.always(reset)

        assert await failed(outbound, receiver.url) == "reset"

    assert len(receiver.got) == 2


async def test_who_is_silent_is_not_sent_it_again() -> None:
    async with receiving_here() as receiver, posting(attempt_seconds=0.5) as outbound:
        assert await post(outbound, receiver.url) == 200
        receiver.always(hang)

        assert await failed(outbound, receiver.url) == "timeout"

    assert len(receiver.got) == 2


async def test_both_tries_share_one_deadline() -> None:
    async with receiving_here() as receiver, posting(attempt_seconds=1.0) as outbound:
        assert await post(outbound, receiver.url) == 200
        receiver.next(hang_up, hang)

        assert await failed(outbound, receiver.url) == "timeout"

    assert len(receiver.got) == 3


async def test_what_is_wanted_no_more_is_not_sent_whole() -> None:
    async with receiving_here() as receiver, posting() as outbound:
        assert await failed(outbound, receiver.url, is_wanted=lambda: False) == "interrupted"
        assert await post(outbound, receiver.url) == 200

    assert len(receiver.got) == 1


class EndsIdle:
    """Answers the first request of a connection, and reads no second one."""

    def __init__(self) -> None:
        self.url = ""
        # Which request of its connection each was that was answered.
        self.asked: list[int] = []
        self._together = asyncio.Barrier(1)

    def hold(self, count: int) -> None:
        """Answer when so many have asked, so that each has a connection of its own."""
        self._together = asyncio.Barrier(count)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        if len(self.asked) < self._together.parties:
            await self._together.wait()
        self.asked.append(1)
        await status(200)(writer)
        if b"connection: close" in head.lower():
            writer.close()
            return
        # As if the end and the next request crossed on their way.
        await reader.read(1)
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@asynccontextmanager
async def a_receiver_that_ends_idle_connections(
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[EndsIdle]:
    receiver = EndsIdle()
    async with await asyncio.start_server(receiver.accept, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        receiver.url = f"{'https' if tls else 'http'}://localhost:{port}/hook"
        yield receiver


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


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "key", "-out", folder / "certificate"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return folder
