"""Visits in PostgreSQL: reading them, moving them, and what their status becomes."""

import json
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime

import asyncpg
import msgspec
from asyncpg import Record
from msgspec import Struct

from bookwell.domain.callers import Call, Role
from bookwell.domain.errors import BookwellError, NotFound, SlotUnavailable
from bookwell.domain.ids import EVENT, new_id
from bookwell.domain.rulings import NOTHING_MORE, Override, Taken, override_of
from bookwell.domain.visit_types import Terms
from bookwell.domain.visits import Change, Visit, VisitStatus
from bookwell.storage import catalog, holds
from bookwell.storage.database import Database
from bookwell.storage.group_commit import ALONE, Alone
from bookwell.storage.idempotency import key_identity, key_values
from bookwell.storage.journal import actor_values
from bookwell.storage.statements import AnyConnection, Statement, as_json, statement

_change_visit_status = statement("change_visit_status")
_change_visit_statuses = statement("change_visit_statuses")
_get_visit = statement("get_visit")
_look_at_visit = statement("look_at_visit")
_lock_visit = statement("lock_visit")
_lock_providers_of_visit = statement("lock_providers_of_visit")
_move_visit = statement("move_visit")
_list_visits_of_brand = statement("list_visits_of_brand")
_list_visits_of_patient = statement("list_visits_of_patient")

_page = msgspec.json.Decoder(list[Visit])

NO_SUCH_VISIT = "There is no such visit."


class Seen(Struct, frozen=True, kw_only=True):
    """A visit, the terms it was booked under if it has any, and the instant of this look."""

    visit: Visit
    terms_no: int | None
    terms: Terms | None
    now: datetime


class Ruling(Struct, frozen=True, kw_only=True):
    """What the caller of a change has judged already, so that its statement asks no rule again.

    `override` is for the audit. `terms_no` are the terms that the visit has from now on, with the
    time they take; None leaves it its own.
    """

    override: Override | None = None
    terms_no: int | None = None
    taken: Taken = NOTHING_MORE


class _Changing(Struct, frozen=True):
    call: Call
    change: Change
    event_id: str
    ruling: Ruling | None = None

    def values(self) -> dict[str, object]:
        """The parameters of change_visit_status."""
        change, call = self.change, self.call
        ruling = self.ruling or Ruling(override=override_of((), change.override_reason))
        return {
            "event_id": self.event_id,
            "brand_id": call.brand_id,
            "visit_id": change.visit_id,
            "patient_id": change.patient_id,
            "slot_id": change.slot_id,
            "provider_id": change.provider_id,
            "to_status": change.transition.to_status,
            "from_statuses": sorted(change.transition.from_statuses),
            "once_begun": change.transition.only_once_begun,
            "versions": change.versions,
            "cancel_reason": change.cancel_reason,
            "visit_type": change.visit_type,
            "reason": change.reason,
            "notes": change.notes,
            "by_patient": call.caller.role is Role.PATIENT,
            "is_judged": self.ruling is not None,
            "override": json.dumps(ruling.override.as_details()) if ruling.override else None,
            "terms_no": ruling.terms_no,
            **ruling.taken._asdict(),
            "event_type": change.transition.event_type,
            "audit_type": change.transition.audit_type,
            **actor_values(call),
            **key_values(call),
        }


async def change_status(
    database: Database, call: Call, change: Change, ruling: Ruling | None = None
) -> Visit | None:
    """Make the change, with its event, audit and idempotency rows.

    Returns None where the visit is not there, or in no state for it, or where its terms or, for a
    confirmation, the booking rules do not allow it and nobody has ruled otherwise.
    """
    return await database.lane(_Changes).write(_Changing(call, change, new_id(EVENT), ruling))


async def change_status_behind_locks(
    connection: AnyConnection, call: Call, change: Change, ruling: Ruling, *, slot_id: str
) -> Visit | None:
    """As `change_status`, in the transaction of a caller who has locked the visit on this slot.

    Raises:
        SlotUnavailable: The time that the visit's new terms take is not free.
    """
    try:
        return await _change_one(connection, _Changing(call, change, new_id(EVENT), ruling))
    except asyncpg.ExclusionViolationError as error:
        raise SlotUnavailable(slot_id=slot_id) from error


async def _change_one(connection: AnyConnection, changing: _Changing) -> Visit | None:
    row = await _change_visit_status.row(connection, **changing.values())
    return visit_from(row) if row else None


