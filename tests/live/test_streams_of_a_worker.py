"""Streams of a real worker: a thousand of them, callers who do not read, and how all of them end."""

import asyncio
import resource
import signal
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from bookwell.storage.embedded import EmbeddedPostgres
from clinic import Clinic, KeptWorld
from commands import Running, running
from conftest import clone
from streams import Message, Stream, streaming
from world import LOOP, populate

Served = tuple[Clinic, Running]

PATH = "/v1/events/stream"
THOUSAND = 1000
FILES = 4096
# More than the kernel keeps for a connection, and than may wait for it.
FLOOD, FLOOD_BYTES = 9000, 1000
# Nine megabytes went by, and five callers did not take them.
GROWTH_MAX = 40 << 20


@contextmanager
def service_in(folder: Path, server: EmbeddedPostgres, template: str) -> Iterator[Served]:
    """A service of one worker, which would wait five minutes for what it has in hand."""
    with clone(server, template) as url:
        world = KeptWorld(**vars(populate(url)))
        arguments = ("serve", "--port", "0", "--database-url", url)
        limits = {f"BOOKWELL_RATE_{kind}_PER_MINUTE": "0" for kind in ("READS", "WRITES")}
        with (
            world.connected(),
            running(folder, *arguments, BOOKWELL_DRAIN_SECONDS="300", **limits) as service,
            httpx.Client(base_url=service.address(), timeout=30, trust_env=False) as http,
        ):
            yield Clinic(world, http), service


@pytest.fixture(scope="module")
def served(
    server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with service_in(tmp_path_factory.mktemp("worker"), server, template) as both:
        yield both


def flood(clinic: Clinic) -> None:
    """Many events at once, and long ones."""
    clinic.world.sql(
        "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
        " SELECT 'evt_' || n, %s, 'booking.visit.created.v1', 'vis_flood', n,"
        " jsonb_build_object('visit_id', repeat('x', %s)) FROM generate_series(1, %s) AS n",
        LOOP,
        FLOOD_BYTES,
        FLOOD,
    )


async def opened(base: httpx.URL, token: str) -> tuple[StreamReader, StreamWriter]:
    """A stream whose head has come."""
    reader, writer = await asyncio.open_connection(base.host, base.port)
    head = f"GET {PATH} HTTP/1.1\r\nHost: {base.host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(head.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    return reader, writer


async def next_ids(reader: StreamReader, count: int) -> tuple[bytes, ...]:
    found: list[bytes] = []
    while len(found) < count:
        line = await reader.readline()
        assert line, "the stream is over"
        if line.startswith(b"id: "):
            found.append(line)
    return tuple(found)


async def test_each_of_a_thousand_streams_gets_every_event(served: Served) -> None:
    clinic, _ = served
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, FILES)), hard))
    token = clinic.world.admin

    async with asyncio.timeout(60):
        streams = [await opened(clinic.http.base_url, token) for _ in range(THOUSAND)]
        visits = [await asyncio.to_thread(clinic.visit) for _ in range(3)]
        seen = await asyncio.gather(*(next_ids(reader, len(visits)) for reader, _ in streams))
        beside = await asyncio.to_thread(clinic.get, "/v1/events", token=token)
    for _, writer in streams:
        writer.close()

    assert len(set(seen)) == 1, "all got the same"
    assert len(set(seen[0])) == len(visits)
    assert beside.status_code == 200, "streams are no requests in hand"


def test_who_does_not_read_is_cut_off_and_resumes_where_they_were(
    served: Served,
) -> None:
    clinic, service = served
    (worker,) = service.workers
    before = memory_of(worker)
    base_url, token = str(clinic.http.base_url), clinic.world.admin
    with (
        streaming(base_url, PATH, token, receive_buffer=4096) as stream,
        streaming(base_url, PATH, token, receive_buffer=4096),
        streaming(base_url, PATH, token, receive_buffer=4096),
        streaming(base_url, PATH, token, receive_buffer=4096),
        streaming(base_url, PATH, token, receive_buffer=4096),
    ):
        clinic.visit()
        first = stream.next().place
        flood(clinic)
        service.until(lambda: causes(service).count("slow") == 5)
        grown = memory_of(worker) - before
        read = [first, *(each.place for each in until_cut(stream))]
    with streaming(base_url, PATH, token, headers={"Last-Event-ID": str(read[-1])}) as stream:
        rest = [stream.next().place for _ in range(first + FLOOD - read[-1])]

    assert [*read, *rest] == list(range(first, first + FLOOD + 1))
    assert grown < GROWTH_MAX


def causes(service: Running) -> list[str]:
    return [line["cause"] for line in service.events("stream_ended")]


def memory_of(process: psutil.Process) -> int:
    memory: int = process.memory_info().rss
    return memory


def until_cut(stream: Stream) -> Iterator[Message]:
    try:
        while True:
            yield stream.next()
    except ConnectionError:
        return


def test_a_caller_who_leaves_is_noticed_at_once(served: Served) -> None:
    clinic, service = served
    with streaming(str(clinic.http.base_url), PATH, clinic.world.admin) as stream:
        request_id = stream.headers["x-request-id"]

    def ends() -> list[str]:
        lines = service.events("stream_ended")
        return [line["cause"] for line in lines if line["request_id"] == request_id]

    service.until(lambda: bool(ends()))
    assert ends() == ["left"]


def test_streams_end_as_they_should_when_the_service_is_to_stop(
    server: EmbeddedPostgres, template: str, tmp_path: Path
) -> None:
    with service_in(tmp_path, server, template) as (clinic, service):
        stop_with_open_streams(clinic, service)

    assert causes(service) == ["drained"] * 3


def stop_with_open_streams(clinic: Clinic, service: Running) -> None:
    base_url, world = str(clinic.http.base_url), clinic.world
    times: dict[str, Any] = {"brand_id": LOOP, "day": "2030-01-01", "time_zone": "UTC"}
    with (
        streaming(base_url, PATH, world.admin) as events,
        streaming(base_url, "/v1/providers/prv_kim/availability/stream", world.staff, **times) as t,
        streaming(base_url, PATH, world.admin, receive_buffer=4096),
    ):
        service.process.send_signal(signal.SIGTERM)
        events.read_to_the_end()
        t.read_to_the_end()

        assert events.is_over
        assert t.is_over
        assert service.process.wait(30) == 0
