"""A PostgreSQL of our own, durable as in production, and databases to measure in.

What writes works in a fresh clone of a template, so that no run pays for the rows of the one
before. What only reads works in the template itself.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from bench.filling import add_availability, add_visits, fill
from bench.scale import Scale
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.migrate import migrate

ACTOR = "bench-service"
TOKEN = "lph_at_bench0000000000000000000000000000000000"

# Every slot of FREE can be booked; in the others each slot has a visit of the same id, each of
# another patient.
FREE, BOOKED, HELD = "bench_free", "bench_booked", "bench_held"
# A book as a clinic has it, and a hundredth of it, for searches.
LARGE, SMALL = "bench_large", "bench_small"
LARGE_SCALE = Scale(slots=1_000_000, providers=1_000, patients=10_000, visits=300_000)
SMALL_SCALE = Scale(slots=10_000, providers=10, patients=100, visits=3_000)


class Fixture:
    """The running server with its templates."""

    def __init__(self, server: EmbeddedPostgres, folder: Path, scales: dict[str, Scale]) -> None:
        self.server = server
        self.folder = folder
        self.scales = scales

    @property
    def server_pid(self) -> int:
        """The process whose descendants do PostgreSQL's work."""
        pid_file = self.folder / "data" / "postgres" / "postmaster.pid"
        return int(pid_file.read_text().split("\n", 1)[0])

    @property
    def server_version(self) -> str:
        with psycopg.connect(self.server.url) as connection:
            (version,) = connection.execute("SHOW server_version").fetchone() or ("?",)
        return str(version)

    def url_of(self, database: str) -> str:
        return self.server.url.replace("/bookwell?", f"/{database}?")

    @contextmanager
    def database(self, template: str, *, read_only: bool) -> Iterator[str]:
        """A database as the template is, by its URL; a clone is gone when the block is left."""
        if read_only:
            yield self.url_of(template)
            return
        name = f"bench_{uuid4().hex[:12]}"
        self.create(name, template)
        yield self.url_of(name)
        self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def create(self, name: str, template: str) -> None:
        self._run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )

    def add(self, template: str) -> None:
        """Make a template, unless it is there."""
        if template in self.scales:
            return
        if template in (BOOKED, HELD):
            self.create(template, FREE)
            scale = self.scales[template] = self.scales[FREE]
            add_visits(self.url_of(template), scale, of_ten=10, held=template == HELD)
            return
        scale = {LARGE: LARGE_SCALE, SMALL: SMALL_SCALE}[template]
        self.create(template, "template0")
        migrate(self.url_of(template))
        fill(self.url_of(template), scale, actor=ACTOR, token=TOKEN)
        add_visits(self.url_of(template), scale, of_ten=10 * scale.visits // scale.slots)
        add_availability(self.url_of(template))
        self.scales[template] = scale

    def _run(self, command: sql.Composed) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(command)


@contextmanager
def opened(
    scale: Scale, templates: Iterable[str], *, parent: Path | None = None
) -> Iterator[Fixture]:
    """Start the server in a new folder below `parent` (the system's own for such), and fill it."""
    folder = Path(tempfile.mkdtemp(prefix="bookwell-bench-", dir=parent))
    try:
        with EmbeddedPostgres(folder / "data", durable=True) as server:
            fixture = Fixture(server, folder, {})
            fixture.create(FREE, "template0")
            migrate(fixture.url_of(FREE))
            fill(fixture.url_of(FREE), scale, actor=ACTOR, token=TOKEN)
            fixture.scales[FREE] = scale
            for template in templates:
                fixture.add(template)
            yield fixture
    finally:
        shutil.rmtree(folder, ignore_errors=True)
