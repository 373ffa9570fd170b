"""How PostgreSQL finds what is searched for: by index, and never more of it than a page.

The volumes are such that a wrong way would be chosen if it were open: 100,000 slots of 1,000
providers and 30,000 visits. Each statement is prepared on a connection of the service's own pool,
so the plan looked at is the generic one that the service goes by, with these values run through it.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from bookwell.storage.database import Database
from bookwell.storage.statements import STATEMENTS
from plans import nodes_of, rows_read

PROVIDERS, SLOTS_OF_ONE, VISITS, PATIENTS = 1_000, 100, 30_000, 2_000
# As the door asks: one more than a page has.
ROW_LIMIT = 21
FAR_PAST, FAR_FUTURE = "0001-01-02", "9999-12-30"

# Half hours from nine to five, on every day from 2030 on; every third or so is booked. A patient has
# 15 visits, and one has 300.
FILL = f"""
SET session_replication_role = replica;
INSERT INTO booking.brand VALUES ('loop', 'Loop'), ('other', 'Other');
INSERT INTO booking.provider (provider_id, brand_id, kind)
SELECT 'prv_' || n, 'loop', 'clinician' FROM generate_series(1, {PROVIDERS}) AS n;
INSERT INTO booking.affiliation (brand_id, provider_no, name)
SELECT brand, provider_no, 'N. N.' FROM booking.provider, unnest('{{loop,other}}'::text[]) AS brand;
INSERT INTO booking.patient (brand_id, patient_id)
SELECT 'loop', 'pat_' || n FROM generate_series(0, {PATIENTS} - 1) AS n
UNION ALL SELECT 'loop', 'pat_often';
INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)
SELECT format('slt_%s_%s', provider_no, n), 'loop', provider_no, at, at + interval '30 minutes'
FROM booking.provider, generate_series(0, {SLOTS_OF_ONE} - 1) AS n,
     LATERAL (SELECT timestamptz '2030-01-01 09:00Z' + n / 16 * interval '1 day'
                     + n % 16 * interval '30 minutes' AS at) AS time;
INSERT INTO booking.visit (
    visit_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at, status, visit_type)
SELECT 'vis_' || slot_id, brand_id,
       CASE rank % 100 WHEN 0 THEN 'pat_often' ELSE 'pat_' || rank % {PATIENTS} END, provider_no,
       slot_id, starts_at, ends_at, 'booked', 'follow_up'
FROM (SELECT *, row_number() OVER (ORDER BY hashtext(slot_id)) AS rank FROM booking.slot) AS slot
WHERE rank <= {VISITS};
UPDATE booking.slot SET deleted_at = now() WHERE hashtext(slot_id) % 100 = 1;
"""  # noqa: S608 - our own numbers

# What a search for open times reads besides: a type with all that terms can ask for, and of each
# provider a licence, a week off and a schedule.
FILL += """
INSERT INTO booking.terms (
    brand_id, digest, is_offered, duration_minutes, buffer_before_minutes, buffer_after_minutes,
    grid_minutes, notice_minutes, horizon_days, modality, booked_by, licence_required, time_zone,
    patient_cap, patient_cap_period, provider_day_cap, cancel_late_minutes, cancel_cutoff_minutes,
    reschedule_late_minutes, reschedule_cutoff_minutes)
VALUES ('loop', '', true, 30, 5, 5, 30, 60, 36500, 'video', 'patient', true, 'Europe/Berlin', 100,
        'week', 100, 0, 0, 0, 0);
INSERT INTO booking.visit_type (brand_id, visit_type, name, terms_no)
SELECT 'loop', 'follow_up', 'Follow-up', terms_no FROM booking.terms;
INSERT INTO booking.visit_type_override (brand_id, visit_type, provider_no, fields, terms_no)
SELECT 'loop', 'follow_up', provider_no, '{}', terms_no
FROM booking.provider, booking.terms WHERE provider_no % 10 = 0;
INSERT INTO booking.licence (licence_id, brand_id, provider_no, region, time_zone)
SELECT 'lic_' || provider_no, 'loop', provider_no, 'US-NY', 'UTC' FROM booking.provider;
INSERT INTO booking.patient_region (brand_id, patient_id, region)
SELECT brand_id, patient_id, 'US-NY' FROM booking.patient;
INSERT INTO booking.schedule (schedule_id, brand_id, provider_no, time_zone, rules)
SELECT 'sch_' || provider_no, 'loop', provider_no, 'Europe/Berlin', '{}' FROM booking.provider;
INSERT INTO booking.time_off (
    time_off_id, brand_id, provider_no, wall_from, wall_until, time_zone, starts_at, ends_at)
