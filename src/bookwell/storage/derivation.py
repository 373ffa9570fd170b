"""Slots that come of schedules, in PostgreSQL: what is due, what there is, what changes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from io import BytesIO
from typing import NamedTuple

from bookwell.domain.derivation import Changes, Existing, Offer
from bookwell.domain.ids import SLOT, new_ids
from bookwell.domain.intervals import Interval
from bookwell.storage.schedules import Affiliated
from bookwell.storage.statements import AnyConnection, statement

_start_derivation = statement("start_derivation")
_next_due_derivation = statement("next_due_derivation")
_get_derivation = statement("get_derivation")
_list_derivations = statement("list_derivations")
_list_derived_slots = statement("list_derived_slots")
_write_derivation = statement("write_derivation")
_put_derivation_off = statement("put_derivation_off")
_recall_freed_slots = statement("recall_freed_slots")

_COPIED = ("slot_id", "brand_id", "provider_no", "starts_at", "ends_at", "rule_id", "visit_types")
_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}


class Due(NamedTuple):
    """Whose slots are to be derived anew, for which brand."""

    brand_id: str
    provider_no: int
    provider_id: str


class State(NamedTuple):
    """How far a provider's slots for a brand are made, with which zone data; None was never."""

    derived_at: datetime | None
    derived_until: datetime | None
    zone_data: str | None
    due_at: datetime
    is_due: bool


class Stored(NamedTuple):
    """A provider's slots in a window, and which of them only wait for their visits to end."""

    slots: list[Existing]
    waiting_ids: frozenset[str]


async def start(connection: AnyConnection, provider: Affiliated) -> None:
    """See that the provider's slots are derived from now on."""
    await _start_derivation.run(
        connection, brand_id=provider.brand_id, provider_no=provider.provider_no
    )


async def lock_next_due(connection: AnyConnection) -> Due | None:
    """Whose turn it is, with the provider locked until the transaction ends.

    Somebody may have derived them in between; `state_of` says so.
    """
    row = await _next_due_derivation.row(connection)
    return Due(*row) if row else None


async def state_of(connection: AnyConnection, provider: Affiliated) -> State | None:
    """None where the provider never had a schedule for the brand."""
    row = await _get_derivation.row(
        connection, brand_id=provider.brand_id, provider_no=provider.provider_no
    )
    return State(*row) if row else None


async def list_outdated(
    connection: AnyConnection,
    *,
    brand_id: str,
    provider_id: str | None,
    zone_data: str | None,
    after_id: str,
    row_limit: int,
) -> list[str]:
    """The ids of providers whose slots were made with other zone data; of all without any."""
    rows = await _list_derivations.rows(
        connection,
        brand_id=brand_id,
        provider_id=provider_id,
        zone_data=zone_data,
        after_id=after_id,
        row_limit=row_limit,
    )
    return [row["provider_id"] for row in rows]


async def stored_slots(connection: AnyConnection, provider: Affiliated, window: Interval) -> Stored:
    """The provider's slots for the brand that begin in the window, whoever offers them."""
    rows = await _list_derived_slots.rows(
        connection,
        brand_id=provider.brand_id,
        provider_no=provider.provider_no,
        from_at=window.starts_at,
        until_at=window.ends_at,
    )
    slots = [
        Existing(
            slot_id=row[0],
            starts_at=row[1],
            ends_at=row[2],
            rule_id=row[3],
            visit_types=None if row[4] is None else tuple(row[4]),
            is_live=row[5],
            is_taken=row[6],
        )
        for row in rows
    ]
    return Stored(slots, frozenset(row[0] for row in rows if row[7]))


async def write(
    connection: AnyConnection,
    provider: Affiliated,
    *,
    changes: Changes,
    marked_ids: Sequence[str],
    state: State,
    derived_until: datetime,
    zone_data: str | None,
    again_after: timedelta,
) -> None:
    """Write what a derivation came to. The caller holds the provider's lock, in a transaction.

    `marked_ids` are slots that begin to wait for their visits to end, or wait no longer.
    """
    if changes.created:
        await _copy_in(connection, provider, changes.created)
    await _write_derivation.run(
        connection,
        brand_id=provider.brand_id,
        provider_no=provider.provider_no,
        withdrawn_ids=changes.withdrawn,
        retyped_ids=[slot_id for slot_id, _ in changes.retyped],
        retyped_rules=[offer.rule_id for _, offer in changes.retyped],
        retyped_types=[array_text(offer.visit_types) for _, offer in changes.retyped],
        marked_ids=marked_ids,
        derived_until=derived_until,
        zone_data=zone_data,
        seen_due_at=state.due_at,
        again_after=again_after,
    )


async def put_off(connection: AnyConnection, due: Due, again_after: timedelta) -> None:
    """Let others come first, after a failure with this one."""
    await _put_derivation_off.run(
        connection, brand_id=due.brand_id, provider_no=due.provider_no, again_after=again_after
    )


async def recall_freed(connection: AnyConnection) -> None:
    """Make those due who have withdrawn slots whose visits are gone."""
    await _recall_freed_slots.run(connection)


async def _copy_in(
    connection: AnyConnection, provider: Affiliated, created: Sequence[Offer]
) -> None:
    """Copy the new slots into their table: a third of the work that an INSERT of arrays is."""
    ids = new_ids(SLOT, len(created))
    whose = f"\t{provider.brand_id}\t{provider.provider_no}\t"
    lines = "".join(
        [
            f"{slot_id}{whose}{_instant_text(offer[0])}\t{_instant_text(offer[1])}"
            f"{_origin_text(offer[2], offer[3])}"
            for slot_id, offer in zip(ids, created, strict=True)
        ]
    )
    await connection.copy_to_table(
        "slot",
        schema_name="booking",
        columns=_COPIED,
        source=BytesIO(lines.encode()),
    )


@lru_cache(maxsize=1 << 16)
def _instant_text(instant: datetime) -> str:
    """As COPY reads it. All providers of a brand have much the same instants."""
    return instant.isoformat()


@lru_cache(maxsize=1024)
def _origin_text(rule_id: str, visit_types: tuple[str, ...]) -> str:
    """The end of a line: the rule that a slot comes of, and its visit types."""
    return f"\t{_escaped(rule_id)}\t{_escaped(array_text(visit_types))}\n"


def _escaped(text: str) -> str:
    """As COPY reads it in its text format, where a backslash takes away a meaning."""
    return "".join(_ESCAPES.get(character, character) for character in text)


@lru_cache(maxsize=1024)
def array_text(words: tuple[str, ...]) -> str:
    """The words as PostgreSQL writes an array of text."""
    quoted = (word.replace("\\", r"\\").replace('"', r"\"") for word in words)
    return "{" + ",".join(f'"{word}"' for word in quoted) + "}"
