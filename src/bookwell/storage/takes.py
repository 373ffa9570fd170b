"""Taking a slot: booking it, or holding it. One statement each, or one statement for many."""

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeAlias

import asyncpg
from asyncpg import Record
from msgspec import Struct

from bookwell.domain.callers import Call
from bookwell.domain.errors import BookwellError, NotFound, SlotUnavailable, TooManyHolds
from bookwell.domain.ids import EVENT, VISIT, new_id
from bookwell.domain.visits import Visit, Wanted
from bookwell.storage import holds
from bookwell.storage.database import Database
from bookwell.storage.failures import constraint_of
from bookwell.storage.group_commit import ALONE, Alone, Lane
from bookwell.storage.idempotency import key_identity, key_values
from bookwell.storage.journal import actor_values
from bookwell.storage.statements import as_json, statement
from bookwell.storage.visits import visit_from

_take_slot = statement("take_slot")
_take_slots = statement("take_slots")

NO_SUCH_SLOT = "There is no such slot."
NO_SUCH_PATIENT = "There is no such patient."

# A slot whose past holds are written down is tried again; more often only when others hold it anew.
_TRIES_MAX = 3


class _Take(Struct, frozen=True):
    call: Call
    wanted: Wanted
    visit_id: str
    event_id: str

    def values(self) -> dict[str, object]:
        """The parameters of take_slot."""
        wanted, call = self.wanted, self.call
        return {
            "visit_id": self.visit_id,
            "event_id": self.event_id,
            "brand_id": call.brand_id,
            "patient_id": wanted.patient_id,
            "slot_id": wanted.slot_id,
            "provider_id": wanted.provider_id,
            "visit_type": wanted.visit_type,
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

    refusal: BookwellError


class _PlaceTaken(Struct, frozen=True):
    """Another hold of the patient was written at once, and has the place that this one chose."""


_Final: TypeAlias = Visit | _PastHolds | _RefusedInCompany
_Outcome: TypeAlias = _Final | _PlaceTaken


async def take(database: Database, call: Call, wanted: Wanted) -> Visit:
    """Take the slot for the patient, with its event, audit and idempotency rows.

    Raises:
        NotFound: The brand has no such slot (of that provider), or no such patient.
        SlotUnavailable: The slot has begun, or the provider's time is taken.
        TooManyHolds: The patient has as many live holds as `terms` allow.
    """
    lane = database.lane(_Takes)
    wish = _Take(call, wanted, new_id(VISIT), new_id(EVENT))
    for _ in range(_TRIES_MAX):
        outcome = await _placed(lane, wish)
        if isinstance(outcome, Visit):
            return outcome
        if isinstance(outcome, _RefusedInCompany):
            async with database.statement(call):  # which settles the caller's key
                raise outcome.refusal
        if outcome.visit_ids:
            async with database.reading() as connection:
                await holds.expire(connection, outcome.visit_ids)
    async with database.statement(call):
        raise SlotUnavailable(slot_id=wanted.slot_id)


async def _placed(lane: Lane[_Take, _Outcome], wish: _Take) -> _Final:
    """Write it, and anew whenever another hold of the patient took the place it chose.

    Each time that other hold succeeded, so this ends with a place, or with none left.
    """
    while isinstance(outcome := await lane.write(wish), _PlaceTaken):
        pass
    return outcome


class _Takes:
    """How slots are taken; see group_commit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def one(self, take: _Take, /) -> _Outcome:
        async with self._database.statement(take.call) as connection:
            try:
                row = await _take_slot.row(connection, **take.values())
            except asyncpg.UniqueViolationError as error:
                if constraint_of(error) != "visit_hold_place_once":
                    raise
                return _PlaceTaken()
            assert row is not None, "take_slot answers one row"
            if row["visit_id"] is not None:
                return visit_from(row)
            if row["past_holds"]:
                return _PastHolds(row["past_holds"])
            raise _refusal(take.wanted, row)

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
            else _RefusedInCompany(SlotUnavailable(slot_id=take.wanted.slot_id))
            for take, row in zip(takes, rows, strict=True)
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


def _refusal(wanted: Wanted, row: Record) -> BookwellError:
    """Why the one-row statement took nothing."""
    if not row["slot_found"]:
        return NotFound(NO_SUCH_SLOT)
    if not row["patient_found"]:
        return NotFound(NO_SUCH_PATIENT)
    if row["has_no_place"] and wanted.terms is not None:
        return TooManyHolds(holds_max=wanted.terms.holds_max)
    return SlotUnavailable(slot_id=wanted.slot_id)
