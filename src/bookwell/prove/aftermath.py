"""What the service was left with after the race, as its database or its own lists show it."""

from collections.abc import Iterable
from datetime import datetime
from itertools import combinations
from typing import Any, TypeVar

import httpx
import msgspec
from msgspec import Struct

from bookwell.prove.arrangement import CannotProve
from bookwell.prove.history import World
from bookwell.storage import proofs
from bookwell.storage.database import Database

ACTIVE = ("held", "booked", "checked_in")
PAGE = 200

Row = TypeVar("Row", bound=Struct)


class FoundVisit(Struct, frozen=True, kw_only=True):
    """A visit that is there."""

    visit_id: str
    provider_id: str
    slot_id: str
    patient_id: str
    status: str
    version: int
    starts_at: datetime
    ends_at: datetime


class FoundSeat(Struct, frozen=True, kw_only=True):
    """A booking of a seat that is there."""

    booking_id: str
    coach_id: str
    slot_at: datetime
    patient_id: str
    status: str


class FoundSession(Struct, frozen=True, kw_only=True):
    """A session and how many sit in it, as the service counts them."""

    coach_id: str
    slot_at: datetime
    capacity: int
    seats_taken: int


class FoundJournal(Struct, frozen=True, kw_only=True):
    """How often a visit or seat changed, and how often that was told."""

    entity_id: str
    version: int
    events: int
    audits: int
    # Whether the events are numbered from 1 without a gap.
    is_whole: bool


class Aftermath(Struct, frozen=True, kw_only=True):
    """Everything found. What the API does not show is None."""

    visits: list[FoundVisit]
    overlaps: list[tuple[str, str]]
    sessions: list[FoundSession]
    seats: list[FoundSeat] | None = None
    journal: list[FoundJournal] | None = None
    database_version: str | None = None

    @property
    def is_of_database(self) -> bool:
        """Whether the database itself was asked."""
        return self.journal is not None


async def ask_database(database_url: str, world: World) -> Aftermath:
    """Ask the database itself. Raises DatabaseUnavailable."""
    database = await Database.connect(database_url, pool_size=1)
    try:
        async with database.reading() as connection:
            brand_id = world.brand_id
            return Aftermath(
                visits=_rows(await proofs.visits(connection, brand_id), FoundVisit),
                overlaps=await proofs.overlaps(connection, brand_id),
                sessions=_rows(await proofs.sessions(connection, brand_id), FoundSession),
                seats=_rows(await proofs.seats(connection, brand_id), FoundSeat),
                journal=_rows(await proofs.journal(connection, brand_id), FoundJournal),
                database_version=proofs.version(connection),
            )
    finally:
        await database.close()


async def ask_api(http: httpx.AsyncClient, world: World) -> Aftermath:
    """Page through the service's own lists.

    Raises:
        CannotProve: It does not answer them.
    """
    path = f"/v1/visits?brand_id={world.brand_id}"
    visits = [
        FoundVisit(
            visit_id=visit["id"],
            provider_id=visit["provider_id"],
            slot_id=visit["slot_id"],
            patient_id=visit["patient_id"],
            status=visit["status"],
            version=visit["version"],
            starts_at=datetime.fromisoformat(visit["start_time"]),
            ends_at=datetime.fromisoformat(visit["end_time"]),
        )
        for visit in await _pages(http, path, "visits")
    ]
    return Aftermath(
        visits=visits,
        overlaps=list(overlapping(visits)),
        sessions=await _ask_sessions(http, world),
    )


def overlapping(visits: Iterable[FoundVisit]) -> Iterable[tuple[str, str]]:
    """Pairs of visits that take one provider's time at once."""
    by_provider: dict[str, list[FoundVisit]] = {}
    for visit in visits:
        if visit.status in ACTIVE:
            by_provider.setdefault(visit.provider_id, []).append(visit)
    for busy in by_provider.values():
        for one, other in combinations(busy, 2):
            if one.starts_at < other.ends_at and other.starts_at < one.ends_at:
                yield one.visit_id, other.visit_id


async def _ask_sessions(http: httpx.AsyncClient, world: World) -> list[FoundSession]:
    left: dict[tuple[str, datetime], int] = {}
    for coach_id in {session.coach_id for session in world.sessions}:
        for found in await _pages(http, f"/v1/coaches/{coach_id}/slots?", "slots"):
            left[(coach_id, datetime.fromisoformat(found["slot_at"]))] = found["seats_left"]
    return [
        FoundSession(
            coach_id=session.coach_id,
            slot_at=session.slot_at,
            capacity=session.capacity,
            # A session without a seat left is not in the list.
            seats_taken=session.capacity - left.get((session.coach_id, session.slot_at), 0),
        )
        for session in world.sessions
    ]


async def _pages(http: httpx.AsyncClient, path: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        response = await http.get(f"{path}&limit={PAGE}" + (f"&cursor={cursor}" if cursor else ""))
        if not response.is_success:
            raise CannotProve(f"GET {path} was answered {response.status_code}.")
        page = msgspec.json.decode(response.content, type=dict[str, Any])
        found += page[name]
        cursor = page.get("next_cursor")
    return found


def _rows(rows: Iterable[Any], kind: type[Row]) -> list[Row]:
    return [msgspec.convert(dict(row), kind, strict=False) for row in rows]
