"""Every named statement: it fits the schema, names its brand, and is used."""

import re
from pathlib import Path

import psycopg
import pytest

import bookwell
from bookwell.storage.statements import STATEMENTS, Statement
from world import populate

SOURCE = "\n".join(path.read_text() for path in Path(bookwell.__file__).parent.rglob("*.py"))

# What every brand shares, by statement; each says in its own comment why it is excused.
# This list may only shrink.
EXCUSED = {
    "read_clock",
    "sweep_answers",
    "list_past_holds",
    "lock_past_holds",
    "expire_holds",
    "list_brands",
    "list_brands_of_provider",
    "lock_provider",
    "provider_exists",
    "list_patients_of_subject",
    "lock_booking",
    "find_token",
    "find_calendar_feed",
    "revoke_token",
    "announce_revocation",
    "list_taken_sessions",
    "sweep_calls",
    "next_due_derivation",
    "number_events",
    "open_bookmarks",
    "claim_bookmarks",
    "list_waiting_brands",
    "release_bookmarks",
    "claim_deliveries",
    "renew_deliveries",
    "finish_deliveries",
    "pull_deliveries_forward",
    "is_day_past",
    "list_old_logs",
    "sweep_tests",
    "give_up_deliveries",
    "recall_freed_slots",
    "list_times_taken",
    "next_brand_to_remind",
    "claim_messages",
    "list_old_reminders",
}


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=lambda s: s.name)
def test_a_statement_can_be_planned_against_the_migrated_schema(
    statement: Statement, template_url: str
) -> None:
    with psycopg.connect(template_url) as connection:
        # The text goes over as it is: psycopg must not read the $1 of a generic plan as its own.
        plan = connection.execute(b"EXPLAIN (GENERIC_PLAN) " + statement.sql.encode())

        assert plan.fetchone() is not None


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=lambda s: s.name)
def test_a_statement_names_the_brand_or_says_why_not(statement: Statement) -> None:
    names_brand = re.search(r"brand_id\s*(=|<|IN\b)|\(\s*\w*,?\s*brand_id|brand_id,", statement.sql)
    excused = "excused:" in statement.doc

    assert excused == (statement.name in EXCUSED)
    assert names_brand or excused


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_is_used(name: str) -> None:
    assert f'statement("{name}")' in SOURCE


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("list_visits_of_brand", "visit_by_brand"),
        ("list_visits_of_patient", "visit_by_patient"),
        ("list_slots", "slot_by_provider"),
        ("get_visit", "visit_id_once"),
        ("recall_answer", "idempotency_key_once"),
        ("find_token", "token_hash_once"),
        ("find_calendar_feed", "calendar_feed_secret_once"),
        ("list_entries_of_provider", "visit_by_provider"),
        ("list_entries_of_provider", "visit_cancelled_by_provider"),
        ("list_entries_of_patient", "visit_by_patient"),
        ("list_entries_of_patient", "office_hour_booking_by_patient"),
        ("list_entries_of_coach", "office_hour_session_by_coach"),
        ("list_entries_of_coach", "office_hour_booking_by_session"),
        ("read_events", "event_position_once"),
        ("read_events_of_entity", "event_sequence_once"),
        ("read_events_of_patient", "event_sequence_once"),
        ("read_event_day", "event_position_once"),
        ("sweep_events", "event_position_once"),
        ("sweep_events", "delivery_by_age"),
        ("sweep_tests", "delivery_test"),
        ("give_up_deliveries", "delivery_"),
    ],
)
def test_what_is_asked_often_is_found_by_index(name: str, index: str, busy_url: str) -> None:
    with psycopg.connect(busy_url) as connection:
        rows = connection.execute(
            b"EXPLAIN (GENERIC_PLAN) " + STATEMENTS[name].sql.encode()
        ).fetchall()

    assert any(index in row[0] for row in rows), "\n".join(row[0] for row in rows)


