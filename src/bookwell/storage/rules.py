"""The booking rules, asked for one time. PostgreSQL judges: `booking.broken_rules`."""

from datetime import datetime
from typing import Any

import msgspec
from asyncpg import Record
from msgspec import Struct

from bookwell.domain.callers import Call
from bookwell.domain.errors import NotFound
from bookwell.domain.rules import Rule
from bookwell.domain.visit_types import Terms
from bookwell.storage.statements import AnyConnection, statement

_judge_time = statement("judge_time")

NO_SUCH_SLOT = "There is no such slot."


class Question(Struct, frozen=True, kw_only=True):
    """What visit is to take the time: of which type and patient, as far as that is known.

    `ignored_visit` is the visit that is moved; its own time counts as free. Notice and horizon are
    counted from `asked_at`, or from now.
    """

    visit_type: str | None
    patient_id: str | None
    by_patient: bool
    ignored_visit: str | None = None
    asked_at: datetime | None = None


class Judged(Struct, frozen=True, kw_only=True):
    """A time, the terms a visit then would have, the rules it would break, and every fact.

    The facts are sets of instants (asyncpg ranges), None where there are none or nobody asked.
    `slot_id` is None where no slot begins then; `terms` is None where no type was named, or the
    brand has no such type.
    """

    provider_no: int
    provider_id: str
    slot_id: str | None
    rule_id: str | None
    starts_at: datetime
    ends_at: datetime
    now: datetime
    asked_at: datetime
    terms_no: int | None
    terms: Terms | None
    broken: list[Rule]
    away: Any
    licensed: Any
    patient_full: Any
    provider_full: Any
    held: Any
    busy: Any


async def judge_slot(
    connection: AnyConnection, call: Call, slot_id: str, question: Question
) -> Judged:
    """Judge the brand's slot; NotFound where it has no such slot."""
    row = await _judge(connection, call, question, slot_id=slot_id)
    if row is None:
        raise NotFound(NO_SUCH_SLOT)
    return _judged_from(row)


async def judge_time(
    connection: AnyConnection,
    call: Call,
    provider_id: str,
    starts_at: datetime,
    question: Question,
) -> Judged | None:
    """Judge what begins then; None where the provider is no clinician of the brand."""
    row = await _judge(connection, call, question, provider_id=provider_id, starts_at=starts_at)
    return None if row is None else _judged_from(row)


async def _judge(
    connection: AnyConnection,
    call: Call,
    question: Question,
    *,
    slot_id: str | None = None,
    provider_id: str | None = None,
    starts_at: datetime | None = None,
) -> Record | None:
    return await _judge_time.row(
        connection,
        brand_id=call.brand_id,
        slot_id=slot_id,
        provider_id=provider_id,
        starts_at=starts_at,
        visit_type=question.visit_type,
        patient_id=question.patient_id,
        by_patient=question.by_patient,
        ignored_visit=question.ignored_visit,
        asked_at=question.asked_at,
    )


def _judged_from(row: Record) -> Judged:
    values = dict(row)
    terms = values.pop("terms")
    broken = [Rule(rule) for rule in values.pop("broken")]
    return Judged(
        **values,
        terms=msgspec.json.decode(terms, type=Terms) if terms else None,
        broken=broken,
    )
