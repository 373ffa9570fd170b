"""What was committed, as the service's own database has it."""

from collections.abc import Iterable

import msgspec
from asyncpg import Record as Row

from bookwell.prove.events.fingerprints import fingerprint, instant
from bookwell.prove.events.record import Committed
from bookwell.storage import proofs
from bookwell.storage.database import Database


async def committed_of(database_url: str, brand_ids: Iterable[str]) -> tuple[list[Committed], str]:
    """Every event of these brands, and which PostgreSQL has them. Raises DatabaseUnavailable."""
    database = await Database.connect(database_url, pool_size=1)
    try:
        async with database.reading() as connection:
            committed = [
                _committed(row)
                for brand_id in brand_ids
                for row in await proofs.events(connection, brand_id)
            ]
            return committed, proofs.version(connection)
    finally:
        await database.close()


async def counts_of(
    database: Database, brand_ids: Iterable[str]
) -> tuple[dict[str, dict[str, int]], int]:
    """By brand and type how many events there are, and how many deliveries are to be made yet."""
    counts, pending = {}, 0
    async with database.reading() as connection:
        for brand_id in brand_ids:
            counts[brand_id], waiting = await proofs.event_counts(connection, brand_id)
            pending += waiting
    return counts, pending


def _committed(row: Row) -> Committed:
    said = {
        "id": row["event_id"],
        "type": row["event_type"],
        "brand_id": row["brand_id"],
        "sequence": row["sequence"],
        "position": row["position"],
        "occurred_at": instant(row["occurred_at"]),
        "data": msgspec.json.decode(row["data"]),
    }
    return Committed(
        event_id=row["event_id"],
        event_type=row["event_type"],
        brand_id=row["brand_id"],
        entity_id=row["entity_id"],
        sequence=row["sequence"],
        position=row["position"],
        occurred_at=row["occurred_at"],
        fingerprint=fingerprint(said),
    )
