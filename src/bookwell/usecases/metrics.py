"""Measure how far facts have come on their way out."""

from bookwell.storage import metrics
from bookwell.storage.database import Database
from bookwell.storage.metrics import Figures


async def measure(database: Database, *, brand_id: str | None) -> Figures:
    """The figures of one brand, or of all where it is None."""
    async with database.reading() as connection:
        return await metrics.measure(connection, brand_id=brand_id)
