"""What the HTTP parser itself refuses, sent through bare sockets."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from bookwell.processes.protocol import HEAD_BYTES_MAX
from clinic import Clinic

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED = b"POST /v1/visits HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"


@dataclass(frozen=True)
class Answer:
    """One answer off the wire."""

    status: int
    headers: dict[str, str]
    content: bytes


class Wire:
    """A bare connection to the service."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self._reader = opened.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> Answer:
        status = int(self._reader.readline().split()[1])
        headers = {}
        while (line := self._reader.readline().strip()) != b"":
            name, _, value = line.decode("ascii").partition(":")
            headers[name.lower()] = value.strip()
        content = self._reader.read(int(headers["content-length"]))
        return Answer(status, headers, content)

    def rest(self) -> bytes:
        """Everything until the service closes."""
        return self._reader.read()

    def close(self) -> None:
        self._reader.close()


@contextmanager
def connected(clinic: Clinic) -> Iterator[Wire]:
    base = clinic.http.base_url
    with socket.create_connection((base.host, base.port or 80), timeout=20) as opened:
        wire = Wire(opened)
        try:
            yield wire
        finally:
            wire.close()


def head_of(length: int) -> bytes:
    """A request for our health whose head has this many bytes."""
    start, end = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: ", b"\r\n\r\n"
    return start + b"a" * (length - len(start) - len(end)) + end


def refused(answer: Answer, status: int, code: str, message: str) -> None:
    body: dict[str, Any] = json.loads(answer.content)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["connection"] == "close"
    assert re.fullmatch(r"req_\w{26}", answer.headers["x-request-id"])
    assert body == {
        "error": code,
        "message": message,
        "request_id": answer.headers["x-request-id"],
        "details": {"field": "request"},
    }


def not_http(answer: Answer) -> None:
    refused(answer, 400, "validation_error", "The request is not valid HTTP.")


def too_long(answer: Answer) -> None:
    refused(answer, 431, "headers_too_large", "The request line and headers are too long.")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("GET /v1/visits/é HTTP/1.1\r\nhost: x\r\n\r\n".encode(), id="bare path"),
        pytest.param(b"BREW /v1/visits HTTP/1.1\r\nhost: x\r\n\r\n", id="unknown method"),
        pytest.param(CHUNKED + b"\r\nzz\r\n{}\r\n0\r\n\r\n", id="bad chunk"),
        pytest.param(CHUNKED + b"content-length: 2\r\n\r\n{}", id="two lengths"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nbad header\r\n\r\n", id="no colon"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
    ],
)
def test_what_is_no_http_is_refused_in_our_shape_and_the_connection_closed(
    clinic: Clinic, sent: bytes
) -> None:
    with connected(clinic) as wire:
        wire.send(sent)

        not_http(wire.answer())
        assert wire.rest() == b""

    assert clinic.http.get("/healthz").status_code == 200


def begin_body(wire: Wire, clinic: Clinic) -> None:
    """Send a head, and return when the service waits for the body."""
    token = clinic.world.staff.encode()
    wire.send(CHUNKED + b"expect: 100-continue\r\nauthorization: Bearer " + token)
    wire.send(b"\r\ncontent-type: application/json\r\n\r\n")
    assert wire.socket.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_bad_chunk_after_good_ones_is_refused_though_the_service_is_reading(
    clinic: Clinic,
) -> None:
    with connected(clinic) as wire:
        begin_body(wire, clinic)
        wire.send(b"1\r\n{\r\n")
        wire.send(b"zz\r\n")

        not_http(wire.answer())
        assert wire.rest() == b""


def test_trailers_have_the_same_limit(clinic: Clinic) -> None:
    with connected(clinic) as wire:
        begin_body(wire, clinic)
        wire.send(b"1\r\n{\r\n0\r\nx: " + b"a" * 200_000 + b"\r\n\r\n")

        too_long(wire.answer())
        assert wire.rest() == b""


def test_a_request_that_turns_bad_after_its_answer_gets_no_second_one(clinic: Clinic) -> None:
    with connected(clinic) as wire:
        wire.send(CHUNKED + b"\r\n1\r\n{\r\n")
        assert wire.answer().status == 401
        wire.send(b"zz\r\n")

        assert wire.rest() == b""


def test_a_head_as_long_as_the_limit_is_taken(clinic: Clinic) -> None:
    with connected(clinic) as wire:
        wire.send(head_of(HEAD_BYTES_MAX))

        assert wire.answer().status == 200


def test_a_head_one_byte_longer_is_refused_however_it_comes(clinic: Clinic) -> None:
    head = head_of(HEAD_BYTES_MAX + 1)
    for cut in (0, 40, 10_000, HEAD_BYTES_MAX):
        with connected(clinic) as wire:
            wire.send(head[:cut])
            time.sleep(0.05)  # so that it is read by itself
            wire.send(head[cut:])

            too_long(wire.answer())
            assert wire.rest() == b""

    assert clinic.http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", id="address"),
        pytest.param(head_of(64 << 20), id="one header of 64 MB"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", id="many headers"),
    ],
)
def test_whoever_sends_too_much_still_reads_why(clinic: Clinic, sent: bytes) -> None:
    with connected(clinic) as wire:
        wire.send(sent)

        too_long(wire.answer())
        assert wire.rest() == b""


def test_the_requests_of_a_connection_are_not_counted_together(clinic: Clinic) -> None:
    head = head_of(HEAD_BYTES_MAX // 4)
    with connected(clinic) as wire:
        for _ in range(12):
            wire.send(head)
            assert wire.answer().status == 200


def test_requests_sent_without_waiting_are_not_counted_together_either(clinic: Clinic) -> None:
    with connected(clinic) as wire:
        wire.send(head_of(HEAD_BYTES_MAX // 4) * 12)

        assert [wire.answer().status for _ in range(12)] == [200] * 12


def test_a_long_body_behind_a_short_head_is_not_counted(clinic: Clinic) -> None:
    token, body = clinic.world.staff.encode(), b'{"a": "' + b"a" * 200_000 + b'"}'
    head = b"POST /v1/visits HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    head += b"authorization: Bearer %b\r\n" % token
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(body[at : at + 100]), body[at : at + 100])
        for at in range(0, len(body), 100)
    )
    for sent in (
        b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body),
        b"%btransfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % (head, chunks),
    ):
        with connected(clinic) as wire:
            wire.send(sent)
            answer = wire.answer()
            wire.send(HEALTH)

            assert answer.status == 400
            assert json.loads(answer.content)["details"]["field"] != "request", "read and judged"
            assert wire.answer().status == 200, "the connection goes on"


@pytest.mark.parametrize("bad", [b"BREW / HTTP/1.1\r\n\r\n", CHUNKED + b"\r\nzz\r\n"])
def test_requests_before_a_bad_one_get_their_own_answers_first(clinic: Clinic, bad: bytes) -> None:
    with connected(clinic) as wire:
        wire.send(HEALTH * 3 + bad + HEALTH)

        assert [wire.answer().status for _ in range(3)] == [200] * 3
        not_http(wire.answer())
        assert wire.rest() == b""
