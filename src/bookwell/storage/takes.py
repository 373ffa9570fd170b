"""Taking a slot: booking it, or holding it. One statement each, or one statement for many."""

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from typing import TypeAlias

import asyncpg
from asyncpg import Record
from msgspec import Struct

from bookwell.domain.callers import Call, Role
from bookwell.domain.errors import BookwellError, NotFound, SlotUnavailable, TooManyHolds
from bookwell.domain.holds import VISIT_TYPE_UNSPECIFIED
from bookwell.domain.ids import EVENT, VISIT, new_id
from bookwell.domain.rules import refusal_of
from bookwell.domain.visits import Visit, Wanted
from bookwell.storage import catalog, holds, rules
from bookwell.storage.database import Database
from bookwell.storage.failures import constraint_of
from bookwell.storage.group_commit import ALONE, Alone
from bookwell.storage.idempotency import key_identity, key_values
from bookwell.storage.journal import actor_values
from bookwell.storage.nearby import slot_unavailable
from bookwell.storage.rules import Question
from bookwell.storage.statements import AnyConnection, as_json, statement
from bookwell.storage.visits import visit_from

_take_slot = statement("take_slot")
_take_slots = statement("take_slots")
_lock_provider_of_slot = statement("lock_provider_of_slot")

NO_SUCH_PATIENT = "There is no such patient."

_PLACE_ONCE = "visit_hold_place_once"
# A slot whose past holds are written down is tried again; more often only when others hold it anew.
_TRIES_MAX = 3


class _Take(Struct, frozen=True):
    call: Call
    wanted: Wanted
    visit_id: str
    event_id: str
    instead_of: str | None = None

    def question(self) -> Question:
        """What the booking rules are asked; a hold may leave its type for later."""
        wanted = self.wanted
        is_open = wanted.terms is not None and wanted.visit_type == VISIT_TYPE_UNSPECIFIED
        return Question(
            visit_type=None if is_open else wanted.visit_type,
            patient_id=wanted.patient_id,
            by_patient=self.call.caller.role is Role.PATIENT,
            ignored_visit=self.instead_of,
        )

    def values(self) -> dict[str, object]:
        """The parameters of take_slots for one."""
        wanted, call, question = self.wanted, self.call, self.question()
        return {
            "visit_id": self.visit_id,
            "event_id": self.event_id,
            "brand_id": call.brand_id,
            "patient_id": wanted.patient_id,
            "slot_id": wanted.slot_id,
            "provider_id": wanted.provider_id,
            "visit_type": wanted.visit_type,
            "judged_type": question.visit_type,
            "by_patient": question.by_patient,
            "reason": wanted.reason,
            "notes": wanted.notes,
            "hold_length": wanted.terms.length if wanted.terms else None,
            "holds_max": wanted.terms.holds_max if wanted.terms else None,
            **actor_values(call),
            **key_values(call),
        }


class _PastHolds(Struct, frozen=True):
    """Nothing was taken, perhaps because of holds that nobody has ended yet."""

    visit_ids: list[str]


class _RefusedInCompany(Struct, frozen=True):
    """Refused by the statement for many, which settles nobody's key."""

    wanted_from: str
    wanted_at: datetime


class _NeedsLocks(Struct, frozen=True):
    """Nothing was taken, because what is counted for a cap must be counted behind locks."""


class _PlaceTaken(Struct, frozen=True):
    """Another hold of the patient was written at once, and has the place that this one chose."""


_Final: TypeAlias = Visit | _PastHolds | _RefusedInCompany | _NeedsLocks
_Outcome: TypeAlias = _Final | _PlaceTaken


async def take(database: Database, call: Call, wanted: Wanted) -> Visit:
    """Take the slot for the patient, with its event, audit and idempotency rows.

    With an `override_reason`, policy is overruled: the caller has looked whether it may be.

    Raises:
        NotFound: The brand has no such slot (of that provider), or no such patient.
        InvalidInput: The brand has visit types, and not this one.
        RuleBroken: A booking rule stands against it.
        SlotUnavailable: The slot has begun, or the provider's time is taken.
        TooManyHolds: The patient has as many live holds as `terms` allow.
    """
    wish = _Take(call, wanted, new_id(VISIT), new_id(EVENT))
    has_locks = wanted.override_reason is not None
    for _ in range(_TRIES_MAX):
        outcome = await _placed(database, wish, has_locks=has_locks)
        if isinstance(outcome, Visit):
            return outcome
        if isinstance(outcome, _RefusedInCompany):
            async with database.statement(call) as connection:  # which settles the caller's key
                raise await _too_late(connection, wish, outcome.wanted_from, outcome.wanted_at)
        if isinstance(outcome, _NeedsLocks):
            has_locks = True
        elif outcome.visit_ids:
            async with database.reading() as connection:
                await holds.expire(connection, outcome.visit_ids)
    async with database.statement(call):
        raise SlotUnavailable(slot_id=wanted.slot_id)


async def take_behind_locks(
    connection: AnyConnection, call: Call, wanted: Wanted, *, instead_of: str
) -> Visit:
    """As `take`, in the transaction of a caller who has locked the slot's provider and the patient.

    The visit `instead_of` counts for nothing: the caller means to end or to move it. The caller
    has ended past holds that may be in the way, and settles their own key.
    """
    take = _Take(call.without_key(), wanted, new_id(VISIT), new_id(EVENT), instead_of)
    await _overruled(connection, take)
    outcome = await _take_one(connection, take, has_locks=True)
    if not isinstance(outcome, Visit):
        raise SlotUnavailable(slot_id=wanted.slot_id)
    return outcome


