"""Holds where no worker runs: readers know the time, and who comes next writes it down."""

import asyncio
from datetime import timedelta

import psycopg
import pytest

from books import add_patients, add_provider, changes_audited, events_of, is_whole
from bookwell.domain.callers import Call, operator
from bookwell.domain.errors import HoldExpired, SlotUnavailable, TooManyHolds
from bookwell.domain.holds import HoldTerms
from bookwell.domain.visits import CANCEL, CONFIRM, Change, Visit, VisitStatus, Wanted
from bookwell.storage import holds
from bookwell.storage.database import Database
from bookwell.usecases.moves import reschedule_visit
from bookwell.usecases.slots import delete_slot
from bookwell.usecases.visit_changes import change_visit
from bookwell.usecases.visits import get_visit, list_visits, take_slot
from waiting import sessions_wait_for_locks
from world import LOOP, World

TERMS = HoldTerms(length=timedelta(minutes=5), holds_max=2)
CALL = Call(caller=operator("cli:tests"), brand_id=LOOP, request_id="req_holds")
EXPIRED = [(1, "booking.visit.held.v1"), (2, "booking.visit.expired.v1")]


def wanted(slot_id: str, terms: HoldTerms | None = TERMS, patient_id: str = "pat_ada") -> Wanted:
    return Wanted(patient_id=patient_id, slot_id=slot_id, visit_type="follow_up", terms=terms)


async def hold(database: Database, slot_id: str, patient_id: str = "pat_ada") -> Visit:
    return await take_slot(database, CALL, wanted(slot_id, patient_id=patient_id))


async def book(database: Database, slot_id: str) -> Visit:
    return await take_slot(database, CALL, wanted(slot_id, None, "pat_bob"))


async def confirm(database: Database, visit: Visit) -> Visit:
    return await change_visit(database, CALL, Change(visit_id=visit.visit_id, transition=CONFIRM))


async def sweep(database: Database) -> int:
    async with database.reading() as connection:
        return await holds.sweep(connection)


def status_written(world: World, visit: Visit) -> object:
    ((status,),) = world.sql("SELECT status FROM booking.visit WHERE visit_id = %s", visit.visit_id)
    return status


async def test_a_hold_is_expired_for_readers_from_its_second_on(
    world: World, database: Database
) -> None:
    visit = await hold(database, world.add_slot(world.at(9)))
    assert visit.hold_expires_at is not None

    world.shift_clock(timedelta(minutes=4, seconds=55))
    in_time = await get_visit(database, CALL, visit.visit_id)
    world.shift_clock(timedelta(minutes=5, seconds=1))
    past = await get_visit(database, CALL, visit.visit_id)
    listed = await list_visits(database, CALL, patient_id="pat_ada", before=None, limit=10)

    assert in_time == visit
    assert (past.status, past.version) == (VisitStatus.EXPIRED, 2)
    assert past.updated_at == past.hold_expires_at == visit.hold_expires_at
    assert listed.items == [past]
    assert status_written(world, visit) == "held", "nobody wrote it down"
    with pytest.raises(HoldExpired):
        await confirm(database, visit)
    assert await sweep(database) == 1
    assert await get_visit(database, CALL, visit.visit_id) == past
    assert status_written(world, visit) == "expired"


@pytest.mark.parametrize("way", ["book", "hold", "move"])
async def test_who_comes_next_writes_the_end_of_a_hold_down_and_takes_its_time(
    world: World, database: Database, way: str
) -> None:
    starts_at = world.at(9)
    past = await hold(database, world.add_slot(starts_at, 60))
    other = await book(database, world.add_slot(world.at(15)))
    half = world.add_slot(starts_at + timedelta(minutes=30))
    world.shift_clock(timedelta(minutes=6))

    if way == "move":
        await reschedule_visit(database, CALL, other.visit_id, new_slot_id=half)
    else:
        await (book if way == "book" else hold)(database, half)

    assert status_written(world, past) == "expired"
    assert events_of(world, past.visit_id) == EXPIRED
    assert changes_audited(world, past.visit_id) == ["visit.held", "visit.expired"]
    assert is_whole(world)


async def test_a_slot_under_a_past_hold_can_be_taken_back(world: World, database: Database) -> None:
    slot_id = world.add_slot(world.at(9))
    past = await hold(database, slot_id)
    world.shift_clock(timedelta(minutes=6))

    await delete_slot(database, CALL, "prv_kim", slot_id)

    with pytest.raises(HoldExpired):
        await confirm(database, past)
    assert await sweep(database) == 1
    assert events_of(world, past.visit_id) == EXPIRED


async def test_past_holds_do_not_count_toward_a_patients_limit(
    world: World, database: Database
) -> None:
    slots = [world.add_slot(world.at(9 + n)) for n in range(5)]
    past = [await hold(database, slot_id) for slot_id in slots[:2]]
    with pytest.raises(TooManyHolds) as refusal:
        await hold(database, slots[2])
    assert refusal.value.facts == {"holds_max": 2}

    world.shift_clock(timedelta(minutes=6))
    for slot_id in slots[2:4]:
        await hold(database, slot_id)

    assert [status_written(world, visit) for visit in past] == ["expired", "expired"]
    with pytest.raises(TooManyHolds):
        await hold(database, slots[4])
    assert is_whole(world)


