"""A service that delivers to receivers of the test's own, on this machine."""

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from bookwell.storage.embedded import EmbeddedPostgres
from clinic import KeptWorld, kept_running
from conftest import clone, serving, settings_for
from posting import PostOffice
from receivers import Receiver, receiving
from world import populate

TIMEOUT_SECONDS = 1.0


@pytest.fixture(scope="module")
def office(server: EmbeddedPostgres, template: str) -> Iterator[PostOffice]:
    with clone(server, template) as url:
        settings = settings_for(
            url, webhook_allow_loopback=1, webhook_timeout_seconds=TIMEOUT_SECONDS
        )
        world = KeptWorld(**asdict(populate(url)))
        with kept_running(lambda: serving(settings)), world.connected():
            yield PostOffice(world)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one
