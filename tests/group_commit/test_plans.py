"""How PostgreSQL reads the tables for many rows: by index, whatever it knew when it made its plan."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from bookwell.storage.database import Database
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.statements import STATEMENTS
from conftest import clone
from world import populate

# What Database.connect says to each of its sessions.
PLANNING = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}

FILL = """
INSERT INTO booking.provider (provider_id, brand_id, kind)
    SELECT 'prv_' || n, 'loop', 'clinician' FROM generate_series(1, 300) AS n;
INSERT INTO booking.affiliation (brand_id, provider_no, name)
    SELECT 'loop', provider_no, provider_id FROM booking.provider WHERE provider_id ~ 'prv_[0-9]';
INSERT INTO booking.patient (brand_id, patient_id)
    SELECT 'loop', 'pat_' || n FROM generate_series(1, 20000) AS n;
INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)
    SELECT 'slt_' || provider_no || '_' || n, brand_id, provider_no, t, t + interval '30 minutes'
    FROM booking.affiliation, generate_series(1, 400) AS n,
    LATERAL (SELECT timestamptz '2030-01-01' + n * interval '30 minutes' AS t) AS at
    WHERE name ~ 'prv_[0-9]';
INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at,
    status, visit_type, cancelled_at)
    SELECT 'vis_' || n, brand_id, 'pat_' || 1 + n % 20000, provider_no, slot_id, starts_at, ends_at,
    'cancelled', 'follow_up', now()
    FROM (SELECT row_number() OVER () AS n, * FROM booking.slot LIMIT 100000) AS s;
INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint, outcome, answer)
    SELECT 'loop', 'staff:' || n % 7, 'POST /v1/visits', 'key' || n, '', 'done', '{}'
    FROM generate_series(1, 100000) AS n;
"""
# By the few holds that are live, which is a part of the table and its index.
LIVE_HOLDS = ("visit_hold_place_once", "visit_hold_by_expiry")
TABLES = ("slot", "visit", "patient", "provider", "idempotency")
WRITES = ("take_slot", "take_slots", "change_visit_status", "change_visit_statuses")
NEVER_BY_ITSELF = "".join(
    f"ALTER TABLE booking.{table} SET (autovacuum_enabled = off);" for table in TABLES
)


class Planner:
    """A session that makes its plans as the service's sessions do."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection
        for name, value in PLANNING.items():
            connection.execute(f"SET {name} = '{value}'".encode())
        for name in WRITES:
            connection.execute(f"PREPARE {name} AS {STATEMENTS[name].sql}".encode())

    def make_plans(self) -> None:
        """Make the plans that this session keeps until the tables are analysed."""
        for name in WRITES:
            self.read_whole(name)

    def read_whole(self, name: str) -> list[str]:
        """What this session would read from one end to the other for the statement, as it is now."""
        values = ", ".join(["NULL"] * len(set(STATEMENTS[name].parameters)))
        statement = f"EXPLAIN (FORMAT JSON) EXECUTE {name}({values})"
        ((plan,),) = self._connection.execute(statement.encode()).fetchall()
        return [
            f"{node['Node Type']} on {node['Relation Name']}"
            for node in nodes_of(plan[0]["Plan"])
            if node.get("Relation Name") in TABLES
            and node["Node Type"] != "ModifyTable"
            and "Index Cond" not in node
            and "Recheck Cond" not in node
            and node.get("Index Name") not in LIVE_HOLDS
        ]


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from nodes_of(child)


@pytest.fixture(scope="module")
def grown(server: EmbeddedPostgres, template: str) -> Iterator[dict[str, Planner]]:
    """Sessions over a database that has grown, by what was known when they made their plans."""
    with clone(server, template) as url, psycopg.connect(url, autocommit=True) as connection:
        populate(url)
        connection.execute(NEVER_BY_ITSELF.encode())
        with (
            psycopg.connect(url, autocommit=True) as early,
            psycopg.connect(url, autocommit=True) as small,
            psycopg.connect(url, autocommit=True) as late,
        ):
            planners = {"nothing": Planner(early)}
            planners["nothing"].make_plans()
            connection.execute("ANALYZE")
            planners["that all was small"] = Planner(small)
            planners["that all was small"].make_plans()
            connection.execute(FILL.encode())
            planners["the size alone"] = Planner(late)
            planners["the size alone"].make_plans()
            yield planners


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("known", ["nothing", "that all was small", "the size alone"])
def test_a_plan_made_when_the_tables_were_small_reads_no_table_whole_when_they_are_big(
    grown: dict[str, Planner], known: str, name: str
) -> None:
    assert grown[known].read_whole(name) == []


async def test_sessions_of_the_service_plan_as_these_do(database_url: str) -> None:
    database = await Database.connect(database_url, pool_size=1)
    async with database.reading() as connection:
        told = {name: await connection.fetchval(f"SHOW {name}") for name in PLANNING}
    await database.close()

    assert told == PLANNING
