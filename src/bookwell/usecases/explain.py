"""Say why a time may be booked, or why not."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from bookwell.domain.callers import Call
from bookwell.domain.errors import NotFound
from bookwell.domain.explanations import Explanation, Time, explained
from bookwell.domain.intervals import Interval
from bookwell.domain.rules import Rule
from bookwell.storage import catalog, rules, search
from bookwell.storage.database import Database
from bookwell.storage.rules import Question
from bookwell.storage.statements import AnyConnection
from bookwell.storage.takes import NO_SUCH_PATIENT
from bookwell.usecases.search import moved_visit, question_of

_EVER = Interval(
    datetime.fromisoformat("0001-01-02T00:00:00Z"), datetime.fromisoformat("9999-12-30T00:00:00Z")
)


# As `judge_time` has it: how long a time is where nothing says so.
_MINUTES_WITHOUT_TYPE = 30


async def explain_time(
    database: Database,
    call: Call,
    *,
    visit_type: str,
    provider_id: str,
    starts_at: datetime,
    patient_id: str | None,
    reschedule_of: str | None,
) -> Explanation:
    """Every booking rule, and what it says of a visit that begins then.

    Raises:
        NotFound: No such patient, or no such visit to move, for this caller.
    """
    if call.patient_id is not None and patient_id not in (None, call.patient_id):
        raise NotFound(NO_SUCH_PATIENT)
    async with database.reading() as connection:
        moved = await moved_visit(connection, call, reschedule_of)
        question = question_of(call, moved, visit_type=visit_type, patient_id=patient_id)
        await _check_patient(connection, call, question.patient_id)
        judged = await rules.judge_time(connection, call, provider_id, starts_at, question)
        if judged is None:
            return explained(await _of_nobody(connection, call, visit_type, starts_at, question))
    broken = set(judged.broken)
    is_own_slot = moved is not None and judged.slot_id == moved.slot_id
    if is_own_slot:
        broken.add(Rule.BUSY)
    if moved is not None and moved.visit_type == visit_type:
        # A visit that is moved keeps its type, also one that its brand no longer has.
        broken.discard(Rule.VISIT_TYPE)
    return explained(
        Time(
            slot_id=judged.slot_id,
            starts_at=judged.starts_at,
            ends_at=judged.ends_at,
            now=judged.now,
            visit_type=visit_type,
            terms=judged.terms,
            broken=broken,
            away=_intervals(judged.away, Interval(judged.starts_at, judged.ends_at)),
            rule_id=judged.rule_id,
            by_patient=question.by_patient,
            names_patient=question.patient_id is not None,
            is_own_slot=is_own_slot,
        )
    )


async def _check_patient(connection: AnyConnection, call: Call, patient_id: str | None) -> None:
    if patient_id is not None and not await catalog.find_patient(
        connection, brand_id=call.brand_id, patient_id=patient_id
    ):
        raise NotFound(NO_SUCH_PATIENT)


async def _of_nobody(
    connection: AnyConnection,
    call: Call,
    visit_type: str,
    starts_at: datetime,
    question: Question,
) -> Time:
    """What is known of a time of somebody who does not work for the brand."""
    wanted = await search.wanted_type(connection, call.brand_id, visit_type)
    minutes = wanted.terms.duration_minutes if wanted.terms else _MINUTES_WITHOUT_TYPE
    unknown = {Rule.VISIT_TYPE} if wanted.is_unknown else set()
    return Time(
        slot_id=None,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=minutes),
        now=wanted.now,
        visit_type=visit_type,
        terms=wanted.terms,
        broken={Rule.BRAND, Rule.HOURS} | unknown,
        by_patient=question.by_patient,
        names_patient=question.patient_id is not None,
        has_provider=False,
    )


def _intervals(ranges: Iterable[Any] | None, around: Interval) -> list[Interval]:
    """The ranges of a driver as intervals, of those that overlap this one."""
    return [
        Interval(each.lower or _EVER.starts_at, each.upper or _EVER.ends_at)
        for each in ranges or ()
        if (each.lower or _EVER.starts_at) < around.ends_at
        and (each.upper or _EVER.ends_at) > around.starts_at
    ]
