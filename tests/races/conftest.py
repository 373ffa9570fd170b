"""Services to race against: one, or two on one database."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict

import pytest

from at_once import Doors, doors_to
from clinic import KeptWorld
from conftest import serving, settings_for
from world import World, populate


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """The world, asked through one connection: these tests ask it often."""
    world = KeptWorld(**asdict(populate(database_url)))
    with world.connected():
        yield world


@pytest.fixture
async def doors(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Doors]:
    """The doors of two services on the world's database, or of as many as a test asks for."""
    number: int = getattr(request, "param", 2)
    async with AsyncExitStack() as stack:
        base_urls = [
            await stack.enter_async_context(serving(settings_for(world.database_url)))
            for _ in range(number)
        ]
        yield await stack.enter_async_context(doors_to(*base_urls))
