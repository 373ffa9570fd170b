"""The log is read on from a place: everything wanted is found once, and nothing of anybody else's."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import msgspec
import pytest

from bookwell.domain.envelopes import LoggedEvent
from bookwell.storage import event_log
from bookwell.storage.event_log import LogPage, LogState
from world import LOOP, LOOPBIO, World

CREATED, CANCELLED = "booking.visit.created.v1", "booking.visit.cancelled.v1"
# By visit, type and patient, in the order in which they happened.
HISTORY = [
    ("vis_1", 1, CREATED, "pat_ada"),
    ("vis_2", 1, CREATED, "pat_bob"),
    ("vis_1", 2, CANCELLED, "pat_ada"),
    ("vis_3", 1, CREATED, "pat_ada"),
    ("vis_2", 2, CANCELLED, "pat_bob"),
]


async def test_a_page_has_the_places_in_order_and_the_next_one_goes_on_from_it(log: "Log") -> None:
    first = await log.page(row_limit=2)
    second = await log.page(after=first.read_to, row_limit=2)
    last = await log.page(after=second.read_to, row_limit=2)

    assert [places(page) for page in (first, second, last)] == [[1, 2], [3, 4], [5]]
    assert last.read_to == last.state.last_position == 5


async def test_types_visits_and_patients_are_told_apart(log: "Log") -> None:
    cancelled = await log.page(event_types=[CANCELLED])
    of_visit = await log.page(visit_id="vis_1")
    of_both = await log.page(visit_id="vis_1", event_types=[CANCELLED])
    of_patient = await log.page(patient_id="pat_bob")
    of_somebody_else = await log.page(patient_id="pat_bob", visit_id="vis_1")

    assert places(cancelled) == [3, 5]
    assert places(of_visit) == [1, 3]
    assert places(of_both) == [3]
    assert places(of_patient) == [2, 5]
    assert places(of_somebody_else) == []


async def test_an_event_of_a_patients_visit_that_is_about_somebody_else_is_not_theirs(
    log: "Log",
) -> None:
    await log.connection.execute(
        'UPDATE booking.event SET data = \'{"patient_id": "pat_bob"}\' WHERE position = 3'
    )

    assert places(await log.page(patient_id="pat_ada")) == [1, 4]
    assert places(await log.page(patient_id="pat_ada", visit_id="vis_1")) == [1]


async def test_whoever_reads_on_with_a_filter_gets_to_the_end_of_the_log(log: "Log") -> None:
    wanted: dict[str, Any]
    for wanted in ({"event_types": [CREATED]}, {"visit_id": "vis_3"}, {"patient_id": "pat_ada"}):
        assert (await log.page(**wanted)).read_to == 5
    assert (await log.page(event_types=[CREATED], row_limit=2)).read_to == 2


async def test_a_filtered_page_looks_at_so_many_places_and_says_how_far_it_got(
    log: "Log", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "SCAN_MAX", 2)

    pages = [await log.page(after=after, event_types=[CANCELLED]) for after in (0, 2, 4)]

    assert [(places(page), page.read_to) for page in pages] == [([], 2), ([3], 4), ([5], 5)]


async def test_beyond_the_end_there_is_nothing_and_the_reader_stays(log: "Log") -> None:
    page = await log.page(after=77)

    assert (page.events, page.read_to) == ([], 77)


async def test_another_brands_log_is_another(log: "Log") -> None:
    foreign = await log.page(brand_id=LOOPBIO)
    by_visit = await log.page(brand_id=LOOPBIO, visit_id="vis_1")

    assert foreign == by_visit == LogPage(events=[], read_to=0, state=LogState())
    assert await log.state() == LogState(last_position=5, kept_from=1)
    assert await log.state(LOOPBIO) == LogState(last_position=0, kept_from=1)


async def test_an_event_is_read_as_it_was_written(log: "Log") -> None:
    ((first, *_), whole) = (await log.read(), await log.page())

    assert whole.events[0] == first
    assert (first.event_id, first.event_type, first.sequence) == ("evt_1", CREATED, 1)
    assert msgspec.json.decode(first.data) == {"patient_id": "pat_ada", "visit_id": "vis_1"}


class Log:
    """The world's log, with HISTORY in it."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.connection = connection

    async def page(self, **wanted: Any) -> LogPage:
        return await event_log.read_page(self.connection, **_all_but(wanted))

    async def read(self, **wanted: Any) -> Sequence[LoggedEvent]:
        return await event_log.read(self.connection, **_all_but(wanted))

    async def state(self, brand_id: str = LOOP) -> LogState:
        return await event_log.state_of(self.connection, brand_id=brand_id)


def _all_but(wanted: dict[str, Any]) -> dict[str, Any]:
    everything: dict[str, Any] = {"brand_id": LOOP, "after": 0, "row_limit": 100}
    no_filter = {"event_types": None, "visit_id": None, "patient_id": None}
    return {**everything, **no_filter, **wanted}


def places(page: LogPage) -> list[int]:
    return [event.position for event in page.events]


@pytest.fixture
async def log(world: World) -> AsyncIterator[Log]:
    for number, (visit_id, sequence, event_type, patient_id) in enumerate(HISTORY, start=1):
        slot_id = world.add_slot(world.at(9 + number), slot_id=f"slt_{number}")
        if sequence == 1:
            world.sql(
                "INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id,"
                " starts_at, ends_at, status, visit_type) SELECT %s, brand_id, %s, provider_no,"
                " slot_id, starts_at, ends_at, 'booked', 'follow_up' FROM booking.slot"
                " WHERE slot_id = %s",
                visit_id,
                patient_id,
                slot_id,
            )
        world.sql(
            "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
            " VALUES (%s, 'loop', %s, %s, %s,"
            " jsonb_build_object('visit_id', %s::text, 'patient_id', %s::text))",
            f"evt_{number}",
            event_type,
            visit_id,
            sequence,
            visit_id,
            patient_id,
        )
    world.sql("SELECT booking.number_events(100, 0)")
    connection = await asyncpg.connect(world.database_url)
    try:
        yield Log(connection)
    finally:
        await connection.close()