class _Changes:
    """How statuses are changed; see group_commit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def one(self, changing: _Changing, /) -> Visit | None:
        async with self._database.statement(changing.call) as connection:
            return await _change_one(connection, changing)

    async def many(
        self, changes: Sequence[_Changing], /
    ) -> list[Visit | BookwellError | Alone | None]:
        async with self._database.reading() as connection:
            rows = await _change_visit_statuses.rows(
                connection, changes=as_json(changing.values() for changing in changes)
            )
        outcomes: list[Visit | BookwellError | Alone | None] = [ALONE] * len(changes)
        for row in rows:
            outcomes[row["position"]] = visit_from(row)
        return outcomes

    def known_as(self, changing: _Changing, /) -> str:
        return changing.call.request_id

    def apart(self, changing: _Changing, /) -> Iterable[Hashable]:
        call = changing.call
        yield changing.change.visit_id
        if call.key is not None:
            yield key_identity(call)


async def get(
    connection: AnyConnection,
    call: Call,
    visit_id: str,
    *,
    patient_id: str | None = None,
    slot_id: str | None = None,
    provider_id: str | None = None,
) -> Visit:
    """The visit, if this caller may see it and it is of those who are named; else NotFound."""
    row = await _row_of(
        _get_visit,
        connection,
        call,
        visit_id,
        patient_id=patient_id,
        slot_id=slot_id,
        provider_id=provider_id,
    )
    return visit_from(row)


async def look(
    connection: AnyConnection,
    call: Call,
    visit_id: str,
    *,
    patient_id: str | None = None,
    slot_id: str | None = None,
    provider_id: str | None = None,
) -> Seen:
    """As `get`, with the visit's terms and the time."""
    row = await _row_of(
        _look_at_visit,
        connection,
        call,
        visit_id,
        patient_id=patient_id,
        slot_id=slot_id,
        provider_id=provider_id,
    )
    terms = row["terms"]
    return Seen(
        visit=visit_from(row),
        terms_no=row["terms_no"],
        terms=msgspec.json.decode(terms, type=Terms) if terms else None,
        now=row["now"],
    )


async def _row_of(
    finds: Statement,
    connection: AnyConnection,
    call: Call,
    visit_id: str,
    *,
    patient_id: str | None,
    slot_id: str | None,
    provider_id: str | None,
) -> Record:
    """The row of the visit, if this caller may see it and it is of those who are named."""
    row = await finds.row(
        connection,
        brand_id=call.brand_id,
        patient_id=call.patient_id if patient_id is None else patient_id,
        slot_id=slot_id,
        provider_id=provider_id,
        visit_id=visit_id,
    )
    if row is None:
        raise NotFound(NO_SUCH_VISIT)
    return row


async def lock(
    connection: AnyConnection, call: Call, visit_id: str, *, new_slot_id: str | None = None
) -> Seen:
    """Lock the visit, its provider and the new slot's, and its patient; return it as it is now.

    The providers' past holds are ended, so that none of them is in the way. NotFound where the
    visit is not this caller's.
    """
    providers = await _lock_providers_of_visit.rows(
        connection, brand_id=call.brand_id, visit_id=visit_id, new_slot_id=new_slot_id
    )
    await _lock_visit.row(connection, brand_id=call.brand_id, visit_id=visit_id)
    visit = await get(connection, call, visit_id)
    await holds.expire_of_providers(connection, [row["provider_no"] for row in providers])
    await catalog.lock_patient(connection, brand_id=call.brand_id, patient_id=visit.patient_id)
    return await look(connection, call, visit_id)


async def move(
    connection: AnyConnection, call: Call, visit_id: str, *, new_slot_id: str, taken: Taken
) -> Visit:
    """Give the visit the new slot's time and provider; SlotUnavailable if the referee objects."""
    try:
        await _move_visit.run(
            connection,
            brand_id=call.brand_id,
            visit_id=visit_id,
            slot_id=new_slot_id,
            **taken._asdict(),
        )
    except asyncpg.ExclusionViolationError as error:
        raise SlotUnavailable(slot_id=new_slot_id) from error
    return await get(connection, call, visit_id)


async def list_newest_first(
    connection: AnyConnection,
    *,
    brand_id: str,
    patient_id: str | None,
    before: tuple[datetime, str],
    row_limit: int,
) -> list[Visit]:
    """At most `row_limit` visits whose (start, id) comes before `before`, newest slot first."""
    before_at, before_id = before
    if patient_id is None:
        page = await _list_visits_of_brand.value(
            connection,
            brand_id=brand_id,
            before_at=before_at,
            before_id=before_id,
            row_limit=row_limit,
        )
    else:
        page = await _list_visits_of_patient.value(
            connection,
            brand_id=brand_id,
            patient_id=patient_id,
            before_at=before_at,
            before_id=before_id,
            row_limit=row_limit,
        )
    return _page.decode(page)


def visit_from(row: Record) -> Visit:
    """The visit in a row that has its columns."""
    return Visit(
        visit_id=row["visit_id"],
        brand_id=row["brand_id"],
        patient_id=row["patient_id"],
        provider_id=row["provider_id"],
        slot_id=row["slot_id"],
        status=VisitStatus(row["status"]),
        visit_type=row["visit_type"],
        reason=row["reason"],
        notes=row["notes"],
        cancelled_at=row["cancelled_at"],
        cancel_reason=row["cancel_reason"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        hold_expires_at=row["hold_expires_at"],
        # Only what ends a visit answers with it.
        cancelled_late=row.get("cancelled_late"),
    )
