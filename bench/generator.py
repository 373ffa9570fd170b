"""Our own load generator, for machines without wrk. A process of its own:

    python -m bench.generator URL TOKEN FEED CONNECTIONS SECONDS once|again

It sends the feed's requests over keep-alive connections, each the next one as soon as it has its
answer, until the time is over or the feed is (`again`: it begins anew), then waits for what is
still unanswered. It prints one line of JSON: answers by status, seconds from the first request to
the last answer, latencies.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from bench.measured import Latency

_ANSWER_PATIENCE_SECONDS = 30


class Load:
    """What all connections share."""

    def __init__(self, requests: list[bytes], seconds: float, *, again: bool) -> None:
        self.requests = iter(cycle(requests) if again else requests)
        self.began = time.perf_counter()
        self.deadline = self.began + seconds
        self.ended = self.began
        self.ran_out = False
        self.statuses: Counter[str] = Counter()
        self.durations: list[float] = []

    def next_request(self) -> bytes | None:
        if time.perf_counter() >= self.deadline:
            return None
        request = next(self.requests, None)
        if request is None:
            self.ran_out = True
        return request


class Connection(asyncio.Protocol):
    """Sends, waits for the whole answer, sends the next."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""
        self._sent_at: float | None = None
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_ends = self._received.find(b"\r\n\r\n")
        if head_ends < 0:
            return
        head = self._received[:head_ends].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r")[0] or b"0")
        if len(self._received) < head_ends + 4 + length:
            return
        assert self._sent_at is not None, "an answer follows a request"
        self._load.ended = time.perf_counter()
        self._load.durations.append(self._load.ended - self._sent_at)
        self._load.statuses[head[9:12].decode()] += 1
        self._received, self._sent_at = b"", None
        self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._sent_at is not None:
            self._load.statuses["lost"] += 1
        self.closed.set_result(None)

    def _send(self) -> None:
        request = self._load.next_request()
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


def requests_in(feed: Path, *, host: str, token: str) -> list[bytes]:
    """The feed's lines as they go over the wire."""
    requests = []
    for line in feed.read_text().splitlines():
        method, path, key, body = line.split("\t")
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        if key:
            head += f"Idempotency-Key: {key}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        requests.append(f"{head}\r\n{body}".encode("ascii"))
    return requests


async def generate(
    url: str, requests: list[bytes], *, connections: int, seconds: float, again: bool
) -> dict[str, object]:
    """Send, and say what came of it."""
    place = urlsplit(url)
    assert place.hostname is not None, "a service has an address"
    assert place.port is not None, "and a port of its own"
    loop = asyncio.get_running_loop()
    load = Load(requests, seconds, again=again)
    made = await asyncio.gather(
        *(
            loop.create_connection(lambda: Connection(load), place.hostname, place.port)
            for _ in range(connections)
        )
    )
    waiting = [connection.closed for _, connection in made]
    _, hanging = await asyncio.wait(waiting, timeout=seconds + _ANSWER_PATIENCE_SECONDS)
    if hanging:
        load.statuses["unanswered"] += len(hanging)
    return {
        "statuses": dict(load.statuses),
        "seconds": load.ended - load.began,
        "latency": asdict(Latency.of(load.durations)),
        "ran_out": load.ran_out,
    }


def main() -> None:
    url, token, feed, connections, seconds, repeat = sys.argv[1:]
    requests = requests_in(Path(feed), host=urlsplit(url).netloc, token=token)
    outcome = generate(
        url,
        requests,
        connections=int(connections),
        seconds=float(seconds),
        again=repeat == "again",
    )
    if sys.platform == "win32":
        print(json.dumps(asyncio.run(outcome)))
    else:
        import uvloop  # noqa: PLC0415 - not made for Windows

        print(json.dumps(uvloop.run(outcome)))


if __name__ == "__main__":
    main()
