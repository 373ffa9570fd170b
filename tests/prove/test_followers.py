"""Who follows the log and the stream goes on from where they were, whatever the service does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from bookwell.prove.events.followers import Follower, read_message

EVENT = (
    '{"id": "evt_%d", "type": "t", "brand_id": "loop", "sequence": 1, "position": %d,'
    ' "occurred_at": "2026-11-22T12:00:00Z", "data": {}}'
)
Answer = Callable[[httpx.Request], httpx.Response]


def event(number: int) -> str:
    return EVENT % (number, number)


def message(number: int) -> str:
    return f"id: {number}\nevent: t\ndata: {event(number)}\n\n"


async def broken_after(*parts: str) -> AsyncIterator[bytes]:
    for part in parts:
        yield part.encode()
    raise httpx.ReadError("the connection broke")


class Service:
    """Answers one request after the other; then none any more."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.asked: list[httpx.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0) if self._answers else httpx.ConnectError("it is gone")
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookwell.prove.events.followers.LOG_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("bookwell.prove.events.followers.AGAIN_PAUSE_SECONDS", 0.0)


async def followed(service: Service, *, asked: int, stream: bool) -> Follower:
    """What was heard by the time that so many requests were made."""
    transport = httpx.MockTransport(service)
    async with httpx.AsyncClient(transport=transport, base_url="http://a.test") as http:
        follower = Follower(http, "loop", time.monotonic)
        task = asyncio.ensure_future(follower.follow_stream() if stream else follower.follow_log())
        while len(service.asked) < asked:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return follower


async def test_the_log_is_read_on_from_where_it_was_through_errors_and_breaks() -> None:
    first = f'{{"events": [{event(1)}, {event(2)}], "next_after": 2, "next_cursor": "c"}}'
    last = f'{{"events": [{event(3)}], "next_after": 3}}'
    service = Service(
        httpx.Response(200, text=first),
        httpx.Response(503, text="{}"),
        httpx.ReadError("it was killed"),
        httpx.Response(200, text=last),
    )

    follower = await followed(service, asked=5, stream=False)

    assert [request.url.params["after"] for request in service.asked[:5]] == list("02223")
    assert [heard.position for heard in follower.heard] == [1, 2, 3]
    assert follower.breaks >= 2


async def test_the_stream_is_gone_on_with_from_the_last_whole_message() -> None:
    half = message(3)[:-10]
    service = Service(
        httpx.Response(200, content=broken_after(message(1), ": still here\n\n", message(2), half)),
        httpx.Response(503, text="{}"),
        httpx.Response(200, content=broken_after("retry: 1000\n\n", message(3))),
    )

    follower = await followed(service, asked=4, stream=True)

    assert [each.headers["last-event-id"] for each in service.asked[:4]] == list("0223")
    assert [heard.event_id for heard in follower.heard] == ["evt_1", "evt_2", "evt_3"]


async def test_what_is_no_event_is_kept_so_that_it_is_found() -> None:
    service = Service(httpx.Response(200, text='{"events": [{"id": "evt_1"}], "next_after": 1}'))

    follower = await followed(service, asked=2, stream=False)

    assert [(heard.event_id, heard.position) for heard in follower.heard] == [("evt_1", 0)]


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        (["id: 7", "event: t", "data: {}"], ("7", "{}")),
        (["data:a", "data:  b", "id:1"], ("1", "a\n b")),
        (["data"], ("", "")),
        ([": a comment", "id: 7"], None),
        ([], None),
    ],
)
def test_a_message_is_read_as_its_standard_has_it(
    lines: list[str], read: tuple[str, str] | None
) -> None:
    said = read_message(lines)

    assert (said and (said.message_id, said.data)) == read
