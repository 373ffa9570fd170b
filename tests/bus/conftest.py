"""A NATS server of the test's own, and what a worker publishes with."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bookwell.domain.envelopes import Format
from bookwell.gateways.bus import Bus
from bookwell.storage.database import Database
from bookwell.usecases.bus import Publisher
from nats_servers import NatsServer, nats_running
from world import World


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_running(tmp_path) as server:
        yield server


@pytest.fixture
async def new_publisher(
    world: World, nats_server: NatsServer
) -> AsyncIterator[Callable[..., Publisher]]:
    """Makes a worker's publisher; the test asks for each of its rounds itself."""
    async with AsyncExitStack() as stack:
        database = await Database.connect(world.database_url, pool_size=8)
        stack.push_async_callback(database.close)

        def make(**options: Any) -> Publisher:
            wanted = {"stream": "BOOKWELL", "form": Format.STANDARD, **options}
            bus = Bus(**{"servers": [nats_server.url], **wanted})
            stack.push_async_callback(bus.close)
            return Publisher(database, bus)

        yield make
