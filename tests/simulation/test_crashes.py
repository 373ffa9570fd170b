"""Each named point is reached, and a batch that crashes there is written once all the same."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bookwell.storage.statements import STATEMENTS
from simulation import calls
from simulation.calls import STAFF, Call
from simulation.crashes import LOCKS, Crash, Point
from simulation.stage import Stage, on_stage
from world import World

ON_THE_WIRE = [Point.BEFORE_COMMIT, Point.AFTER_COMMIT]
IN_THE_MIDDLE = [Point.SESSION_ENDED, Point.LEFT, Point.GIVEN_UP]


@pytest.fixture
async def stage(world: World) -> AsyncIterator[Stage]:
    async with on_stage(world, []) as stage:
        yield stage


async def offered(stage: Stage, number: int) -> list[str]:
    """So many slots of Kim's that no other meets."""
    begins = stage.book.now + timedelta(days=2, seconds=20)
    times = [begins + n * timedelta(minutes=20) for n in range(number)]
    wanted = [calls.create_slot(STAFF, "prv_kim", at, at + timedelta(minutes=20)) for at in times]
    await stage.make(wanted, stage.services)
    return [slot.slot_id for slot in stage.book.slots.values() if slot.starts_at in times]


def bookings(slots: list[str]) -> list[Call]:
    """Each with a key."""
    return [
        calls.with_key(calls.book(STAFF, slot_id, "pat_ada"), f"k-{number}")
        for number, slot_id in enumerate(slots)
    ]


def booked(stage: Stage, slots: list[str]) -> list[str]:
    return [
        visit.slot_id
        for visit in stage.book.visits.values()
        if visit.slot_id in slots and visit.status == "booked"
    ]


@pytest.mark.parametrize("takes_service", [False, True], ids=["connection", "service"])
@pytest.mark.parametrize("point", ON_THE_WIRE, ids=lambda point: point.name)
async def test_a_batch_that_crashes_around_its_commit_is_written_once(
    stage: Stage, point: Point, takes_service: bool
) -> None:
    slots = await offered(stage, 8)
    # The first booking goes alone, and what arrives meanwhile goes together after it.
    crash = Crash(point, nth=2, lock="rows", takes_service=takes_service)

    trap = await stage.make(bookings(slots), stage.services[:1], crash)

    assert trap is not None
    assert trap.met == STATEMENTS["take_slots"].sql
    assert stage.report.unanswered >= 2
    assert sorted(booked(stage, slots)) == sorted(slots)
    await stage.settle(stage.services[1])


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("point", IN_THE_MIDDLE, ids=lambda point: point.name)
async def test_bookings_that_crash_in_the_middle_are_written_once(
    stage: Stage, point: Point, lock: str
) -> None:
    slots = await offered(stage, 4)

    trap = await stage.make(
        bookings(slots), stage.services[:1], Crash(point, 1, lock, takes_service=False)
    )

    assert trap is not None
    assert trap.sprung
    assert stage.report.unanswered >= 1
    assert sorted(booked(stage, slots)) == sorted(slots)
    await stage.settle(stage.services[1])


@pytest.mark.parametrize("nth", range(1, 6))
async def test_a_move_that_crashes_between_its_statements_moves_once(
    stage: Stage, nth: int
) -> None:
    first, second = await offered(stage, 2)
    await stage.make(bookings([first]), stage.services)
    (visit,) = stage.book.visits.values()
    move = calls.with_key(calls.reschedule(STAFF, visit.visit_id, second), "k-move")

    trap = await stage.make(
        [move], stage.services[:1], Crash(Point.BETWEEN_STATEMENTS, nth, "rows", False)
    )

    assert trap is not None
    assert trap.sprung
    assert booked(stage, [first, second]) == [second]
    assert len(stage.book.visits[visit.visit_id].facts) == 2
    await stage.settle(stage.services[1])


async def test_an_answer_that_is_lost_after_the_commit_leaves_its_effect(stage: Stage) -> None:
    (slot_id,) = await offered(stage, 1)
    (booking,) = bookings([slot_id])
    crash = Crash(Point.AFTER_COMMIT, 1, "rows", takes_service=False)

    trap = await stage.make([booking], stage.services[:1], crash)

    assert trap is not None
    assert [answer.status for answer in trap.first_answers] == [503]
    assert booked(stage, [slot_id]) == [slot_id]
    assert stage.story[-1].endswith('201 booked "1" (replayed) at try 2')
