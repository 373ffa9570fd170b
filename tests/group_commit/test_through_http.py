"""Company through HTTP: poisoned rows, a key that somebody is just writing, a database that dies."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import monotonic

import httpx
import psycopg
import pytest

from at_once import Doors, Shot, doors_to
from books import add_patients, add_provider, count, is_whole, overlapping_visits
from bookwell.settings import Settings
from bookwell.storage.connections import CONNECT_TIMEOUT_SECONDS
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.migrate import migrate
from conftest import serving, settings_for
from embedded_servers import a_folder, database, kill_the_server
from waiting import sessions_wait_for_locks, until
from world import World, headers, populate

CALLERS = 200
POOL_SIZE = Settings().pool_size
# Rows of one provider cannot be written by two statements at once; so there are some.
PROVIDERS = 8


@asynccontextmanager
async def doors_of(world: World) -> AsyncIterator[Doors]:
    async with serving(settings_for(world.database_url)) as base_url, doors_to(base_url) as doors:
        yield doors


def slots_of_many(world: World, number: int) -> list[str]:
    """So many slots of an hour, none of which is in another's way."""
    providers = [add_provider(world, f"prv_{n}") for n in range(PROVIDERS)]
    return [
        world.add_slot(world.at(n // PROVIDERS), 60, provider_id=providers[n % PROVIDERS])
        for n in range(number)
    ]


def booking(world: World, slot_id: str, key: str, **more: str) -> Shot:
    return Shot(
        path="/v1/visits",
        headers=headers(world.staff, idempotency_key=key),
        body=world.book(slot_id, **more),
    )


async def test_poisoned_rows_among_two_hundred_cost_no_neighbour_anything(world: World) -> None:
    slots = slots_of_many(world, CALLERS)
    async with doors_of(world) as doors:
        (used,) = await doors.race([booking(world, slots[0], "used")])
        shots = [booking(world, slot, f"k{n}") for n, slot in enumerate(slots)]
        shots[0] = booking(world, slots[0], "used")
        shots[40] = booking(world, slots[40], "used")
        shots[80] = booking(world, "slt_nowhere", "k80")
        shots[120] = booking(world, slots[120], "k120", patient_id="pat_nobody")
        shots[160] = booking(world, slots[161], "k160")

        answers = await doors.race(shots)

    assert used.status_code == 201
    replayed, mismatched, no_slot, no_patient = (answers[n] for n in (0, 40, 80, 120))
    assert (replayed.status_code, replayed.content) == (201, used.content)
    assert mismatched.json()["error"] == "idempotency_key_payload_mismatch"
    assert (no_slot.status_code, no_patient.status_code) == (404, 404)
    assert {answers[160].status_code, answers[161].status_code} == {201, 409}
    rest = set(range(CALLERS)) - {0, 40, 80, 120, 160, 161}
    assert Counter(answers[n].status_code for n in rest) == {201: len(rest)}
    assert count(world, "visit") == CALLERS - 4
    assert is_whole(world)


async def test_two_hundred_calls_take_far_fewer_statements(world: World) -> None:
    slots = slots_of_many(world, CALLERS)
    async with doors_of(world) as doors:
        answers = await doors.race([booking(world, s, f"k{n}") for n, s in enumerate(slots)])

    assert {answer.status_code for answer in answers} == {201}
    # What one statement wrote has one transaction id.
    ((statements,),) = world.sql("SELECT count(DISTINCT xmin::text) FROM booking.visit")
    assert isinstance(statements, int)
    assert statements < CALLERS / 2


async def test_a_key_that_somebody_is_just_writing_fails_a_company_and_nobody_in_it(
    world: World,
) -> None:
    slots = slots_of_many(world, 24)
    write_key = (
        "INSERT INTO booking.idempotency"
        " (brand_id, caller, route, key, fingerprint, outcome, answer)"
        " VALUES ('loop', 'staff:staff-1', 'POST /v1/visits', 'k7', '', 'done', '{}')"
    )
    async with doors_of(world) as doors:
        with psycopg.connect(world.database_url) as session:
            session.execute(write_key)
            racing = asyncio.create_task(
                doors.race([booking(world, slot, f"k{n}") for n, slot in enumerate(slots)])
            )
            await sessions_wait_for_locks(world, 1)
            session.commit()
        answers = await racing

    assert answers[7].json()["error"] == "idempotency_key_payload_mismatch"
    assert Counter(answer.status_code for answer in answers) == {201: 23, 409: 1}
    assert is_whole(world)


@pytest.fixture
def own() -> Iterator[tuple[EmbeddedPostgres, Path, World]]:
    """A world on a server of its own, which keeps what it commits when it is killed."""
    with a_folder() as folder, database(folder, durable=True) as server:
        migrate(server.url)
        yield server, folder, populate(server.url)


async def test_when_the_database_is_killed_all_who_wait_hear_503_and_book_once_when_they_ask_again(
    own: tuple[EmbeddedPostgres, Path, World],
) -> None:
    server, folder, world = own
    slots = slots_of_many(world, CALLERS)
    add_patients(world, 1)
    shots = [booking(world, slot, f"k{n}") for n, slot in enumerate(slots)]
    async with doors_of(world) as doors:
        with closing(psycopg.connect(world.database_url)) as session:
            session.execute("LOCK TABLE booking.event IN EXCLUSIVE MODE")
            racing = asyncio.create_task(doors.race(shots))
            # Two hundred connections are opened first, which takes a busy machine its time.
            await until(lambda: _waiting(world) >= 3, seconds=15)
            killed_at = monotonic()
            await asyncio.to_thread(kill_the_server, folder)
        answers = await racing
        assert monotonic() - killed_at < CONNECT_TIMEOUT_SECONDS
        assert {(a.status_code, a.json()["error"]) for a in answers} == {
            (503, "database_unavailable")
        }

        await asyncio.to_thread(server.ensure_running)
        assert count(world, "visit") == 0
        told: dict[int, httpx.Response] = {}
        while len(told) < CALLERS:
            missing = [n for n in range(CALLERS) if n not in told]
            for n, answer in zip(
                missing, await doors.race([shots[n] for n in missing]), strict=True
            ):
                assert answer.status_code in {201, 503}
                if answer.status_code == 201:
                    told[n] = answer

    ids = {answer.json()["id"] for answer in told.values()}
    assert {visit_id for (visit_id,) in world.sql("SELECT visit_id FROM booking.visit")} == ids
    assert len(ids) == CALLERS
    assert overlapping_visits(world) == []
    assert is_whole(world)


def _waiting(world: World) -> int:
    ((waiting,),) = world.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bookwell'"
        " AND wait_event_type = 'Lock'"
    )
    assert isinstance(waiting, int)
    return waiting


async def test_a_locked_provider_is_felt_by_their_own_callers_only(world: World) -> None:
    locked_slots = [
        world.add_slot(world.at(n / 4), 15, provider_id="prv_kim") for n in range(2 * POOL_SIZE)
    ]
    others = slots_of_many(world, 24)
    async with doors_of(world) as doors:
        with psycopg.connect(world.database_url) as session:
            session.execute(
                "SELECT FROM booking.provider WHERE provider_id = 'prv_kim' FOR NO KEY UPDATE"
            )
            waiting = asyncio.create_task(
                doors.race([booking(world, slot, f"w{n}") for n, slot in enumerate(locked_slots)])
            )
            await sessions_wait_for_locks(world, POOL_SIZE // 4)
            look = Shot(path="/v1/visits?brand_id=loop", headers=headers(world.staff), method="GET")
            shots = [booking(world, slot, f"o{n}") for n, slot in enumerate(others)]
            answers = await doors.race([*shots, *[look] * POOL_SIZE])

            assert not waiting.done()
        heard = await waiting

    assert [answer.status_code for answer in answers] == [201] * 24 + [200] * POOL_SIZE
    assert {answer.status_code for answer in heard} <= {201, 503}
    assert is_whole(world)
