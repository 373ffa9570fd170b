"""What reminders and messages are tested with: a database, and a message service on a socket."""

from collections.abc import AsyncIterator

import pytest

from bookwell.gateways.comms import Comms
from bookwell.storage.database import Database
from comms_service import CommsService
from world import World

TOKEN = "comms-token"
# For a busy machine.
PATIENCE_SECONDS = 30.0


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    database = await Database.connect(world.database_url, pool_size=8)
    yield database
    await database.close()


@pytest.fixture
async def service() -> AsyncIterator[CommsService]:
    async with CommsService().listening() as service:
        yield service


@pytest.fixture
async def comms(service: CommsService) -> AsyncIterator[Comms]:
    comms = Comms(url=service.url, token=TOKEN, timeout_seconds=PATIENCE_SECONDS)
    yield comms
    await comms.close()
