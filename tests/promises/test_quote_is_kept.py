"""What the quote says is what cancelling then does, to the microsecond, alone and in company.

The quote is Python's reading of the terms (`domain/quotes.py`), the cancellation PostgreSQL's
(`change_visit_status` and `change_visit_statuses`). Each example asks both in one transaction, at one
instant, and rolls back.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import asyncpg
import psycopg
import pytest
from asyncpg import Connection, Record
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bookwell.domain.callers import Call, operator
from bookwell.domain.quotes import cancel_quote
from bookwell.domain.visits import CANCEL
from bookwell.storage import visits
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.statements import STATEMENTS, as_json
from conftest import clone
from world import LOOP, populate

CALL = Call(caller=operator("cli:tests"), brand_id=LOOP, request_id="req_quotes")
STATUSES = ("held", "booked", "checked_in", "cancelled")
# In minutes; around them the interesting starts are.
LIMITS = (0, 1, 60, 120, 24 * 60)
MICROSECOND = timedelta(microseconds=1)

TERMS = """
INSERT INTO booking.terms (
    brand_id, digest, is_offered, duration_minutes, buffer_before_minutes, buffer_after_minutes,
    grid_minutes, notice_minutes, horizon_days, modality, booked_by, licence_required, time_zone,
    patient_cap_period, cancel_late_minutes, cancel_cutoff_minutes, reschedule_late_minutes,
    reschedule_cutoff_minutes)
VALUES ('loop', $1, true, 30, 0, 0, 30, 0, 365, 'video', 'patient', false, 'UTC', 'day', $2, $3, 0, 0)
RETURNING terms_no
"""
VISIT = """
INSERT INTO booking.visit (
    visit_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at, status, visit_type,
    hold_expires_at, hold_place, terms_no, cancelled_at)
SELECT 'vis_quoted', brand_id, 'pat_ada', provider_no, slot_id, now() + $1, now() + $1 + '30 min',
       $2, 'follow_up', CASE WHEN $2 = 'held' THEN now() + interval '5 min' END,
       CASE WHEN $2 = 'held' THEN 1 END, $3, CASE WHEN $2 = 'cancelled' THEN now() END
FROM booking.slot
LIMIT 1
"""


@dataclass(frozen=True)
class Books:
    """One connection to a small world, and the loop it lives in."""

    runner: asyncio.Runner
    connection: "Connection[Record]"


@pytest.fixture(scope="module")
def books(server: EmbeddedPostgres, template: str) -> Iterator[Books]:
    with clone(server, template) as url, asyncio.Runner() as runner:
        world = populate(url)
        world.add_slot(world.at(9))
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM booking.slot").fetchone() != (0,)
        connected = runner.run(asyncpg.connect(url))
        yield Books(runner, connected)
        runner.run(connected.close())


_numbers = count()


def cancelling() -> dict[str, Any]:
    """The parameters that cancel the visit."""
    return {
        **dict.fromkeys(STATEMENTS["change_visit_status"].parameters),
        "event_id": f"evt_{next(_numbers)}",
        "brand_id": LOOP,
        "visit_id": "vis_quoted",
        "to_status": CANCEL.to_status,
        "from_statuses": sorted(CANCEL.from_statuses),
        "once_begun": False,
        "by_patient": True,
        "is_judged": False,
        "event_type": CANCEL.event_type,
        "audit_type": CANCEL.audit_type,
        "actor_type": "user",
        "actor_id": "ada",
        "request_id": "req_quotes",
        "caller": "patient:ada",
    }


async def cancelled_alone(connection: "Connection[Record]") -> Record | None:
    return await STATEMENTS["change_visit_status"].row(connection, **cancelling())


async def cancelled_in_company(connection: "Connection[Record]") -> Record | None:
    changes = as_json([cancelling()])
    rows = await STATEMENTS["change_visit_statuses"].rows(connection, changes=changes)
    return rows[0] if rows else None


async def judged_by_both(
    connection: "Connection[Record]",
    status: str,
    limits: tuple[int, int] | None,
    begins_in: timedelta,
) -> None:
    """Assert that the quote and both statements say the same of such a visit."""
    undone = connection.transaction()
    await undone.start()
    try:
        digest = str(next(_numbers)).encode()
        terms_no = limits and await connection.fetchval(TERMS, digest, *limits)
        await connection.execute(VISIT, begins_in, status, terms_no)
        seen = await visits.look(connection, CALL, "vis_quoted")
        quote = cancel_quote(seen.visit, seen.terms, now=seen.now)
        for cancelled in (cancelled_alone, cancelled_in_company):
            once = connection.transaction()
            await once.start()
            row = await cancelled(connection)
            await once.rollback()

            assert (row is None) == (quote.refusal is not None), cancelled.__name__
            if row is not None:
                expected = quote.is_late if limits and status == "booked" else None
                assert row["cancelled_late"] == expected, cancelled.__name__
    finally:
        await undone.rollback()


AROUND = st.builds(
    lambda limit, more: timedelta(minutes=limit) + more,
    st.sampled_from(LIMITS),
    st.sampled_from([-MICROSECOND, timedelta(0), MICROSECOND]),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    status=st.sampled_from(STATUSES),
    limits=st.none() | st.tuples(st.sampled_from(LIMITS), st.sampled_from(LIMITS)),
    begins_in=AROUND | st.timedeltas(timedelta(days=-2), timedelta(days=2)),
)
@example(status="booked", limits=(120, 60), begins_in=timedelta(minutes=120))
@example(status="booked", limits=(120, 60), begins_in=timedelta(minutes=120) + MICROSECOND)
@example(status="booked", limits=(120, 60), begins_in=timedelta(minutes=60))
@example(status="booked", limits=(120, 60), begins_in=timedelta(minutes=60) + MICROSECOND)
@example(status="held", limits=(120, 60), begins_in=timedelta(minutes=10))
@example(status="booked", limits=None, begins_in=timedelta(minutes=-10))
def test_what_the_quote_says_is_what_cancelling_does(
    books: Books, status: str, limits: tuple[int, int] | None, begins_in: timedelta
) -> None:
    books.runner.run(judged_by_both(books.connection, status, limits, begins_in))
