"""Streams, read as a caller reads them: over a socket of their own, message by message."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import requests
from requests.adapters import HTTPAdapter

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Message:
    """A message of a stream: its fields, and what they hold."""

    fields: Mapping[str, str]

    @property
    def data(self) -> Any:
        return json.loads(self.fields["data"])

    @property
    def place(self) -> int:
        return int(self.fields["id"])


@dataclass
class Stream:
    """An open stream."""

    line: socket.socket
    status: int = 0
    head: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    _bytes: bytes = b""
    _text: bytes = b""
    is_over: bool = False

    def read_head(self) -> None:
        while b"\r\n\r\n" not in self._bytes:
            self._receive()
        head, _, self._bytes = self._bytes.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.head, self.status = head.decode(), int(first.split()[1])
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (each.partition(":") for each in lines)
        }

    def next(self, *, seconds: float = PATIENCE_SECONDS) -> Message:
        """The next message; comments and signs of life are passed over."""
        while True:
            block = self.next_block(seconds=seconds)
            if "data" in block.fields:
                return block

    def next_block(self, *, seconds: float = PATIENCE_SECONDS) -> Message:
        """What stands before the next empty line; EOFError at the end of the stream."""
        self.line.settimeout(seconds)
        while b"\n\n" not in self._text:
            self._read_chunk()
        block, _, self._text = self._text.partition(b"\n\n")
        pairs = (line.partition(": ") for line in block.decode().split("\n"))
        return Message({name: value for name, _, value in pairs if name and name != ":"})

    def read_to_the_end(self, *, seconds: float = PATIENCE_SECONDS) -> bytes:
        """All that still comes until the answer is over, as it should be."""
        self.line.settimeout(seconds)
        try:
            while True:
                self._read_chunk()
        except EOFError:
            return self._text

    def _read_chunk(self) -> None:
        while b"\r\n" not in self._bytes:
            self._receive()
        size, _, rest = self._bytes.partition(b"\r\n")
        length = int(size, 16)
        while len(rest) < length + 2:
            self._receive()
            rest = self._bytes.partition(b"\r\n")[2]
        self._text += rest[:length]
        self._bytes = rest[length + 2 :]
        if not length:
            self.is_over = True
            raise EOFError

    def _receive(self) -> None:
        received = self.line.recv(65536)
        if not received:
            raise ConnectionError("the connection ended within the answer")
        self._bytes += received


@contextmanager
def streaming(
    base_url: str,
    path: str,
    token: str,
    *,
    method: str = "GET",
    receive_buffer: int | None = None,
    headers: Mapping[str, str] | None = None,
    **query: object,
) -> Iterator[Stream]:
    """Ask for a stream, read its head, and leave at the end."""
    host = urlsplit(base_url)
    named = {
        "Host": host.netloc,
        "Authorization": f"Bearer {token}",
        "Accept": "text/event-stream",
        **(headers or {}),
    }
    target = path + (f"?{urlencode(query, doseq=True)}" if query else "")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    with socket.socket(proto=socket.IPPROTO_TCP) as line:
        line.settimeout(PATIENCE_SECONDS)
        if receive_buffer is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        line.connect((host.hostname or "", host.port or 0))
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        stream = Stream(line)
        stream.read_head()
        yield stream


def is_endless(content_type: str | None) -> bool:
    return (content_type or "").startswith("text/event-stream")


def begun(piece: bytes) -> bytes:
    """How a stream begins, without the pause before coming back, which is a little random."""
    return b"".join(line for line in piece.splitlines(True) if not line.startswith(b"retry: "))


class LeavingStreams(httpx.HTTPTransport):
    """Leaves a stream as soon as it has begun, so that a call of one has an end like any other."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if not is_endless(answer.headers.get("content-type")) or request.method == "HEAD":
            return answer
        piece = next(iter(answer.iter_raw()))
        answer.close()
        named = [
            (name, v) for name, v in answer.headers.raw if name.lower() != b"transfer-encoding"
        ]
        return httpx.Response(answer.status_code, headers=named, content=begun(piece))


class _Leaving(HTTPAdapter):
    def send(self, *args: Any, **more: Any) -> requests.Response:
        answer = super().send(*args, **{**more, "stream": True})
        if is_endless(answer.headers.get("Content-Type")):
            answer._content = begun(next(answer.raw.stream()))  # noqa: SLF001 - it has no other place
            answer.close()
        return answer


def leaving_session() -> requests.Session:
    """The same for those who call with requests."""
    session = requests.Session()
    session.mount("http://", _Leaving())
    return session