SELECT 'off_' || provider_no, 'loop', provider_no, '2030-06-01', '2030-06-08', 'UTC',
       '2030-06-01 00:00Z', '2030-06-08 00:00Z'
FROM booking.provider;
"""

# What became of their reminders; every hundredth is still to be seen to.
FILL += """
INSERT INTO booking.reminder (
    brand_id, visit_id, starts_at, offset_minutes, due_at, channel, template_key)
SELECT brand_id, visit_id, starts_at, 60, starts_at, 'sms', 'soon'
FROM booking.visit WHERE hashtext(visit_id) % 100 <> 1;
"""

WEEK = {"from_at": "2030-01-03", "until_at": "2030-01-10"}
YEAR = {"from_at": "2030-01-01", "until_at": "2031-01-01"}
EVER = {"from_at": FAR_PAST, "until_at": FAR_FUTURE}
SLOTS = {
    "brand_id": "loop",
    "provider_id": "prv_500",
    "booked": None,
    "after_at": FAR_PAST,
    "after_id": "",
    "row_limit": ROW_LIMIT,
}
OF_BRAND = {"brand_id": "loop", "before_at": FAR_FUTURE, "before_id": "", "row_limit": ROW_LIMIT}
OF_PATIENT = {**OF_BRAND, "patient_id": "pat_often"}
DEEP = {"before_at": "2030-01-04 12:00Z", "before_id": "vis_slt_500_51"}


@dataclass(frozen=True, kw_only=True)
class Search:
    """A statement with what it is asked, the indexes it must go by, and the rows it may read."""

    name: str
    values: dict[str, Any]
    indexes: set[str]
    # Of each table. Where only free or only booked slots are wanted, the window's.
    rows_max: int = ROW_LIMIT


BY_SLOT = {
    "slot_by_provider",
    "visit_provider_no_overlap",
    "provider_id_once",
    "affiliation_by_brand",
}
SEARCHES = {
    "the slots of a week": Search(name="list_slots", values={**SLOTS, **WEEK}, indexes=BY_SLOT),
    "the slots of a year": Search(name="list_slots", values={**SLOTS, **YEAR}, indexes=BY_SLOT),
    "all slots": Search(name="list_slots", values={**SLOTS, **EVER}, indexes=BY_SLOT),
    "more slots of a year": Search(
        name="list_slots",
        values={**SLOTS, **YEAR, "after_at": "2030-01-03 10:00Z", "after_id": "slt_500_34"},
        indexes=BY_SLOT,
    ),
    "the free slots of a week": Search(
        name="list_slots",
        values={**SLOTS, **WEEK, "booked": False},
        indexes=BY_SLOT,
        rows_max=5 * 16,
    ),
    "the booked slots of a year": Search(
        name="list_slots",
        values={**SLOTS, **YEAR, "booked": True},
        indexes=BY_SLOT,
        rows_max=SLOTS_OF_ONE,
    ),
    "a brand's visits": Search(
        name="list_visits_of_brand",
        values=OF_BRAND,
        indexes={"visit_by_brand", "provider_no_once"},
    ),
    "a brand's visits, deep down": Search(
        name="list_visits_of_brand",
        values={**OF_BRAND, **DEEP},
        indexes={"visit_by_brand", "provider_no_once"},
    ),
    "a patient's visits": Search(
        name="list_visits_of_patient",
        values=OF_PATIENT,
        indexes={"visit_by_patient", "provider_no_once"},
    ),
    "a patient's visits, deep down": Search(
        name="list_visits_of_patient",
        values={**OF_PATIENT, **DEEP},
        indexes={"visit_by_patient", "provider_no_once"},
    ),
}


@pytest.fixture(scope="module")
def large_url(server_url: str, template: str) -> Iterator[str]:
    """A clone with enough in it, and analysed."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE large TEMPLATE {template}".encode())
        url = server_url.replace("/bookwell?", "/large?")
        with psycopg.connect(url, autocommit=True) as filling:
            filling.execute(FILL.encode())
            filling.execute("VACUUM ANALYZE")
        yield url
        connection.execute("DROP DATABASE large WITH (FORCE)")


