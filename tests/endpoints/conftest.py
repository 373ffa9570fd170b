"""A service whose webhooks may go to receivers of the test's own, on this machine."""

from collections.abc import Iterator

import pytest

from bookwell.storage.embedded import EmbeddedPostgres
from clinic import Clinic
from receivers import Receiver, receiving
from webhook_desk import service_that_posts


@pytest.fixture(scope="module")
def clinic(server: EmbeddedPostgres, template: str) -> Iterator[Clinic]:
    with service_that_posts(server, template) as clinic:
        yield clinic


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
