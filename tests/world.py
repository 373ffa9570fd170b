"""A small world that tests share: two brands, their people, some time to book.

Ids that tests speak of are fixed. Everything is written with plain SQL, so that a test of the
service never sets itself up through the service.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg

ALL_SCOPES = ["manage:visits", "manage:slots", "manage:bookings", "read:events"]
LOOP, LOOPBIO = "loop", "loopbio"


def headers(token: str, **more: str) -> dict[str, str]:
    """The headers of a call with this token; `if_match="…"` becomes If-Match."""
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {"Authorization": f"Bearer {token}", **named}


@dataclass(frozen=True)
class World:
    """What `populate` made. Tokens are named role_brand."""

    database_url: str
    day: datetime  # tomorrow's midnight, UTC: every slot of the world lies on or after it

    patient: str = "tok-pat-ada"  # Ada, pat_ada of loop
    other_patient: str = "tok-pat-bob"  # Bob, pat_bob of loop
    foreign_patient: str = "tok-pat-eve"  # Eve, pat_eve of loopbio
    staff: str = "tok-staff-loop"
    foreign_staff: str = "tok-staff-loopbio"
    service: str = "tok-service-loop"
    platform: str = "tok-platform"  # a service of every brand, admin
    admin: str = "tok-admin-loop"  # staff of loop, admin
    unscoped: str = "tok-unscoped"  # staff of loop, no scope at all
    expired: str = "tok-expired"

    def at(self, hours: float, *, days: int = 0) -> datetime:
        """An instant on the world's day."""
        return self.day + timedelta(days=days, hours=hours)

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Run SQL as the owner of the database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def shift_clock(self, shift: timedelta) -> None:
        """Make the database's clock run ahead by `shift`."""
        self.sql("CALL booking.shift_clock(%s)", shift)

    def add_slot(
        self,
        starts_at: datetime,
        minutes: int = 30,
        *,
        provider_id: str = "prv_kim",
        brand_id: str = LOOP,
        slot_id: str | None = None,
    ) -> str:
        """A slot, posted with plain SQL."""
        slot_id = slot_id or f"slt_{uuid4().hex}"
        self.sql(
            "INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)"
            " SELECT %s, %s, provider_no, %s, %s FROM booking.provider WHERE provider_id = %s",
            slot_id,
            brand_id,
            starts_at,
            starts_at + timedelta(minutes=minutes),
            provider_id,
        )
        return slot_id

    def add_visit_type(
        self,
        visit_type: str,
        brand_id: str = LOOP,
        *,
        provider_id: str | None = None,
        **terms: object,
    ) -> None:
        """A visit type with these terms, or a provider's override of one, in plain SQL.

        What is there already stays as it is.
        """
        wanted = {**_TERMS, **terms}
        columns = ", ".join(wanted)
        places = ", ".join(["%s"] * len(wanted))
        ((terms_no,),) = self.sql(
            f"INSERT INTO booking.terms (brand_id, digest, {columns})"  # noqa: S608 - our own names
            f" VALUES (%s, sha256(%s), {places}) RETURNING terms_no",
            brand_id,
            uuid4().bytes,
            *wanted.values(),
        )
        if provider_id is None:
            self.sql(
                "INSERT INTO booking.visit_type (brand_id, visit_type, name, terms_no)"
                " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                brand_id,
                visit_type,
                visit_type.title(),
                terms_no,
            )
            return
        self.sql(
            "INSERT INTO booking.visit_type_override"
            " (brand_id, visit_type, provider_no, fields, terms_no)"
            " SELECT %s, %s, provider_no, %s, %s FROM booking.provider WHERE provider_id = %s"
            " ON CONFLICT DO NOTHING",
            brand_id,
            visit_type,
            json.dumps(terms),
            terms_no,
            provider_id,
        )

    def book(self, slot_id: str, **more: str) -> dict[str, str]:
        """The body that books this slot for Ada at loop."""
        return {
            "brand_id": LOOP,
            "patient_id": "pat_ada",
            "slot_id": slot_id,
            "visit_type": "follow_up",
            **more,
        }


