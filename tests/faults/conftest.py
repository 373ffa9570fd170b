"""Folders for the embedded PostgreSQL; nothing runs on them before a test, nor after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bookwell.storage.cluster import Cluster
from bookwell.storage.postmaster import shut_down
from embedded_servers import a_folder, ask, database


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    with a_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def made_folder() -> Iterator[Path]:
    with a_folder() as folder:
        with database(folder) as server:
            ask(server.url, "CREATE TABLE kept (number int)")
        yield folder


@pytest.fixture
def folder(made_folder: Path) -> Iterator[Path]:
    # To make a cluster costs most of a second, so tests that only start and stop it share one.
    yield made_folder
    shut_down(Cluster(made_folder, durable=False))
