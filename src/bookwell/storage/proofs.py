"""What `bookwell prove` asks the database itself: rows as they stand, judged by nobody yet."""

from asyncpg import Record

from bookwell.storage.statements import AnyConnection, statement

_list_proven_visits = statement("list_proven_visits")
_list_overlapping_visits = statement("list_overlapping_visits")
_list_proven_seats = statement("list_proven_seats")
_list_proven_sessions = statement("list_proven_sessions")
_list_proven_journal = statement("list_proven_journal")
_list_proven_events = statement("list_proven_events")
_count_proven_events = statement("count_proven_events")


async def visits(connection: AnyConnection, brand_id: str) -> list[Record]:
    """Every visit of the brand."""
    return await _list_proven_visits.rows(connection, brand_id=brand_id)


async def overlaps(connection: AnyConnection, brand_id: str) -> list[tuple[str, str]]:
    """Pairs of visits that take one provider's time at once; the first is one of the brand."""
    rows = await _list_overlapping_visits.rows(connection, brand_id=brand_id)
    return [(row["first_id"], row["second_id"]) for row in rows]


async def seats(connection: AnyConnection, brand_id: str) -> list[Record]:
    """Every booking of a seat of the brand."""
    return await _list_proven_seats.rows(connection, brand_id=brand_id)


async def sessions(connection: AnyConnection, brand_id: str) -> list[Record]:
    """Every session of the brand in which somebody ever sat."""
    return await _list_proven_sessions.rows(connection, brand_id=brand_id)


async def journal(connection: AnyConnection, brand_id: str) -> list[Record]:
    """How often events and audit rows tell of each visit and seat of the brand."""
    return await _list_proven_journal.rows(connection, brand_id=brand_id)


async def events(connection: AnyConnection, brand_id: str) -> list[Record]:
    """Every event of the brand."""
    return await _list_proven_events.rows(connection, brand_id=brand_id)


async def event_counts(connection: AnyConnection, brand_id: str) -> tuple[dict[str, int], int]:
    """How many events of each type the brand has, and how many deliveries are still to be made."""
    rows = await _count_proven_events.rows(connection, brand_id=brand_id)
    pending: int = rows[0]["pending_count"] if rows else 0
    return {row["event_type"]: row["event_count"] for row in rows}, pending


def version(connection: AnyConnection) -> str:
    """Which PostgreSQL this is."""
    server = connection.get_server_version()
    # Since version 10 the second number of two is what asyncpg keeps as the third of three.
    return f"{server.major}.{server.micro}"
