"""Fills a database in a few statements: a million slots in some seconds."""

import hashlib

import psycopg
from psycopg.rows import TupleRow

from bench.scale import (
    BRAND,
    FIRST_ID,
    RACE_SLOTS_PER_PROVIDER,
    SLOTS_PER_DAY,
    VISIT_TYPE,
    ZONE,
    Scale,
)


def fill(url: str, scale: Scale, *, actor: str, token: str) -> None:
    """A brand with people and their slots from tomorrow on, and the caller's token."""
    with psycopg.connect(url, autocommit=True) as connection:
        _trust_our_references(connection)
        connection.execute(
            "INSERT INTO booking.brand (brand_id, name) VALUES (%s, 'Bench')", (BRAND,)
        )
        _add_people(connection, scale)
        _add_slots(connection, scale)
        connection.execute(
            """
            INSERT INTO booking.token (token_hash, token_id, brand_id, role, subject, scopes)
            VALUES (%s, 'tok_bench', %s, 'service', %s, '{manage:visits,manage:slots}')
            """,
            (hashlib.sha256(token.encode()).digest(), BRAND, actor),
        )
        connection.execute("VACUUM (FREEZE, ANALYZE)")


def add_visits(url: str, scale: Scale, *, of_ten: int, held: bool = False) -> None:
    """Visits of so many slots in ten, each with the id of its slot, spread over all patients.

    Held ones outlast every run; of those a patient may have one.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        _trust_our_references(connection)
        connection.execute(
            """
            INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id,
                                       starts_at, ends_at, status, visit_type, reason,
                                       hold_expires_at, hold_place)
            SELECT slot_id, brand_id,
                   (%(first)s + (row_number() OVER (ORDER BY slot_id) - 1) %% %(patients)s)::text,
                   provider_no, slot_id, starts_at, ends_at, %(status)s, 'follow_up', 'A benchmark.',
                   CASE WHEN %(held)s THEN now() + interval '1 day' END,
                   CASE WHEN %(held)s THEN 1 END
            FROM (SELECT *, right(slot_id, 9)::bigint AS n FROM booking.slot) AS slot
            WHERE n < %(slots)s AND (n / %(providers)s + n) %% 10 < %(of_ten)s
            ORDER BY slot_id
            """,
            {
                "first": FIRST_ID,
                "patients": scale.patients,
                "providers": scale.providers,
                "slots": scale.slots,
                "of_ten": of_ten,
                "status": "held" if held else "booked",
                "held": held,
            },
        )
        connection.execute(
            """
            INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
            SELECT visit_id, brand_id,
                   CASE status WHEN 'held' THEN 'booking.visit.held.v1'
                               ELSE 'booking.visit.created.v1' END,
                   visit_id, 1, jsonb_build_object('visit_id', visit_id)
            FROM booking.visit
            """
        )
        connection.execute("VACUUM (FREEZE, ANALYZE)")


def add_availability(url: str) -> None:
    """What a search for open times reads besides: a visit type, terms of every tenth provider's own,
    a schedule and a week off of each."""
    with psycopg.connect(url, autocommit=True) as connection:
        _trust_our_references(connection)
        for digest, notice in (("usual", 60), ("own", 120)):
            connection.execute(
                """
                INSERT INTO booking.terms (
                    brand_id, digest, is_offered, duration_minutes, buffer_before_minutes,
                    buffer_after_minutes, grid_minutes, notice_minutes, horizon_days, modality,
                    booked_by, licence_required, time_zone, patient_cap_period, cancel_late_minutes,
                    cancel_cutoff_minutes, reschedule_late_minutes, reschedule_cutoff_minutes)
                VALUES (%s, %s, true, 30, 0, 0, 30, %s, 365, 'video', 'patient', false, %s, 'day',
                        0, 0, 0, 0)
                """,
                (BRAND, digest.encode(), notice, ZONE),
            )
        connection.execute(
            """
            INSERT INTO booking.visit_type (brand_id, visit_type, name, terms_no)
            SELECT %s, %s, 'Follow-up', terms_no FROM booking.terms WHERE digest = 'usual'
            """,
            (BRAND, VISIT_TYPE),
        )
        connection.execute(
            """
            INSERT INTO booking.visit_type_override (
                brand_id, visit_type, provider_no, fields, terms_no)
            SELECT %s, %s, provider_no, '{"notice_minutes": 120}', terms_no
            FROM booking.affiliation, booking.terms
            WHERE digest = 'own' AND provider_no %% 10 = 0
            """,
            (BRAND, VISIT_TYPE),
        )
        connection.execute(
            """
            INSERT INTO booking.schedule (schedule_id, brand_id, provider_no, time_zone, rules)
            SELECT 'sch_' || provider_no, brand_id, provider_no, %s, '{}' FROM booking.affiliation
            """,
            (ZONE,),
        )
        connection.execute(
            """
            INSERT INTO booking.time_off (time_off_id, brand_id, provider_no, wall_from, wall_until,
                                          time_zone, starts_at, ends_at)
            SELECT 'off_' || provider_no, brand_id, provider_no, begins, begins + interval '5 days',
                   'UTC', begins AT TIME ZONE 'UTC',
                   (begins + interval '5 days') AT TIME ZONE 'UTC'
            FROM booking.affiliation
            CROSS JOIN LATERAL (
                SELECT localtimestamp::date + 35 + provider_no %% 30 * interval '1 day' AS begins)
                AS away
            """.replace("%%", "%")
        )
        connection.execute("VACUUM (FREEZE, ANALYZE)")


def _trust_our_references(connection: psycopg.Connection[TupleRow]) -> None:
    """In this session no foreign key is looked up; a million look-ups are most of the time."""
    connection.execute("SET session_replication_role = replica")


def _add_people(connection: psycopg.Connection[TupleRow], scale: Scale) -> None:
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


def _add_slots(connection: psycopg.Connection[TupleRow], scale: Scale) -> None:
    """The numbered ones, and after them those for races, unless it is a book to search in."""
    races = 0 if scale.visits else RACE_SLOTS_PER_PROVIDER * scale.providers
    connection.execute(
        """
        INSERT INTO booking.slot (
            slot_id, brand_id, provider_no, starts_at, ends_at, rule_id, visit_types)
        SELECT (%(first)s + n)::text, %(brand)s, p.provider_no, begins, begins + interval '30 min',
               CASE WHEN %(derived)s THEN 'rul_' || p.provider_no END,
               CASE WHEN %(derived)s THEN ARRAY[%(type)s::text, 'intake'] END
        FROM generate_series(0, %(slots)s - 1) AS n
        JOIN booking.provider AS p ON p.provider_id = (%(first)s + n %% %(providers)s)::text
        CROSS JOIN LATERAL (
            SELECT date_trunc('day', now(), 'UTC') + interval '33 hours'
                   + n / %(providers)s / %(per_day)s * interval '1 day'
                   + n / %(providers)s %% %(per_day)s * interval '30 min' AS begins) AS time_of_n
        ORDER BY n
        """,
        {
            "first": FIRST_ID,
            "brand": BRAND,
            "slots": scale.slots + races,
            "providers": scale.providers,
            "per_day": SLOTS_PER_DAY,
            # Those of a book to search in come of schedules.
            "derived": bool(scale.visits),
            "type": VISIT_TYPE,
        },
    )
