"""A service whose webhooks may go to receivers of the test's own, on this machine."""

from collections.abc import Iterator
from dataclasses import asdict

import httpx
import pytest

from bookwell.storage.embedded import EmbeddedPostgres
from clinic import Clinic, KeptWorld, kept_running
from conftest import clone, serving, settings_for
from receivers import Receiver, receiving
from world import populate


@pytest.fixture(scope="module")
def clinic(server: EmbeddedPostgres, template: str) -> Iterator[Clinic]:
    with clone(server, template) as url:
        settings = settings_for(url, webhook_allow_loopback=1, webhook_timeout_seconds=1.0)
        world = KeptWorld(**asdict(populate(url)))
        with (
            kept_running(lambda: serving(settings)) as base_url,
            httpx.Client(base_url=base_url, timeout=30) as http,
            world.connected(),
        ):
            yield Clinic(world, http)


@pytest.fixture(autouse=True)
def _others_are_gone(clinic: Clinic) -> None:
    """A brand has so many endpoints, and events of one test are nothing to the next."""
    clinic.world.sql(
        "UPDATE booking.webhook_endpoint SET deleted_at = now() WHERE deleted_at IS NULL"
    )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one
