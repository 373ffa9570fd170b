"""A service that asks an identity service who is calling."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict

import httpx
import pytest

from clinic import KeptWorld
from conftest import serving, settings_for
from identity_service import CLIENT_ID, CLIENT_SECRET, IdentityService
from world import World, populate


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """The world, asked through one connection: these tests ask it often."""
    world = KeptWorld(**asdict(populate(database_url)))
    with world.connected():
        yield world


@pytest.fixture
async def identity() -> AsyncIterator[IdentityService]:
    async with IdentityService().listening() as service:
        yield service


@pytest.fixture
async def asking(world: World, identity: IdentityService) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that believes nobody but the identity service."""
    settings = settings_for(
        world.database_url,
        introspection_url=identity.url,
        introspection_client_id=CLIENT_ID,
        introspection_client_secret=CLIENT_SECRET,
        introspection_timeout_seconds=0.5,
    )
    async with (
        serving(settings) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        yield client
