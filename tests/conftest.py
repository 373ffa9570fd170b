"""A real PostgreSQL for the session, a migrated template in it, and a clone of it for each test."""

import asyncio
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
import structlog
import uvicorn
from psycopg import sql

from bookwell.app import build
from bookwell.processes.protocol import Protocol
from bookwell.processes.worker import KEEP_ALIVE_SECONDS
from bookwell.settings import Settings
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.migrate import migrate
from clinic import Clinic, KeptWorld, kept_running
from streams import LeavingStreams
from world import World, populate

TEMPLATE = "bookwell_template"
# Each session makes its own folder in one of these.
MEMORY, DISK = Path("/dev/shm"), Path("/tmp")  # noqa: S108 - see above
# What a session's server and its clones may take up, generously.
MEMORY_NEEDED = 2 << 30


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """One server for each test process; its path is short because of its socket.

    In memory where there is enough of it: a clone takes 10 ms there, and 300 ms on a disk.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED
    folder = Path(tempfile.mkdtemp(prefix="bw-", dir=MEMORY if roomy else DISK))
    postgres = EmbeddedPostgres(folder / "d", durable=False)
    try:
        with postgres:
            yield postgres
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _url(server: EmbeddedPostgres, database: str) -> str:
    return server.url.replace("/bookwell?", f"/{database}?")


@pytest.fixture(scope="session")
def template(server: EmbeddedPostgres) -> str:
    """A migrated database, with nobody connected to it."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate(_url(server, TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def server_url(server: EmbeddedPostgres) -> str:
    """The server's own database, for tests that make more of them."""
    return server.url


@pytest.fixture(scope="session")
def template_url(server: EmbeddedPostgres, template: str) -> str:
    """A clone of the template to look at and never write to."""
    name = f"{template}_to_look_at"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return _url(server, name)


@pytest.fixture
def database_url(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A fresh clone of the template."""
    with clone(server, template) as url:
        yield url


@contextmanager
def clone(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"t_{uuid4().hex[:12]}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        yield _url(server, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def world(database_url: str) -> World:
    """Two brands with people, slots, office hours and tokens; see `world.py`."""
    return populate(database_url)


Serve = Callable[[Settings], "asyncio.Future[str]"]


@asynccontextmanager
async def serving(settings: Settings, *, is_thin: bool = True) -> AsyncIterator[str]:
    """The service on a real socket; yields its base URL."""
    config = uvicorn.Config(
        build(settings, is_thin=is_thin, is_alone=True),
        log_config=None,
        lifespan="on",
        http=Protocol,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    running = uvicorn.Server(config)
    # Named a TCP socket, because asyncio switches Nagle's waiting off for no other.
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    task = asyncio.create_task(running.serve(sockets=[listening]))
    while not running.started:
        await asyncio.sleep(0.005)
        if task.done():
            await task
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        running.should_exit = True
        await task
        listening.close()


def settings_for(database_url: str, **changes: object) -> Settings:
    """Settings without rate limits."""
    unlimited = {
        "rate_reads_per_minute": 0,
        "rate_writes_per_minute": 0,
        "rate_admin_per_minute": 0,
    }
    return Settings(**{"database_url": database_url, **unlimited, **changes})  # type: ignore[arg-type]  # by name


@pytest.fixture(scope="module")
def clinic(server: EmbeddedPostgres, template: str) -> Iterator[Clinic]:
    """A running service for a whole file; see `clinic.py`."""
    with (
        clone(server, template) as url,
        kept_running(lambda: serving(settings_for(url))) as base_url,
        httpx.Client(base_url=base_url, timeout=30, transport=LeavingStreams()) as http,
    ):
        world = KeptWorld(**asdict(populate(url)))
        with world.connected():
            yield Clinic(world, http)


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running service, without a token of its own."""
    async with (
        serving(settings_for(world.database_url)) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        yield client


os.environ.pop("BOOKWELL_DATABASE_URL", None)
# A line for each request would drip into the reports; what a test looks for is a warning or more.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
