"""Up to where each brand's log has been published, and by whom it is being published."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from bookwell.storage.statements import AnyConnection, statement

# A publisher that was killed is followed by another within this. Each batch renews it, and takes
# less (gateways.bus.ACK_SECONDS).
LEASE = timedelta(seconds=6)
# How many brands one publisher has in hand; the others are left to its fellows.
CLAIMED_MAX = 8

_open_bookmarks = statement("open_bookmarks")
_claim_bookmarks = statement("claim_bookmarks")
_move_bookmark = statement("move_bookmark")
_release_bookmarks = statement("release_bookmarks")
_list_waiting_brands = statement("list_waiting_brands")
_list_bus_lags = statement("list_bus_lags")


class Bookmark(Struct, frozen=True):
    """All events of the brand's log up to `position` have been published."""

    brand_id: str
    position: int


class Lag(Struct, frozen=True, kw_only=True):
    """How many events of a brand wait to be published, and for how long the oldest has."""

    brand_id: str
    events_behind: int
    seconds_behind: float


async def claim(
    connection: AnyConnection, *, publisher: str, set_aside: Sequence[str]
) -> list[Bookmark]:
    """Brands whose events wait, but for those set aside: this publisher's alone for `LEASE`."""
    await _open_bookmarks.run(connection)
    rows = await _claim_bookmarks.rows(
        connection, publisher=publisher, length=LEASE, row_limit=CLAIMED_MAX, set_aside=set_aside
    )
    return [Bookmark(row["brand_id"], row["position"]) for row in rows]


async def move(connection: AnyConnection, bookmark: Bookmark, *, publisher: str) -> bool:
    """Put the bookmark there and renew the lease; False where it is another publisher's by now."""
    moved = await _move_bookmark.value(
        connection,
        brand_id=bookmark.brand_id,
        position=bookmark.position,
        publisher=publisher,
        length=LEASE,
    )
    return moved is not None


async def release(connection: AnyConnection, *, publisher: str) -> None:
    """Leave all that this publisher has in hand to others."""
    await _release_bookmarks.run(connection, publisher=publisher)


async def waiting(connection: AnyConnection) -> list[str]:
    """The brands whose events wait to be published, whoever has them in hand."""
    return [row["brand_id"] for row in await _list_waiting_brands.rows(connection)]


async def lag_of(connection: AnyConnection, *, brand_id: str | None = None) -> list[Lag]:
    """How far the bus is behind, for this brand or each that has events; nothing without a bus."""
    rows = await _list_bus_lags.rows(connection, brand_id=brand_id)
    return [
        Lag(
            brand_id=row["brand_id"],
            events_behind=row["events_behind"],
            seconds_behind=row["seconds_behind"] or 0.0,
        )
        for row in rows
    ]
