"""What every change leaves behind, in its own transaction: event, audit row, idempotency row."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct

from bookwell.domain.callers import Call
from bookwell.domain.events import data_of, type_of
from bookwell.domain.ids import EVENT, new_id
from bookwell.storage import idempotency
from bookwell.storage.statements import AnyConnection, as_json, statement

_read_clock = statement("read_clock")
_write_event = statement("write_event")
_write_audit = statement("write_audit")
_write_journal = statement("write_journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the audit says of a change. `details` holds ids, statuses, counts; never free text."""

    event_type: str
    entity_type: str
    entity_id: str
    details: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One of many changes of a call: what the audit says of it, and the event with its number."""

    entry: Entry
    fact: Struct | None = None
    sequence: int = 1


async def now(connection: AnyConnection) -> datetime:
    """The one clock: the database's (within a transaction, the instant it began)."""
    instant: datetime = await _read_clock.value(connection)
    return instant


def actor_values(call: Call) -> dict[str, object]:
    """Who did it, as the statements that write an audit row take it."""
    return {
        "actor_type": call.caller.actor_type,
        "actor_id": call.caller.subject,
        "actor_brand_id": call.caller.brand_id,
        "request_id": call.request_id,
    }


async def record(
    connection: AnyConnection,
    call: Call,
    entry: Entry,
    *,
    answer: object,
    fact: Struct | None = None,
    sequence: int = 1,
) -> None:
    """Write the event, if the change is a fact for others, the audit row, and the key's answer."""
    if fact is not None:
        await _write_event.run(
            connection,
            event_id=new_id(EVENT),
            brand_id=call.brand_id,
            event_type=type_of(fact),
            entity_id=entry.entity_id,
            sequence=sequence,
            data=json.dumps(data_of(fact)),
        )
    await _write_audit.run(
        connection,
        brand_id=call.brand_id,
        event_type=entry.event_type,
        entity_type=entry.entity_type,
        entity_id=entry.entity_id,
        details=json.dumps(entry.details),
        **actor_values(call),
    )
    await idempotency.remember(connection, call, answer)


async def record_all(connection: AnyConnection, call: Call, changes: Sequence[Change]) -> None:
    """As `record`, for many changes of which none is the call's answer; in their order."""
    told = [
        {
            "event_id": None if change.fact is None else new_id(EVENT),
            "event_type": None if change.fact is None else type_of(change.fact),
            "data": None if change.fact is None else data_of(change.fact),
            "sequence": change.sequence,
            "audit_type": change.entry.event_type,
            "entity_type": change.entry.entity_type,
            "entity_id": change.entry.entity_id,
            "details": change.entry.details,
        }
        for change in changes
    ]
    if told:
        await _write_journal.run(
            connection, brand_id=call.brand_id, changes=as_json(told), **actor_values(call)
        )
