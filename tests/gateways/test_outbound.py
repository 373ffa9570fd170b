"""Posts to addresses that others chose: where they may go, and what of an answer counts."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bookwell.domain.errors import InvalidInput
from bookwell.gateways.addresses import is_public
from bookwell.gateways.dialing import LOOKUPS_AT_ONCE, OutboundFailed
from bookwell.gateways.outbound import Outbound, check_url
from certificates import Authority
from receivers import (
    Answer,
    Receiver,
    drip,
    drip_head,
    flood,
    gibberish,
    half_closed,
    hang,
    hang_up,
    huge_headers,
    receiving,
    reset,
    status,
)

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - to be refused
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:0a00:0001::1",
    "2002:7f00:0001::1",
    "3fff::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:0808:0808::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_public_internet_is_told(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_internet_is_told(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [a for a in PRIVATE if "%" not in a])
async def test_a_name_that_leads_inside_is_not_followed(address: str) -> None:
    async with posting(resolves_to=[address]) as outbound:
        with pytest.raises(OutboundFailed) as failure:
            await post(outbound, "https://receiver.example/hook")

    assert failure.value.cause == "private_address"


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    async with posting(resolves_to=["8.8.8.8", "10.0.0.1"]) as outbound:
        with pytest.raises(OutboundFailed) as failure:
            await post(outbound, "https://receiver.example/hook")

    assert failure.value.cause == "private_address"


async def test_a_name_is_looked_up_once_so_that_a_second_answer_changes_nothing() -> None:
    lookups = [["10.0.0.1"], ["127.0.0.1"]]

    with receiving() as receiver:

        async def rebinding(_host: str, _port: int) -> Sequence[str]:
            return lookups.pop()

        outbound = Outbound(allow_loopback=True, resolve=rebinding)
        answer = await post(outbound, receiver.url)
        await outbound.close()

    assert answer == 200
    assert lookups == [["10.0.0.1"]]


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.example/hook",
        "ftp://receiver.example/hook",
        "https://",
        "https:///hook",
        "receiver.example/hook",
        "",
        "https://user:secret@receiver.example/",
        "https://receiver.example/#part",
        "https://receiver.example:0/",
        "https://receiver.example:99999/",
        "https://recei ver.example/",
        "https://receiver.example/\\@10.0.0.1",
        "https://receiver.example/\r\nx: y",
        "https://empfänger.example/",
        "https://localhost/hook",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://[::1]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data",
        "https://receiver.example/" + "x" * 2048,
        "https://-bad-/",
        "https://bad-/",
        "https://-bad.example/",
        "https://receiver..example/",
        "https://.receiver.example/",
        "https://receiver.example../",
        "https://./",
        "https://_/",
        "https://___.example/",
        "https://_receiver.example/",
        "https://receiver_.example/",
        f"https://{'x' * 64}.example/",
        f"https://{'.'.join(['x' * 63] * 3)}.{'x' * 62}/",
        "https://rec%65iver.example/",
        "https://receiver!.example/",
        "https://receiver,example/",
        "https://*.example/",
        "https://receiver.123/",
        "https://receiver.0x7f/",
        "https://1.2.3.256/",
        "https://1.2.3/",
        "https://8.8.8.8./",
        "https://8.8.2056/",
        "https://134744072/",
        "https://0x08080808/",
        "https://010.8.8.8/",
        "https://0x/",
        "https://[v1.fe]/",
        "https://[8.8.8.8]/",
        "https://[receiver.example]/",
        "https://receiver.localhost/",
        "https://LOCALHOST./",
    ],
)
async def test_an_address_that_may_not_be_posted_to_is_refused_by_name(url: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_url(url, allow_loopback=False)

    assert refusal.value.facts == {"field": "url"}


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example",
        "https://receiver.example:8443/a?b=c",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]:8443/hook",
        "https://receiver.example./",
        "https://RECEIVER.Example/",
        "https://xn--empfnger-5za.example/",
        "https://receiver--staging.example/",
        "https://a_service.example/",
        "https://3com.example/",
        "https://123.example/",
        "https://0x7f.example/",
        f"https://{'x' * 63}.example/",
        f"https://{'.'.join(['x' * 63] * 3)}.{'x' * 61}/",
        f"https://{'.'.join(['x' * 63] * 3)}.{'x' * 61}./",
        "https://receiver.invalid/",
    ],
)
def test_a_public_address_is_let_through(url: str) -> None:
    check_url(url, allow_loopback=False)


@pytest.mark.parametrize(
    "url", ["http://localhost:8080/", "http://127.0.0.1/", "https://[::1]:8443/"]
)
def test_this_machine_is_let_through_only_where_that_is_allowed(url: str) -> None:
    check_url(url, allow_loopback=True)

    with pytest.raises(InvalidInput):
        check_url(url, allow_loopback=False)
    with pytest.raises(InvalidInput):
        check_url("http://10.0.0.1/", allow_loopback=True)


async def test_loopback_opens_nothing_else() -> None:
    async with posting(resolves_to=["10.0.0.1"], allow_loopback=True) as outbound:
        with pytest.raises(OutboundFailed) as failure:
            await post(outbound, "https://receiver.example/")

    assert failure.value.cause == "private_address"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (hang, "timeout"),
        (drip_head, "timeout"),
        (reset, "reset"),
        (hang_up, "reset"),
        (huge_headers, "protocol_error"),
        (gibberish, "protocol_error"),
    ],
)
async def test_an_answer_that_never_came_has_its_cause(
    receiver: Receiver, answer: Answer, cause: str
) -> None:
    async with posting(allow_loopback=True, attempt_seconds=0.5) as outbound:
        receiver.next(answer)
        with pytest.raises(OutboundFailed) as failure:
            await post(outbound, receiver.url)

        assert failure.value.cause == cause
        assert await post(outbound, receiver.url) == 200


@pytest.mark.parametrize("answer", [drip, flood, half_closed])
async def test_what_comes_after_the_head_of_an_answer_does_not_count(
    receiver: Receiver, answer: Answer
) -> None:
    async with posting(allow_loopback=True) as outbound:
        receiver.next(answer)

        assert await post(outbound, receiver.url) == 200
        assert await post(outbound, receiver.url) == 200


async def test_a_redirect_is_an_answer_and_not_followed(receiver: Receiver) -> None:
    async with posting(allow_loopback=True) as outbound:
        before = len(receiver.got)
        receiver.next(status(302, location=receiver.url))

        assert await post(outbound, receiver.url) == 302
        assert len(receiver.got) == before + 1


async def test_a_connection_is_used_again(receiver: Receiver) -> None:
    async with posting(allow_loopback=True) as outbound:
        before = receiver.connections
        for _ in range(5):
            await post(outbound, receiver.url)

    assert receiver.connections == before + 1


async def test_nobody_listening_and_nobody_known_are_told_apart() -> None:
    with receiving() as gone:
        url = gone.url

    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError

    for resolve, cause in ((unknown, "dns"), (None, "refused")):
        outbound = Outbound(allow_loopback=True, resolve=resolve)
        with pytest.raises(OutboundFailed) as failure:
            await post(outbound, url)
        await outbound.close()
        assert failure.value.cause == cause


async def test_a_name_server_that_hangs_holds_up_no_other_receiver(receiver: Receiver) -> None:
    async def resolve(host: str, _port: int) -> Sequence[str]:
        if host == "slow.example":
            await asyncio.sleep(3600)
        return ["127.0.0.1"]

    outbound = Outbound(allow_loopback=True, attempt_seconds=1.0, resolve=resolve)
    slow = asyncio.ensure_future(post(outbound, "https://slow.example/"))
    assert await post(outbound, receiver.url) == 200
    assert not slow.done()
    with pytest.raises(OutboundFailed) as failure:
        await slow
    await outbound.close()
    assert failure.value.cause == "timeout"


async def test_a_name_that_nobody_answers_for_holds_up_itself_however_often_it_is_asked_for(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = threading.Event()
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **kind: int) -> list[Any]:
        if host == "silent.example":
            is_over.wait()
            raise OSError
        return look_up(host, port, **kind)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with posting(allow_loopback=True, attempt_seconds=30.0) as outbound:
        silent = [
            asyncio.ensure_future(post(outbound, f"https://silent.example/{number}"))
            for number in range(LOOKUPS_AT_ONCE + 8)
        ]
        await asyncio.sleep(0)
        try:
            assert await post(outbound, receiver.url) == 200
        finally:
            is_over.set()
        failures = await asyncio.gather(*silent, return_exceptions=True)

    assert {type(each) for each in failures} == {OutboundFailed}


async def test_the_environments_proxy_is_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with posting(allow_loopback=True) as outbound:
        assert await post(outbound, receiver.url) == 200


async def test_tls_is_spoken_with_the_name_and_believed_only_from_who_is_trusted(
    tmp_path: Path,
) -> None:
    serving_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = Authority(tmp_path)
    made = authority.vouch_for("DNS:receiver.example")
    serving_side.load_cert_chain(made.certificate, made.key)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    with receiving(serving_side) as receiver:
        address = receiver.url.replace("localhost", "{}")
        async with posting(["127.0.0.1"], allow_loopback=True, tls=trusting) as outbound:
            assert await post(outbound, address.format("receiver.example")) == 200
            assert await post(outbound, address.format("receiver.example")) == 200
            assert await post(outbound, address.format("receiver.example.")) == 200
            with pytest.raises(OutboundFailed) as other_name:
                await post(outbound, address.format("other.example"))
        async with posting(["127.0.0.1"], allow_loopback=True) as outbound:
            with pytest.raises(OutboundFailed) as unknown_issuer:
                await post(outbound, address.format("receiver.example"))

    assert receiver.got[0].headers["host"].startswith("receiver.example:")
    assert other_name.value.cause == unknown_issuer.value.cause == "tls"


@asynccontextmanager
async def posting(
    resolves_to: Sequence[str] | None = None,
    *,
    allow_loopback: bool = False,
    attempt_seconds: float = 5.0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Outbound]:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        assert resolves_to is not None
        return resolves_to

    outbound = Outbound(
        allow_loopback=allow_loopback,
        attempt_seconds=attempt_seconds,
        resolve=None if resolves_to is None else resolve,
        tls=tls,
    )
    yield outbound
    await outbound.close()


async def post(outbound: Outbound, url: str) -> int:
    return (await outbound.post(url, headers={"x-one": "two"}, body=b"{}")).status
