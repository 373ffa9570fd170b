"""Brings a database to the newest schema: numbered SQL files, forward only, one at a time."""

from pathlib import Path

import psycopg
import yoyo
from yoyo.connections import parse_uri

from bookwell.domain.errors import DatabaseUnavailable

MIGRATIONS_FOLDER = Path(__file__).with_name("migrations")
# Where yoyo notes what it did; not in `booking`, whose tables all carry a brand.
BOOKS_SCHEMA = "booking_migrations"
# "bookwell" as a number: whoever holds it migrates, the others wait.
_MIGRATION_LOCK = 0x626F6F6B
_CONNECT_TIMEOUT_SECONDS = 10


def migrate(database_url: str) -> list[str]:
    """Apply what is missing, and return the names of what was applied.

    Safe to run from many processes at once: the first one works, the others wait for it.

    Raises:
        DatabaseUnavailable: The database cannot be reached.
    """
    try:
        lock = psycopg.connect(
            database_url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_SECONDS
        )
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable("The database cannot be reached.") from error
    with lock:
        lock.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        lock.execute(f"CREATE SCHEMA IF NOT EXISTS {BOOKS_SCHEMA}")
        return _apply_missing(database_url)


def _apply_missing(database_url: str) -> list[str]:
    backend = yoyo.get_backend(_yoyo_url(database_url))
    try:
        migrations = backend.to_apply(yoyo.read_migrations(str(MIGRATIONS_FOLDER)))
        names = [migration.id for migration in migrations]
        # yoyo's own lock is a row that a killed process leaves behind; ours above dies with it.
        backend.apply_migrations(migrations)
    finally:
        backend.connection.close()
    return names


def _yoyo_url(database_url: str) -> str:
    """The same address in yoyo's words: psycopg as the driver, its tables in their own schema."""
    uri = parse_uri(database_url)
    return str(uri._replace(scheme="postgresql+psycopg", args={**uri.args, "schema": BOOKS_SCHEMA}))