@pytest.fixture
async def database(large_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(large_url, pool_size=1)
    yield database
    await database.close()


async def plan_of(database: Database, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The generic plan, and what running it with these values did."""
    statement = STATEMENTS[name]
    said = ", ".join(_literal(values[parameter]) for parameter in statement.parameters)
    async with database.reading() as connection:
        await connection.execute(f"PREPARE search AS {statement.sql}")
        told = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE search ({said})"
        )
        await connection.execute("DEALLOCATE search")
    plan: dict[str, Any] = json.loads(told)[0]["Plan"]
    return plan


async def found_by(database: Database, search: Search) -> int:
    """How many items the search answers with."""
    statement = STATEMENTS[search.name]
    said = {name: _as_sent(value) for name, value in search.values.items()}
    async with database.reading() as connection:
        return len(json.loads(await statement.value(connection, **said)))


def _as_sent(value: object) -> object:
    """What the driver sends: instants as such."""
    is_instant = isinstance(value, str) and re.match(r"\d{4}-", value) is not None
    return datetime.fromisoformat(f"{value}").replace(tzinfo=UTC) if is_instant else value


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return f"'{value}'" if isinstance(value, str) else str(value)


@pytest.mark.parametrize("what", SEARCHES)
async def test_a_search_goes_by_its_indexes_and_scans_no_table(
    what: str, database: Database
) -> None:
    search = SEARCHES[what]

    nodes = list(nodes_of(await plan_of(database, search.name, search.values)))

    assert [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"] == []
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == search.indexes
    assert "$1" in json.dumps(nodes), "the plan is the generic one"


@pytest.mark.parametrize("what", SEARCHES)
async def test_a_search_reads_no_more_than_its_page(what: str, database: Database) -> None:
    search = SEARCHES[what]

    nodes = list(nodes_of(await plan_of(database, search.name, search.values)))

    assert await found_by(database, search) > 5, "a search that finds nothing shows nothing"
    assert rows_read(nodes, "slot") + rows_read(nodes, "visit") > 0
    assert rows_read(nodes, "slot") <= search.rows_max * 1.1, "and the few that were taken back"
    assert rows_read(nodes, "visit") <= search.rows_max


@pytest.mark.parametrize("what", SEARCHES)
async def test_a_search_sorts_its_page_at_most(what: str, database: Database) -> None:
    search = SEARCHES[what]

    nodes = list(nodes_of(await plan_of(database, search.name, search.values)))

    sorted_rows = [node["Plans"][0]["Actual Rows"] for node in nodes if "Sort" in node["Node Type"]]
    assert [rows for rows in sorted_rows if rows > search.rows_max] == []


@pytest.mark.parametrize("whose", ["a brand's visits", "a patient's visits"])
async def test_a_page_deep_down_costs_what_the_first_one_costs(
    whose: str, database: Database
) -> None:
    searches = [SEARCHES[what] for what in (whose, f"{whose}, deep down")]

    first, deep = [await plan_of(database, each.name, each.values) for each in searches]

    conditions = [
        node["Index Cond"] for node in nodes_of(deep) if "by_" in str(node.get("Index Name"))
    ]
    assert all("ROW(" in condition for condition in conditions), conditions
    assert len(conditions) == 1
    pages = [plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in (first, deep)]
    assert pages[1] <= pages[0] * 1.1 + 5


def test_a_series_looks_up_what_is_there_slot_by_slot_also_where_there_is_nothing_yet(
    template_url: str,
) -> None:
    """A plan made in an empty database is kept while an import fills it."""
    with psycopg.connect(template_url) as connection:
        rows = connection.execute(
            b"EXPLAIN (GENERIC_PLAN, FORMAT JSON) " + STATEMENTS["create_slots"].sql.encode()
        ).fetchall()

    nodes = list(nodes_of(rows[0][0][0]["Plan"]))
    read = [node for node in nodes if "Scan" in node["Node Type"] and "Relation Name" in node]
    assert {node.get("Index Name") for node in read} == {
        "slot_by_provider",
        "slot_taken_back_by_provider",
        "visit_provider_no_overlap",
    }
    for node in read:
        assert "provider_no" in node["Index Cond"]
        assert "starts_at" in node["Index Cond"]


@pytest.mark.parametrize(
    ("name", "index", "rows_max"),
    [
        ("list_visits_at_risk", "visit_by_brand", VISITS),
        ("list_visits_at_risk_of_provider", "visit_by_provider", SLOTS_OF_ONE),
    ],
)
async def test_visits_at_risk_are_looked_for_in_the_order_of_time(
    database: Database, name: str, index: str, rows_max: int
) -> None:
    """Nobody is licensed here, so each visit that may be at risk is looked at."""
    values = {
        "brand_id": "loop",
        "provider_no": 500,
        "before": FAR_FUTURE,
        "after_at": FAR_PAST,
        "after_id": "",
        "row_limit": ROW_LIMIT,
    }

    nodes = list(nodes_of(await plan_of(database, name, values)))

    of_visits = [node for node in nodes if node.get("Relation Name") == "visit"]
    assert [node.get("Index Name") for node in of_visits] == [index]
    assert 5 < rows_read(nodes, "visit") <= rows_max


async def test_a_scan_of_a_table_would_be_seen(database: Database) -> None:
    async with database.reading() as connection:
        told = await connection.fetchval(
            "EXPLAIN (FORMAT JSON) SELECT FROM booking.slot WHERE ends_at > now()"
        )

    nodes = list(nodes_of(json.loads(told)[0]["Plan"]))
    assert "Seq Scan" in [node["Node Type"] for node in nodes]


ONE, SOME = "{prv_500}", f"{{{','.join(f'prv_{n}' for n in range(1, 501))}}}"
OPEN_TIMES = {
    "brand_id": "loop",
    "visit_type": "follow_up",
    "patient_id": "pat_1",
    "by_patient": True,
    "ignored_visit": None,
    "left_slot": None,
    "keeps_type": False,
    "zone_names": None,
    "zone_times": None,
    "time_zone": None,
    "after_at": FAR_PAST,
    "after_id": "",
    "row_limit": 1_000,
    **YEAR,
}
NEAR: dict[str, Any] = {
    "provider_id": "prv_500",
    "near_at": "2030-01-04 12:00Z",
    "look_at": 12,
    "row_limit": 3,
}
MONDAYS = {"zone_names": "{Europe/Berlin}", "zone_times": '{"{[2030-01-07,2030-01-08)}"}'}
OPEN_TIME_SEARCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "a provider's year": ("find_slots", {**OPEN_TIMES, "provider_ids": ONE}),
    "a provider's Mondays": ("find_slots", {**OPEN_TIMES, "provider_ids": ONE, **MONDAYS}),
    "a week of 500 providers": ("find_slots", {**OPEN_TIMES, **WEEK, "provider_ids": SOME}),
    "a brand's week": ("find_slots", {**OPEN_TIMES, **WEEK, "provider_ids": None}),
    "the first of 500 providers": ("find_first_slots", {**OPEN_TIMES, "provider_ids": SOME}),
    "a brand's first on a Monday": (
        "find_first_slots",
        {**OPEN_TIMES, "provider_ids": None, **MONDAYS},
    ),
    "the nearest": ("find_nearest_slots", {**OPEN_TIMES, **NEAR}),
}


@pytest.mark.parametrize("what", OPEN_TIME_SEARCHES)
async def test_the_rules_are_part_of_the_statement_that_searches(
    what: str, database: Database
) -> None:
    """PostgreSQL puts booking.broken_rules and its like where they are called: none is called."""
    name, values = OPEN_TIME_SEARCHES[what]
    functions = ("terms_for", "facts_for", "presence_for", "taken_for", "zone_for", "broken_rules")

    async with database.reading() as connection:
        await connection.execute(f"PREPARE search AS {STATEMENTS[name].sql}")
        said = ", ".join(_literal(values[each]) for each in STATEMENTS[name].parameters)
        rows = await connection.fetch(f"EXPLAIN (VERBOSE) EXECUTE search ({said})")
        await connection.execute("DEALLOCATE search")

    told = "\n".join(row[0] for row in rows)
    assert "'buffers'" in told, "the last rule is there"
    assert [each for each in functions if f"{each}(" in told] == []


@pytest.mark.parametrize("what", OPEN_TIME_SEARCHES)
async def test_a_search_for_open_times_scans_no_table(what: str, database: Database) -> None:
    name, values = OPEN_TIME_SEARCHES[what]

    nodes = list(nodes_of(await plan_of(database, name, values)))

    assert [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"] == []
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert {"slot_by_provider", "visit_by_provider"} <= used
    assert "visit_provider_no_overlap" not in used, "six times the price"


async def test_the_first_of_each_provider_reads_a_few_of_their_slots(database: Database) -> None:
    name, values = OPEN_TIME_SEARCHES["the first of 500 providers"]

    nodes = list(nodes_of(await plan_of(database, name, values)))

    assert rows_read(nodes, "slot") < 500 * 20, "of a hundred each"
    # What is taken then, what counts against the day's cap, and the patient's fifteen.
    assert rows_read(nodes, "visit") < 500 * 50


async def test_the_nearest_are_looked_for_nearby(database: Database) -> None:
    name, values = OPEN_TIME_SEARCHES["the nearest"]

    nodes = list(nodes_of(await plan_of(database, name, values)))

    assert rows_read(nodes, "slot") <= 2 * NEAR["look_at"]
    # Twice, because caps are counted among them too; and the patient's fifteen.
    assert rows_read(nodes, "visit") <= 2 * (2 * NEAR["look_at"] + 2) + 15


async def test_a_provider_without_slots_in_a_window_costs_one_look(database: Database) -> None:
    name, values = OPEN_TIME_SEARCHES["a brand's week"]
    night = {"from_at": "2030-01-04 01:00Z", "until_at": "2030-01-04 02:00Z"}

    nodes = list(nodes_of(await plan_of(database, name, {**values, **night})))

    assert rows_read(nodes, "slot") == 0
    assert rows_read(nodes, "visit") == 0


# What has come due in some minutes: visits of one half hour, among all that there are.
LOOK = {
    "brand_id": "loop",
    "visit_type": None,
    "other_types": "{intake}",
    "offset_minutes": 60,
    "starts_given_by": "{booking.visit.created.v1,booking.visit.rescheduled.v1}",
    "after_at": "2030-01-04 11:49Z",
    "after_id": "",
    "until_at": "2030-01-04 12:00Z",
    "asked_for": "2030-01-04 12:00Z",
    "quiet_zones": "{Europe/London}",
    "soon_zones": "{}",
    "row_limit": 200,
}


async def test_a_look_for_due_reminders_reads_the_visits_of_its_stretch_and_no_others(
    database: Database,
) -> None:
    async with database.reading() as connection:
        begin_then = await connection.fetchval(
            "SELECT count(*) FROM booking.visit WHERE starts_at = '2030-01-04 12:00Z'"
        )

    plan = await plan_of(database, "list_visits_to_remind", LOOK)

    nodes = list(nodes_of(plan))
    found = plan["Actual Rows"]
    assert 0 < found < begin_then < VISITS / 50, "there is something to pass over"
    assert [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"] == []
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {
        "visit_by_brand",
        "reminder_once",
        "patient_id_once",
        "terms_no_once",
        "event_sequence_once",
    }
    assert rows_read(nodes, "visit") == begin_then
    assert rows_read(nodes, "reminder") <= begin_then
    assert rows_read(nodes, "patient") == found
    assert "$1" in json.dumps(nodes), "the plan is the generic one"


async def test_a_look_while_nothing_is_due_reads_nothing(database: Database) -> None:
    night = {
        "after_at": "2030-01-04 01:49Z",
        "until_at": "2030-01-04 02:00Z",
        "asked_for": "2030-01-04 02:00Z",
    }

    plan = await plan_of(database, "list_visits_to_remind", {**LOOK, **night})

    tables = ("visit", "reminder", "patient", "event")
    assert [rows_read(list(nodes_of(plan)), table) for table in tables] == [0, 0, 0, 0]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 10
