"""A PostgreSQL of our own, durable as in production, and databases to measure in.

Ids are plain numbers of 19 digits, as text. So pgbench, which computes numbers only, can name any
slot, patient or visit, and the statement it runs is the service's to the letter. Every phase works
in a fresh clone of a template, so that none pays for the rows of the one before.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.migrate import migrate

BRAND = "bench"
# The thing number n is called str(FIRST_ID + n).
FIRST_ID = 10**18
ACTOR = "bench-service"
TOKEN = "lph_at_bench0000000000000000000000000000000000"

# Every slot of FREE can be booked; in BOOKED each slot has a visit of the same id.
FREE, BOOKED = "bench_free", "bench_booked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much there is of everything."""

    slots: int
    providers: int = 1_000
    patients: int = 10_000


class Fixture:
    """The running server with its templates."""

    def __init__(self, server: EmbeddedPostgres, folder: Path, scale: Scale) -> None:
        self.server = server
        self.folder = folder
        self.scale = scale

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
    def clone(self, template: str) -> Iterator[str]:
        """A database that begins as the template is, by its URL; gone when the block is left."""
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

    def _run(self, command: sql.Composed) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(command)


@contextmanager
def opened(scale: Scale, *, parent: Path | None = None) -> Iterator[Fixture]:
    """Start the server in a new folder below `parent` (the system's own for such), and fill it."""
    folder = Path(tempfile.mkdtemp(prefix="bookwell-bench-", dir=parent))
    try:
        with EmbeddedPostgres(folder / "data", durable=True) as server:
            fixture = Fixture(server, folder, scale)
            fixture.create(FREE, "template0")
            migrate(fixture.url_of(FREE))
            _fill(fixture.url_of(FREE), scale)
            yield fixture
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def add_booked_template(fixture: Fixture) -> None:
    """Make BOOKED, for what is done to visits that exist already."""
    fixture.create(BOOKED, FREE)
    with psycopg.connect(fixture.url_of(BOOKED), autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id,
                                       starts_at, ends_at, status, visit_type, reason)
            SELECT slot_id, brand_id, (%s + right(slot_id, 9)::bigint %% %s)::text, provider_no,
                   slot_id, starts_at, ends_at, 'booked', 'follow_up', 'A benchmark.'
            FROM booking.slot
            """,
            (FIRST_ID, fixture.scale.patients),
        )
        connection.execute(
            """
            INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
            SELECT visit_id, brand_id, 'booking.visit.created.v1', visit_id, 1,
                   jsonb_build_object('visit_id', visit_id)
            FROM booking.visit
            """
        )
        connection.execute("VACUUM (FREEZE, ANALYZE)")


def _fill(url: str, scale: Scale) -> None:
    """A brand with people and slots: half hours from tomorrow on, number n with provider n mod N."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO booking.brand (brand_id, name) VALUES (%s, 'Bench')", (BRAND,)
        )
        connection.execute(
            """
            INSERT INTO booking.provider (provider_id, brand_id, kind)
            SELECT (%s + n)::text, %s, 'clinician' FROM generate_series(0, %s - 1) AS n
            """,
            (FIRST_ID, BRAND, scale.providers),
        )
        connection.execute(
            """
            INSERT INTO booking.affiliation (brand_id, provider_no, name)
            SELECT brand_id, provider_no, 'A provider' FROM booking.provider
            """
        )
        connection.execute(
            """
            INSERT INTO booking.patient (brand_id, patient_id)
            SELECT %s, (%s + n)::text FROM generate_series(0, %s - 1) AS n
            """,
            (BRAND, FIRST_ID, scale.patients),
        )
        connection.execute(
            """
            INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)
            SELECT (%(first)s + n)::text, %(brand)s, p.provider_no, begins, begins + interval '30 min'
            FROM generate_series(0, %(slots)s - 1) AS n
            JOIN booking.provider AS p ON p.provider_id = (%(first)s + n %% %(providers)s)::text
            CROSS JOIN LATERAL (
                SELECT date_trunc('day', now()) + interval '1 day'
                       + n / %(providers)s * interval '30 min' AS begins) AS time_of_n
            ORDER BY n
            """,
            {
                "first": FIRST_ID,
                "brand": BRAND,
                "slots": scale.slots,
                "providers": scale.providers,
            },
        )
        connection.execute(
            """
            INSERT INTO booking.token (token_hash, token_id, brand_id, role, subject, scopes)
            VALUES (%s, 'tok_bench', %s, 'service', %s, '{manage:visits,manage:slots}')
            """,
            (hashlib.sha256(TOKEN.encode()).digest(), BRAND, ACTOR),
        )
        connection.execute("VACUUM (FREEZE, ANALYZE)")