@pytest.fixture(scope="module")
def busy_url(server_url: str, template: str) -> str:
    """A clone with enough in it, and analysed, for the planner to care."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE busy TEMPLATE {template}".encode())
    url = server_url.replace("/bookwell?", "/busy?")
    populate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)"
            " SELECT 'slt_' || n, 'loop', provider_no, t, t + interval '30 minutes'"
            " FROM booking.provider, generate_series(1, 5000) AS n,"
            " LATERAL (SELECT timestamptz '2030-01-01' + n * interval '30 minutes' AS t) AS at"
            " WHERE provider_id = 'prv_kim'"
        )
        connection.execute(
            "INSERT INTO booking.patient (brand_id, patient_id)"
            " SELECT 'loop', 'pat_' || n FROM generate_series(1, 500) AS n"
        )
        connection.execute(
            "INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id,"
            " starts_at, ends_at, status, visit_type)"
            " SELECT 'vis_' || slot_id, brand_id, 'pat_' || 1 + row_number() OVER () % 500,"
            " provider_no, slot_id, starts_at, ends_at, 'booked', 'follow_up' FROM booking.slot"
        )
        connection.execute(
            "INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint, outcome, answer)"
            " SELECT 'loop', 'staff:' || n % 7, 'POST /v1/visits', 'key' || n, '', 'done', '{}'"
            " FROM generate_series(1, 3000) AS n"
        )
        connection.execute(
            "INSERT INTO booking.token (token_hash, token_id, brand_id, role, subject, scopes)"
            " SELECT sha256(n::text::bytea), 'many_' || n, 'loop', 'staff', 'many', '{}'"
            " FROM generate_series(1, 3000) AS n"
        )
        connection.execute(
            "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
            " SELECT 'evt_' || visit_id || n, brand_id, 'booking.visit.created.v1', visit_id, n,"
            " jsonb_build_object('patient_id', patient_id)"
            " FROM booking.visit, generate_series(1, 4) AS n"
        )
        connection.execute("SELECT booking.number_events(20000, 0)")
        connection.execute(
            "INSERT INTO booking.webhook_endpoint (endpoint_id, brand_id, url, event_types, format,"
            " secret) VALUES ('whe_1', 'loop', 'https://example.com', '{}', 'standard', 'whsec_x')"
        )
        connection.execute(
            "INSERT INTO booking.delivery (brand_id, endpoint_id, event_id, event_type, entity_id,"
            " position, status, settled_at) SELECT 'loop', 'whe_1', event_id, event_type, entity_id,"
            " CASE WHEN position % 100 > 0 THEN position END, 'delivered', now() FROM booking.event"
        )
        connection.execute(
            "INSERT INTO booking.calendar_feed (feed_id, brand_id, owner_kind, patient_id, secret_hash)"
            " SELECT 'cal_' || n, 'loop', 'patient', 'pat_' || 1 + n % 500, sha256(n::text::bytea)"
            " FROM generate_series(1, 3000) AS n"
        )
        connection.execute(
            "INSERT INTO booking.office_hour (office_hour_id, brand_id, provider_no, weekday, wall_from,"
            " wall_until, time_zone, duration_minutes, capacity)"
            " SELECT 'ofh_busy', 'loop', provider_no, 1, '00:00', '23:59', 'UTC', 10, 9"
            " FROM booking.provider WHERE provider_id = 'coach_jo'"
        )
        connection.execute(
            "WITH session AS ("
            " INSERT INTO booking.office_hour_session (office_hour_id, starts_at, ends_at, brand_id,"
            " provider_no, capacity, seats_taken) SELECT office_hour_id, t, t + interval '10 minutes',"
            " brand_id, provider_no, 9, 1 FROM booking.office_hour, generate_series(1, 3000) AS n,"
            " LATERAL (SELECT timestamptz '2030-01-01' + n * interval '15 minutes' AS t) AS at"
            " WHERE office_hour_id = 'ofh_busy' RETURNING *)"
            " INSERT INTO booking.office_hour_booking (booking_id, brand_id, office_hour_id, slot_at,"
            " duration_minutes, patient_id, status)"
            " SELECT 'ohb_' || row_number() OVER (), brand_id, office_hour_id, starts_at, 10,"
            " 'pat_' || 1 + row_number() OVER () % 500, 'booked' FROM session"
        )
        connection.execute("VACUUM ANALYZE")
    return url
