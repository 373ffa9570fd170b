"""Slots out of schedules for many providers at once, beside PostgreSQL's own COPY of the same rows.

Everything is due at once, as on the day a clinic moves in. What came of it is copied out, the table
emptied, and the same rows are copied back: the same table, indexes and constraints on both sides.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from bench.checks import CheckFailedError
from bench.fixture import FREE, Fixture
from bench.scale import BRAND
from bookwell.settings import Settings
from bookwell.storage.database import Database
from bookwell.storage.derivation import Due
from bookwell.usecases.derivation import derive_due

NAME = "derivation"
PROVIDERS, QUICK_PROVIDERS = 1_000, 50
DAYS, SLOTS_PER_DAY = 90, 16
# As the service has them; of fewer, too few may be in a transaction at once.
_POOL_SIZE = Settings().pool_size
_CHUNK_BYTES = 1 << 16
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deriving:
    """One round: the same slots derived, and copied."""

    slots: int
    derived_seconds: float
    copied_seconds: float

    @property
    def ratio(self) -> float:
        """The rate of deriving, as a share of that of COPY."""
        return self.copied_seconds / self.derived_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """All rounds. What is told is the one whose ratio is in the middle."""

    providers: int
    rounds: tuple[Deriving, ...]

    @property
    def told(self) -> Deriving:
        middle = statistics.median_low(one.ratio for one in self.rounds)
        return next(one for one in self.rounds if one.ratio == middle)

    @property
    def line(self) -> str:
        told = self.told
        ratios = sorted(one.ratio for one in self.rounds)
        return (
            f"{self.providers:,} providers, {DAYS} days: {told.slots:,} slots in "
            f"{told.derived_seconds:.1f} s, {told.slots / told.derived_seconds:,.0f} a second; "
            f"PostgreSQL copies the same rows in {told.copied_seconds:.1f} s; ratio "
            f"{told.ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})."
        )


def measure(fixture: Fixture, *, providers: int, rounds: int) -> Derivation:
    """Derive and copy, so many times.

    Raises:
        CheckFailedError: Not every provider has as many slots as their days have.
    """
    done = []
    for _ in range(rounds):
        with fixture.database(FREE, read_only=False) as url:
            _prepare(url, providers)
            derived_seconds = asyncio.run(_derive(url))
            slots, copied_seconds = _copy(url)
        if not (DAYS - 1) * SLOTS_PER_DAY <= slots / providers <= DAYS * SLOTS_PER_DAY:
            raise CheckFailedError(f"{slots} slots were derived for {providers} providers")
        done.append(
            Deriving(slots=slots, derived_seconds=derived_seconds, copied_seconds=copied_seconds)
        )
    return Derivation(providers=providers, rounds=tuple(done))


def _prepare(url: str, providers: int) -> None:
    """Providers from nine to five every day, in a database without any slot, all of them due."""
    hours = [
        {"rule_id": f"rul_{day}", "weekday": day, "wall_from": "09:00:00", "wall_until": "17:00:00"}
        for day in _WEEKDAYS
    ]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE booking.slot CASCADE")
        connection.execute(
            """
            WITH terms AS (
                INSERT INTO booking.terms (
                    brand_id, digest, is_offered, duration_minutes, buffer_before_minutes,
                    buffer_after_minutes, grid_minutes, notice_minutes, horizon_days, modality,
                    booked_by, licence_required, time_zone, patient_cap_period,
                    cancel_late_minutes, cancel_cutoff_minutes, reschedule_late_minutes,
                    reschedule_cutoff_minutes)
                VALUES (%s, 'bench', true, 30, 0, 0, 30, 0, 90, 'video', 'patient', false, 'UTC',
                        'day', 0, 0, 0, 0)
                RETURNING brand_id, terms_no)
            INSERT INTO booking.visit_type (brand_id, visit_type, name, terms_no)
            SELECT brand_id, 'bench', 'A benchmark', terms_no FROM terms
            """,
            (BRAND,),
        )
        connection.execute(
            """
            WITH person AS (
                INSERT INTO booking.provider (provider_id, brand_id, kind)
                SELECT 'prv_bench_' || n, %(brand)s, 'clinician'
                FROM generate_series(1, %(providers)s) AS n
                RETURNING provider_no, brand_id)
            INSERT INTO booking.affiliation (brand_id, provider_no, name)
            SELECT brand_id, provider_no, 'A provider' FROM person
            """,
            {"brand": BRAND, "providers": providers},
        )
        connection.execute(
            """
            WITH schedule AS (
                INSERT INTO booking.schedule (
                    schedule_id, brand_id, provider_no, time_zone, rules)
                SELECT 'sch_' || provider_no, brand_id, provider_no, 'Europe/Berlin', %s
                FROM booking.provider
                WHERE provider_id LIKE 'prv_bench_%%'
                RETURNING brand_id, provider_no)
            INSERT INTO booking.derivation (brand_id, provider_no, due_at)
            SELECT brand_id, provider_no, now() FROM schedule
            """,
            (json.dumps({"weekly": hours}),),
        )
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


async def _derive(url: str) -> float:
    def note(due: Due, error: Exception) -> None:
        raise CheckFailedError(f"{due.provider_id} could not be derived") from error

    database = await Database.connect(url, pool_size=_POOL_SIZE)
    try:
        begins = time.perf_counter()
        await derive_due(database, horizon=timedelta(days=DAYS), note=note)
        return time.perf_counter() - begins
    finally:
        await database.close()


def _copy(url: str) -> tuple[int, float]:
    """How many slots there are, and how long PostgreSQL takes to copy them into the empty table."""
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.cursor().copy("COPY booking.slot TO STDOUT") as copying:
            rows: Sequence[bytes] = [bytes(chunk) for chunk in copying]
        connection.execute("TRUNCATE booking.slot CASCADE")
        connection.execute("CHECKPOINT")
        data = b"".join(rows)
        begins = time.perf_counter()
        with connection.cursor().copy("COPY booking.slot FROM STDIN") as copying:
            for at in range(0, len(data), _CHUNK_BYTES):
                copying.write(data[at : at + _CHUNK_BYTES])
        seconds = time.perf_counter() - begins
        ((slots,),) = connection.execute("SELECT count(*) FROM booking.slot").fetchall()
    return slots, seconds