async def _placed(database: Database, wish: _Take, *, has_locks: bool) -> _Final:
    """Write it, and anew whenever another hold of the patient took the place it chose.

    Each time that other hold succeeded, so this ends with a place, or with none left.
    """
    outcome: _Outcome = _PlaceTaken()
    while isinstance(outcome, _PlaceTaken):
        if has_locks:
            outcome = await _take_behind_locks(database, wish)
        else:
            outcome = await database.lane(_Takes).write(wish)
    return outcome


async def _take_behind_locks(database: Database, take: _Take) -> _Outcome:
    """Lock the provider and the patient first, so that what is counted or overruled stays so."""
    wanted, call = take.wanted, take.call
    try:
        async with database.transaction(call) as connection:
            provider_no = await _lock_provider_of_slot.value(
                connection, brand_id=call.brand_id, slot_id=wanted.slot_id
            )
            await catalog.lock_patient(
                connection, brand_id=call.brand_id, patient_id=wanted.patient_id
            )
            overruled: list[str] = []
            if provider_no is not None:
                await holds.expire_of_providers(connection, [provider_no])
                overruled = await _overruled(connection, take)
            return await _take_one(connection, take, has_locks=True, overruled=overruled)
    except asyncpg.UniqueViolationError as error:
        if constraint_of(error) != _PLACE_ONCE:
            raise
        return _PlaceTaken()


async def _overruled(connection: AnyConnection, take: _Take) -> list[str]:
    """Judge the visit by all rules, and return those that stand against it and are overruled.

    A slot that has begun is left to the statement that takes, which tells it before anything else.
    """
    wanted = take.wanted
    judged = await rules.judge_slot(connection, take.call, wanted.slot_id, take.question())
    refusal = refusal_of(
        judged.broken,
        slot_id=wanted.slot_id,
        is_overruled=wanted.override_reason is not None,
    )
    if refusal is not None and judged.starts_at > judged.now:
        if isinstance(refusal, SlotUnavailable):
            refusal = await _too_late(connection, take, judged.provider_id, judged.starts_at)
        raise refusal
    return [str(rule) for rule in judged.broken]


async def _take_one(
    connection: AnyConnection, take: _Take, *, has_locks: bool, overruled: Sequence[str] = ()
) -> _Outcome:
    row = await _take_slot.row(
        connection,
        **take.values(),
        has_locks=has_locks,
        overruled=overruled,
        override_reason=take.wanted.override_reason,
    )
    assert row is not None, "take_slot answers one row"
    if row["visit_id"] is not None:
        return visit_from(row)
    if row["needs_locks"]:
        return _NeedsLocks()
    if row["past_holds"]:
        return _PastHolds(row["past_holds"])
    refusal = _refusal(take.wanted, row, overruled)
    if isinstance(refusal, SlotUnavailable):
        refusal = await _too_late(connection, take, row["wanted_from"], row["wanted_at"])
    raise refusal


async def _too_late(
    connection: AnyConnection, take: _Take, provider_id: str, near_at: datetime
) -> SlotUnavailable:
    return await slot_unavailable(
        connection,
        take.question(),
        brand_id=take.call.brand_id,
        slot_id=take.wanted.slot_id,
        provider_id=provider_id,
        near_at=near_at,
    )


class _Takes:
    """How slots are taken; see group_commit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def one(self, take: _Take, /) -> _Outcome:
        async with self._database.statement(take.call) as connection:
            try:
                return await _take_one(connection, take, has_locks=False)
            except asyncpg.UniqueViolationError as error:
                if constraint_of(error) != _PLACE_ONCE:
                    raise
                return _PlaceTaken()

    async def many(self, takes: Sequence[_Take], /) -> list[_Outcome | Alone]:
        async with self._database.reading() as connection:
            rows = await _take_slots.rows(
                connection, takes=as_json(take.values() for take in takes)
            )
        return [
            visit_from(row)
            if row["visit_id"] is not None
            else ALONE
            if row["goes_alone"]
            else _RefusedInCompany(row["wanted_from"], row["wanted_at"])
            for row in rows
        ]

    def known_as(self, take: _Take, /) -> str:
        return take.call.request_id

    def apart(self, take: _Take, /) -> Iterable[Hashable]:
        call = take.call
        if call.key is not None:
            yield key_identity(call)
        if take.wanted.terms is not None:
            # Both would choose the same place.
            yield call.brand_id, take.wanted.patient_id


def _refusal(wanted: Wanted, row: Record, overruled: Sequence[str]) -> BookwellError:
    """Why the one-row statement took nothing."""
    if not row["slot_found"]:
        return NotFound(rules.NO_SUCH_SLOT)
    if not row["patient_found"]:
        return NotFound(NO_SUCH_PATIENT)
    if row["has_begun"]:
        return SlotUnavailable(slot_id=wanted.slot_id)
    # A slot that was withdrawn while this waited for its provider is judged by nothing.
    broken = set(row["broken"] or ()) - set(overruled)
    if row["has_no_place"] and wanted.terms is not None and not broken:
        return TooManyHolds(holds_max=wanted.terms.holds_max)
    return refusal_of(broken, slot_id=wanted.slot_id) or SlotUnavailable(slot_id=wanted.slot_id)
