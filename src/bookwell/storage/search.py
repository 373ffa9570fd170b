"""Open slots in PostgreSQL. What is found may be booked: `booking.broken_rules` has judged it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from asyncpg import Record
from msgspec import Struct

from bookwell.domain.intervals import Interval
from bookwell.domain.search import OpenSlot
from bookwell.domain.visit_types import Terms
from bookwell.storage.rules import Question
from bookwell.storage.statements import AnyConnection, Statement, statement

_find_slots = statement("find_slots")
_find_first_slots = statement("find_first_slots")
_find_nearest_slots = statement("find_nearest_slots")
_read_wanted_type = statement("read_wanted_type")
_list_schedule_zones = statement("list_schedule_zones")

_page = msgspec.json.Decoder(list[OpenSlot])

# Of the slots on each side of a time, so many are looked at for the nearest.
_LOOK_AT = 12
NEAREST_MAX = 3


class Search(Struct, frozen=True, kw_only=True):
    """What is looked for: slots of these providers (None is all of the brand's) for this visit.

    They are told in `time_zone`, or in their own. `times` are the only instants at which they may
    begin, by the zone in which they are told; None is any. A visit that moves leaves `left_slot`;
    it `keeps_type` where the type is its own, also one that the brand no longer has.
    """

    brand_id: str
    provider_ids: Sequence[str] | None
    question: Question
    left_slot: str | None = None
    keeps_type: bool = False
    time_zone: str | None = None
    times: Mapping[str, Iterable[Interval]] | None = None


class Found(Struct, frozen=True, kw_only=True):
    """Some open slots, by (start, id), and what is not known of those who were asked for."""

    slots: list[OpenSlot]
    is_unknown_type: bool
    knows_a_provider: bool


class WantedType(Struct, frozen=True, kw_only=True):
    """A visit type as its brand has it; `terms` is None where it has none of that name."""

    terms: Terms | None
    is_unknown: bool
    now: datetime


async def find(
    connection: AnyConnection,
    search: Search,
    window: Interval,
    *,
    after: tuple[datetime, str],
    row_limit: int,
) -> Found:
    """At most `row_limit` slots that begin in the window, after (start, id) `after`."""
    return await _found_by(_find_slots, connection, search, window, after, row_limit)


async def find_first(
    connection: AnyConnection,
    search: Search,
    window: Interval,
    *,
    after: tuple[datetime, str],
    row_limit: int,
) -> Found:
    """Of each provider the first slot that begins in the window, where it comes after `after`."""
    return await _found_by(_find_first_slots, connection, search, window, after, row_limit)


async def nearest(
    connection: AnyConnection,
    *,
    brand_id: str,
    provider_id: str,
    near_at: datetime,
    question: Question,
    row_limit: int = NEAREST_MAX,
) -> list[OpenSlot]:
    """The provider's open slots nearest to that time: those after it first, then those before."""
    page = await _find_nearest_slots.value(
        connection,
        brand_id=brand_id,
        provider_id=provider_id,
        near_at=near_at,
        **_values(question),
        look_at=_LOOK_AT,
        row_limit=row_limit,
    )
    return _page.decode(page)


async def wanted_type(connection: AnyConnection, brand_id: str, visit_type: str) -> WantedType:
    """What the brand says of a visit type, whoever the provider is."""
    row = await _read_wanted_type.row(connection, brand_id=brand_id, visit_type=visit_type)
    assert row is not None, "the statement answers a row"
    terms = msgspec.json.decode(row["terms"], type=Terms) if row["terms"] else None
    return WantedType(terms=terms, is_unknown=row["is_unknown"], now=row["now"])


async def schedule_zones(connection: AnyConnection, brand_id: str) -> list[str]:
    """The zones in which the brand's providers keep their weeks."""
    rows = await _list_schedule_zones.rows(connection, brand_id=brand_id)
    return [row["time_zone"] for row in rows]


async def _found_by(
    found_by: Statement,
    connection: AnyConnection,
    search: Search,
    window: Interval,
    after: tuple[datetime, str],
    row_limit: int,
) -> Found:
    after_at, after_id = after
    row: Record | None = await found_by.row(
        connection,
        brand_id=search.brand_id,
        provider_ids=search.provider_ids,
        **_values(search.question),
        left_slot=search.left_slot,
        keeps_type=search.keeps_type,
        from_at=window.starts_at,
        until_at=window.ends_at,
        after_at=after_at,
        after_id=after_id,
        time_zone=search.time_zone,
        zone_names=None if search.times is None else list(search.times),
        zone_times=None if search.times is None else [_set_of(t) for t in search.times.values()],
        row_limit=row_limit,
    )
    assert row is not None, "the statement answers a row"
    return Found(
        slots=_page.decode(row["page"]),
        is_unknown_type=row["is_unknown_type"],
        knows_a_provider=row["knows_a_provider"],
    )


def _values(question: Question) -> dict[str, Any]:
    return {
        "visit_type": question.visit_type,
        "patient_id": question.patient_id,
        "by_patient": question.by_patient,
        "ignored_visit": question.ignored_visit,
    }


def _set_of(intervals: Iterable[Interval]) -> str:
    """A set of instants as PostgreSQL reads one."""
    ranges = (f"[{each.starts_at.isoformat()},{each.ends_at.isoformat()})" for each in intervals)
    return f"{{{','.join(ranges)}}}"