_TERMS = {
    "is_offered": True,
    "duration_minutes": 30,
    "buffer_before_minutes": 0,
    "buffer_after_minutes": 0,
    "grid_minutes": 30,
    "notice_minutes": 0,
    "horizon_days": 365,
    "modality": "video",
    "booked_by": "patient",
    "licence_required": False,
    "time_zone": "UTC",
    "patient_cap": None,
    "patient_cap_period": "day",
    "provider_day_cap": None,
    "cancel_late_minutes": 0,
    "cancel_cutoff_minutes": 0,
    "reschedule_late_minutes": 0,
    "reschedule_cutoff_minutes": 0,
    "late_cancel_price_minor": None,
    "late_cancel_currency": None,
}

_TOKENS = [
    ("tok-pat-ada", LOOP, "patient", "sub-ada", ALL_SCOPES),
    ("tok-pat-bob", LOOP, "patient", "sub-bob", ALL_SCOPES),
    ("tok-pat-eve", LOOPBIO, "patient", "sub-eve", ALL_SCOPES),
    ("tok-staff-loop", LOOP, "staff", "staff-1", ALL_SCOPES),
    ("tok-staff-loopbio", LOOPBIO, "staff", "staff-2", ALL_SCOPES),
    ("tok-service-loop", LOOP, "service", "svc-1", ALL_SCOPES),
    ("tok-platform", "*", "service", "svc-platform", ["admin:booking"]),
    ("tok-admin-loop", LOOP, "staff", "admin-1", ["admin:booking"]),
    ("tok-unscoped", LOOP, "staff", "staff-3", []),
]


def populate(database_url: str) -> World:
    """Write the world into a migrated database."""
    day = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    with psycopg.connect(database_url) as connection:
        _people(connection)
        for number, (secret, brand_id, role, subject, scopes) in enumerate(_TOKENS):
            connection.execute(
                "INSERT INTO booking.token (token_hash, token_id, brand_id, role, subject, scopes)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    hashlib.sha256(secret.encode()).digest(),
                    f"tok_{number}",
                    brand_id,
                    role,
                    subject,
                    scopes,
                ),
            )
        connection.execute(
            "INSERT INTO booking.token (token_hash, token_id, brand_id, role, subject, scopes, expires_at)"
            " VALUES (%s, 'tok_expired', 'loop', 'staff', 'staff-4', %s, now() - interval '1 second')",
            (hashlib.sha256(b"tok-expired").digest(), ALL_SCOPES),
        )
    return World(database_url, day)


def _people(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    for brand_id in (LOOP, LOOPBIO):
        connection.execute(
            "INSERT INTO booking.brand (brand_id, name) VALUES (%s, %s)",
            (brand_id, brand_id.title()),
        )
    for provider_id, brands, kind in [
        ("prv_kim", (LOOP,), "clinician"),
        ("prv_both", (LOOP, LOOPBIO), "clinician"),
        ("prv_sam", (LOOPBIO,), "clinician"),
        ("coach_jo", (LOOP,), "coach"),
        ("coach_both", (LOOP, LOOPBIO), "coach"),
        ("coach_max", (LOOPBIO,), "coach"),
    ]:
        connection.execute(
            "INSERT INTO booking.provider (provider_id, brand_id, kind) VALUES (%s, %s, %s)",
            (provider_id, brands[0], kind),
        )
        for brand_id in brands:
            connection.execute(
                "INSERT INTO booking.affiliation (brand_id, provider_no, name)"
                " SELECT %s, provider_no, %s FROM booking.provider WHERE provider_id = %s",
                (brand_id, provider_id.title(), provider_id),
            )
    for patient_id, brand_id, subject in [
        ("pat_ada", LOOP, "sub-ada"),
        ("pat_bob", LOOP, "sub-bob"),
        ("pat_eve", LOOPBIO, "sub-eve"),
    ]:
        connection.execute(
            "INSERT INTO booking.patient (brand_id, patient_id, subject) VALUES (%s, %s, %s)",
            (brand_id, patient_id, subject),
        )
