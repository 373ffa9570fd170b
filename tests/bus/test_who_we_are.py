"""How the service shows NATS who it is, and that no secret of that is ever logged."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bookwell.usecases.bus import Publisher
from nats_servers import NatsServer, nats_running
from waiting import until
from world import World
from written_events import bookmark_of, write_visits

NewPublisher = Callable[..., Publisher]
PASSWORD = "pw-7f3a9c"


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_running(tmp_path, options=["--user", "bookwell", "--pass", PASSWORD]) as server:
        yield server


async def test_a_name_and_a_password_in_the_address_are_shown_to_the_server(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    write_visits(world, visits=3)
    named = f"nats://bookwell:{PASSWORD}@127.0.0.1:{nats_server.port}"

    await new_publisher(servers=[named]).publish_waiting()

    assert bookmark_of(world) == 3


async def test_a_publisher_ends_when_it_is_told_to_whatever_it_is_about(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    """nats-py swallows being cancelled, most often while it connects and is sent away."""
    write_visits(world, visits=1)
    wrong = [f"nats://bookwell:wrong@127.0.0.1:{nats_server.port}"]
    tasks = []
    for milliseconds in range(40):
        task = asyncio.create_task(new_publisher(servers=wrong).publish())
        await asyncio.sleep(milliseconds / 2_000)
        task.cancel()
        tasks.append(task)

    _, still_at_it = await asyncio.wait(tasks, timeout=20)

    assert still_at_it == set()


@pytest.mark.parametrize(
    ("cause", "options"),
    [
        ("AuthorizationError", {"servers": ["nats://bookwell:pw-7f3a9c-wrong@127.0.0.1:{port}"]}),
        (
            "AuthorizationError",
            {"servers": ["nats://127.0.0.1:{port}"], "credentials": Path("/no/pw-7f3a9c.creds")},
        ),
        ("NoServersError", {"servers": ["nats://bookwell:pw-7f3a9c@127.0.0.1:1"]}),
    ],
    ids=["wrong password", "no password", "nobody there"],
)
async def test_what_goes_wrong_is_logged_without_a_secret_and_ends_nobody(
    cause: str,
    options: dict[str, object],
    world: World,
    nats_server: NatsServer,
    new_publisher: NewPublisher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_visits(world, visits=1)
    servers = [str(url).format(port=nats_server.port) for url in options["servers"]]  # type: ignore[attr-defined]  # a list
    publisher = new_publisher(**{**options, "servers": servers})

    with capture_logs() as logged:
        task = asyncio.create_task(publisher.publish())
        await until(lambda: logged != [])
        await asyncio.sleep(1)
        is_alive = not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    assert is_alive
    (line,) = logged
    assert (line["event"], line["cause"]) == ("bus_not_published", cause)
    assert line["brand_ids"] == ["loop"]
    assert "pw-7f3a9c" not in f"{logged}{caplog.text}"
