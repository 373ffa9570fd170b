"""Services to race against: one, or two on one database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from at_once import Doors, doors_to
from conftest import serving, settings_for
from world import World


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