async def test_a_sweep_ends_what_is_past_and_leaves_the_rest(
    world: World, database: Database
) -> None:
    past = await hold(database, world.add_slot(world.at(9)))
    confirmed = await confirm(database, await hold(database, world.add_slot(world.at(10))))
    world.shift_clock(timedelta(minutes=6))
    live = await hold(database, world.add_slot(world.at(11)))

    assert (await sweep(database), await sweep(database)) == (1, 0)

    assert status_written(world, past) == "expired"
    assert await get_visit(database, CALL, confirmed.visit_id) == confirmed
    assert await get_visit(database, CALL, live.visit_id) == live
    ((actor, who, brand_id),) = world.sql(
        "SELECT actor_type, actor_id, brand_id FROM booking.audit"
        " WHERE event_type = 'visit.expired' AND entity_id = %s",
        past.visit_id,
    )
    assert (actor, who, brand_id) == ("system", "bookwell", LOOP)


async def test_a_sweep_waits_for_nobody_and_comes_back(world: World, database: Database) -> None:
    add_provider(world, "prv_busy")
    busy = await hold(database, world.add_slot(world.at(9), provider_id="prv_busy"))
    idle = await hold(database, world.add_slot(world.at(9)))
    world.shift_clock(timedelta(minutes=6))

    with psycopg.connect(world.database_url) as session:
        session.execute("SELECT FROM booking.provider WHERE provider_id = 'prv_busy' FOR UPDATE")
        assert await sweep(database) == 1
        assert (status_written(world, busy), status_written(world, idle)) == ("held", "expired")
    assert await sweep(database) == 1
    assert status_written(world, busy) == "expired"


async def test_a_confirmation_that_waited_past_the_end_is_too_late(
    world: World, database: Database
) -> None:
    """Readers have said meanwhile that it is expired; the clock behind the lock is what counts."""
    visit = await hold(database, world.add_slot(world.at(9)))

    with psycopg.connect(world.database_url) as session:
        session.execute("SELECT FROM booking.provider WHERE provider_id = 'prv_kim' FOR UPDATE")
        world.sql(
            "UPDATE booking.visit SET hold_expires_at = now() + interval '1 s' WHERE visit_id = %s",
            visit.visit_id,
        )
        confirming = asyncio.create_task(confirm(database, visit))
        await sessions_wait_for_locks(world, 1)
        seen = await get_visit(database, CALL, visit.visit_id)
        while seen.status is VisitStatus.HELD:
            await asyncio.sleep(0.05)
            seen = await get_visit(database, CALL, visit.visit_id)
        session.rollback()

    with pytest.raises(HoldExpired):
        await confirming
    assert seen == await get_visit(database, CALL, visit.visit_id)


async def test_a_patients_holds_at_once_through_many_workers_each_find_a_place(
    world: World,
) -> None:
    """Each worker chooses the first free place, so that they meet there again and again."""
    holds_max = 8
    terms = HoldTerms(length=timedelta(minutes=5), holds_max=holds_max)
    slots = [
        world.add_slot(world.at(9), provider_id=add_provider(world, f"prv_{n}"))
        for n in range(holds_max + 4)
    ]
    # Between choosing a place and taking it there is time for all others to choose the same.
    world.sql(
        "CREATE FUNCTION booking.dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$;"
        "CREATE TRIGGER dawdles BEFORE INSERT ON booking.visit FOR EACH ROW"
        " EXECUTE FUNCTION booking.dawdle()"
    )
    workers = [await Database.connect(world.database_url, pool_size=1) for _ in slots]
    try:
        answers = await asyncio.gather(
            *(
                take_slot(worker, CALL, wanted(slot_id, terms))
                for worker, slot_id in zip(workers, slots, strict=True)
            ),
            return_exceptions=True,
        )
    finally:
        for worker in workers:
            await worker.close()

    refused = [answer for answer in answers if not isinstance(answer, Visit)]
    assert {type(answer) for answer in refused} == {TooManyHolds}
    assert len(refused) == 4
    assert is_whole(world)


async def test_holds_that_are_written_together_are_each_a_hold(
    world: World, database: Database
) -> None:
    """64 at once through one worker: those who wait while the first is written go together."""
    patients = add_patients(world, 32)
    slots = [world.add_slot(world.at(9 + n / 2)) for n in range(32)]

    held = await asyncio.gather(
        *(hold(database, *each) for each in zip(slots, patients, strict=True))
    )
    cancelled = await asyncio.gather(
        *(
            change_visit(database, CALL, Change(visit_id=visit.visit_id, transition=transition))
            for visit, transition in zip(held, [CONFIRM, CANCEL] * 16, strict=True)
        )
    )

    assert {visit.status for visit in held} == {VisitStatus.HELD}
    for visit in held:
        assert visit.hold_expires_at == visit.created_at + TERMS.length
    assert [visit.status for visit in cancelled] == ["booked", "cancelled"] * 16
    assert {visit.hold_expires_at for visit in cancelled} == {None}
    with pytest.raises(SlotUnavailable):
        await book(database, slots[0])
    assert is_whole(world)


async def test_holds_that_are_written_together_end_when_their_slots_begin_at_the_latest(
    world: World, database: Database
) -> None:
    terms = HoldTerms(length=timedelta(days=9), holds_max=1)
    pairs = zip(
        [world.add_slot(world.at(9 + n / 2)) for n in range(8)],
        add_patients(world, 8),
        strict=True,
    )

    held = await asyncio.gather(
        *(take_slot(database, CALL, wanted(slot_id, terms, who)) for slot_id, who in pairs)
    )

    assert [visit.hold_expires_at for visit in held] == [visit.starts_at for visit in held]
