"""`database.md`: the schema as PostgreSQL knows it after all migrations."""

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from bookwell.http.errors import status_of
from bookwell.reference.markdown import code, page, prose, table
from bookwell.reference.tables import TABLES
from bookwell.storage.failures import MEANING

_INTRODUCTION = """\
All tables stand in the schema `booking`. Read them as you like; write through the service, which
also writes the event and the audit row. A constraint's name says what always holds. The migrations
are `src/bookwell/storage/migrations/`; what was applied is noted in the schema
`booking_migrations`."""

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'booking' ORDER BY tablename"
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute AS a
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
# 'n' are the NOT NULLs, which the columns tell already.
_CONSTRAINTS = """
SELECT conname, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE conrelid = %s::regclass AND contype <> 'n'
ORDER BY array_position('{p,u,x,c,f}'::text[], contype::text), conname
"""
_UNIQUE_INDEXES = """
SELECT i.relname, regexp_replace(pg_get_indexdef(x.indexrelid), '^.* USING btree', 'UNIQUE')
FROM pg_index AS x
JOIN pg_class AS i ON i.oid = x.indexrelid
WHERE x.indrelid = %s::regclass AND x.indisunique
    AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = x.indexrelid)
ORDER BY i.relname
"""
_OTHER_INDEXES = """
SELECT i.relname, regexp_replace(pg_get_indexdef(x.indexrelid), '^.* USING ', '')
FROM pg_index AS x
JOIN pg_class AS i ON i.oid = x.indexrelid
WHERE x.indrelid = %s::regclass AND NOT x.indisunique
    AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = x.indexrelid)
ORDER BY i.relname
"""
_TRIGGERS = """
SELECT tgname, regexp_replace(pg_get_triggerdef(oid), '^.* (BEFORE|AFTER) (.*) ON .*$', '\\1 \\2')
FROM pg_trigger
WHERE tgrelid = %s::regclass AND NOT tgisinternal
ORDER BY tgname
"""


def database_page(database_url: str) -> str:
    """The page, for a migrated database.

    Raises:
        KeyError: A table is not described in `tables.py`.
    """
    with psycopg.connect(database_url) as connection:
        names = [name for (name,) in connection.execute(_TABLES)]
        sections = [_section(connection, name) for name in names]
    return page("The database", "the migrated schema", _INTRODUCTION, *sections)


def _section(connection: Connection[TupleRow], name: str) -> str:
    place = (f"booking.{name}",)
    columns = connection.execute(_COLUMNS, place)
    rules = [
        rule
        for question in (_CONSTRAINTS, _UNIQUE_INDEXES, _TRIGGERS)
        for rule in connection.execute(question, place)
    ]
    indexes = connection.execute(_OTHER_INDEXES, place).fetchall()
    parts = [
        f"## booking.{name}",
        prose(TABLES[name]),
        table(["Column", "Type", "May be null", "Default"], (_column(*row) for row in columns)),
        table(
            ["What always holds", "Definition", "Whoever breaks it hears"],
            ([code(rule), code(definition), _heard(rule)] for rule, definition in rules),
        ),
    ]
    if indexes:
        parts.append(table(["Index", "On"], ([code(index), code(on)] for index, on in indexes)))
    return "\n\n".join(parts)


def _column(name: str, kind: str, not_null: bool, default: str) -> list[str]:
    return [code(name), kind, "no" if not_null else "yes", code(default) if default else ""]


def _heard(rule: str) -> str:
    """The error a caller hears; a rule that no request can break has none."""
    refusal = MEANING.get(rule)
    return f"{status_of(refusal)} {code(refusal.code)}" if refusal else ""
