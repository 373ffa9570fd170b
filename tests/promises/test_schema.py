"""The schema keeps what the contract and the code say of it."""

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from bookwell.domain.callers import Role
from bookwell.domain.catalog import ProviderKind
from bookwell.domain.office_hours import BookingStatus
from bookwell.domain.visits import OCCUPYING, VisitStatus
from bookwell.storage.failures import IDEMPOTENCY_KEY_ONCE, MEANING
from bookwell.storage.migrate import migrate

SOURCE = Path(__file__).parents[2] / "src"


def ask(url: str, question: str, *values: object) -> list[tuple[str, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(question, values or None).fetchall()


def definition(url: str, constraint: str) -> str:
    [(text,)] = ask(
        url,
        "SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c"
        " JOIN pg_namespace n ON n.oid = c.connamespace AND n.nspname = 'booking'"
        " WHERE conname = %s",
        constraint,
    )
    return text


def quoted(text: str) -> set[str]:
    return set(re.findall(r"'([a-z_]+)'", text))


def test_every_table_carries_its_brand(template_url: str) -> None:
    bare = ask(
        template_url,
        "SELECT t.table_name FROM information_schema.tables t"
        " LEFT JOIN information_schema.columns c USING (table_schema, table_name)"
        " WHERE t.table_schema = 'booking' AND t.table_type = 'BASE TABLE' GROUP BY t.table_name"
        " HAVING count(*) FILTER (WHERE c.column_name = 'brand_id' AND c.is_nullable = 'NO') = 0",
    )

    assert bare == []


def test_all_data_lives_in_the_schema_booking(template_url: str) -> None:
    schemas = ask(
        template_url,
        "SELECT DISTINCT table_schema FROM information_schema.tables"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'booking_migrations')",
    )

    assert schemas == [("booking",)]


def test_foreign_keys_stay_inside_the_schema(template_url: str) -> None:
    leaving = ask(
        template_url,
        "SELECT conname FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid"
        " WHERE contype = 'f' AND connamespace = 'booking'::regnamespace"
        " AND r.relnamespace <> 'booking'::regnamespace",
    )

    assert leaving == []


def test_no_extension_is_needed(template_url: str) -> None:
    assert ask(template_url, "SELECT extname FROM pg_extension") == [("plpgsql",)]


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("visit_status_is_known", VisitStatus),
        ("office_hour_booking_status_is_known", BookingStatus),
        ("provider_kind_is_known", ProviderKind),
        ("token_role_is_known", {Role.PATIENT, Role.STAFF, Role.SERVICE}),
    ],
)
def test_the_words_of_the_code_are_the_words_of_the_schema(
    constraint: str, words: set[str], template_url: str
) -> None:
    assert quoted(definition(template_url, constraint)) == set(words)


def test_the_referee_counts_the_statuses_in_which_time_is_taken(template_url: str) -> None:
    text = definition(template_url, "visit_provider_no_overlap")

    assert quoted(text.partition("WHERE")[2]) == {str(status) for status in OCCUPYING}
    assert "&&" in text
    assert "provider_no" in text
    assert "brand_id" not in text


def test_every_statement_that_looks_for_taken_time_counts_the_same_statuses() -> None:
    for path in (SOURCE / "bookwell/storage/sql").glob("*.sql"):
        for found in re.findall(r"status IN \(([^)]*)\)", path.read_text()):
            assert quoted(found) == {str(status) for status in OCCUPYING}, path.name


def test_every_constraint_with_a_meaning_exists(template_url: str) -> None:
    known = {name for (name,) in ask(template_url, "SELECT conname FROM pg_constraint")}
    known |= {
        name for (name,) in ask(template_url, "SELECT relname FROM pg_class WHERE relkind = 'i'")
    }

    assert {*MEANING, IDEMPOTENCY_KEY_ONCE} <= known


def test_constraints_are_sentences(template_url: str) -> None:
    named_by_postgres = ask(
        template_url,
        "SELECT conname FROM pg_constraint WHERE connamespace = 'booking'::regnamespace"
        " AND contype <> 'n' AND conname ~ '_(pkey|key|fkey|check|excl)$'",
    )

    assert named_by_postgres == []


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    assert migrate(database_url) == []


def test_two_processes_that_migrate_at_once_do_it_once(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty_one")
    url = server_url.replace("/bookwell?", "/empty_one?")
    program = (
        "import sys; from bookwell.storage.migrate import migrate; print(len(migrate(sys.argv[1])))"
    )

    runs = [
        subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    counts = sorted(int(run.communicate(timeout=60)[0]) for run in runs)

    assert counts[:2] == [0, 0]
    assert counts[2] >= 1


def test_every_migration_waits_only_a_moment_for_locks() -> None:
    for path in (SOURCE / "bookwell/storage/migrations").glob("*.sql"):
        assert "SET LOCAL lock_timeout" in path.read_text(), path.name
