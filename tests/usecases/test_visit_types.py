"""Visit types as the rest of the service asks for them, and what their changes bring about."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import psycopg
import pytest

from bookwell.domain.callers import Call, operator
from bookwell.domain.errors import InvalidInput
from bookwell.domain.visit_types import Terms
from bookwell.storage import visit_types as stored
from bookwell.storage.database import Database
from bookwell.storage.visit_types import terms_of_brand, terms_of_providers
from bookwell.usecases import visit_types
from world import LOOP, LOOPBIO, World


def call_for(brand_id: str) -> Call:
    return Call(caller=operator("cli:tests"), brand_id=brand_id, request_id="req_types")


async def add(
    database: Database, visit_type: str, brand_id: str = LOOP, minutes: int = 30
) -> object:
    return await visit_types.add_visit_type(
        database, call_for(brand_id), visit_type, name="N", fields={"duration_minutes": minutes}
    )


async def change(database: Database, visit_type: str, **fields: object) -> object:
    return await visit_types.change_visit_type(
        database, call_for(LOOP), visit_type, name=None, fields=fields
    )


async def override(
    database: Database, provider_id: str, visit_type: str, **fields: object
) -> object:
    return await visit_types.put_override(database, call_for(LOOP), provider_id, visit_type, fields)


def number_of(world: World, provider_id: str) -> int:
    ((provider_no,),) = world.sql(
        "SELECT provider_no FROM booking.provider WHERE provider_id = %s", provider_id
    )
    assert isinstance(provider_no, int)
    return provider_no


def minutes_of(terms: dict[str, Terms]) -> dict[str, int]:
    return {visit_type: each.duration_minutes for visit_type, each in terms.items()}


# ------------------------------------------------------------------------------ as others ask for it


async def test_a_provider_has_the_brands_live_types_with_what_differs(
    world: World, database: Database
) -> None:
    await add(database, "first", minutes=60)
    await add(database, "follow_up", minutes=20)
    await add(database, "gone")
    await add(database, "theirs", LOOPBIO)
    await override(database, "prv_both", "follow_up", duration_minutes=25, is_offered=False)
    await override(database, "prv_both", "gone", duration_minutes=90)
    await visit_types.retire_visit_type(database, call_for(LOOP), "gone")
    kim, both = (number_of(world, provider_id) for provider_id in ("prv_kim", "prv_both"))

    async with database.reading() as connection:
        of_kim = await terms_of_brand(connection, LOOP, kim)
        of_both = await terms_of_brand(connection, LOOP, both)
        of_several = await terms_of_providers(connection, LOOP, [kim, both])
        elsewhere = await terms_of_brand(connection, LOOPBIO, both)

    assert minutes_of(of_kim) == {"first": 60, "follow_up": 20}
    assert minutes_of(of_both) == {"first": 60, "follow_up": 25}
    assert (of_kim["follow_up"].is_offered, of_both["follow_up"].is_offered) == (True, False)
    assert of_several == {kim: of_kim, both: of_both}
    assert minutes_of(elsewhere) == {"theirs": 30}


async def test_terms_are_kept_under_the_number_that_a_visit_has_of_them(
    world: World, database: Database
) -> None:
    await add(database, "follow_up", minutes=20)
    ((before,),) = world.sql("SELECT terms_no FROM booking.visit_type")

    await change(database, "follow_up", duration_minutes=45)

    ((kept,),) = world.sql(
        "SELECT to_json(t) FROM booking.terms AS t WHERE brand_id = %s AND terms_no = %s",
        LOOP,
        before,
    )
    assert msgspec.convert(kept, Terms) == Terms(duration_minutes=20, grid_minutes=20)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE booking.terms SET duration_minutes = 5",
        "DELETE FROM booking.terms",
        "TRUNCATE booking.terms CASCADE",
    ],
)
async def test_nobody_changes_terms_not_even_their_owner(
    world: World, database: Database, statement: str
) -> None:
    await add(database, "follow_up")

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="never change"):
        world.sql(statement)


# --------------------------------------------------------------------------------- slots are derived


def derived(world: World) -> None:
    """The slots of two of loop's providers, and of one of loopbio's, are not due for a day."""
    world.sql(
        "INSERT INTO booking.derivation (brand_id, provider_no, due_at)"
        " SELECT affiliation.brand_id, provider_no, booking.now() + interval '1 day' FROM booking.affiliation"
        " JOIN booking.provider USING (provider_no)"
        " WHERE provider_id IN ('prv_kim', 'prv_both')"
        " ON CONFLICT (provider_no, brand_id) DO UPDATE SET due_at = excluded.due_at"
    )


def due(world: World) -> list[tuple[object, ...]]:
    return world.sql(
        "SELECT provider_id, derivation.brand_id FROM booking.derivation"
        " JOIN booking.provider USING (provider_no) WHERE due_at <= booking.now()"
        " ORDER BY provider_id"
    )


WRITES_OF_TYPE: dict[str, Callable[[Database], Awaitable[object]]] = {
    "add": lambda database: add(database, "new"),
    "change": lambda database: change(database, "old", duration_minutes=20),
    "retire": lambda database: visit_types.retire_visit_type(database, call_for(LOOP), "old"),
}
WRITES_OF_PROVIDER: dict[str, Callable[[Database], Awaitable[object]]] = {
    "override": lambda database: override(database, "prv_kim", "old", duration_minutes=20),
    "remove": lambda database: visit_types.remove_override(
        database, call_for(LOOP), "prv_kim", "old"
    ),
}


@pytest.mark.parametrize("what", WRITES_OF_TYPE)
async def test_a_change_of_a_type_makes_the_slots_of_all_the_brands_providers_due(
    world: World, database: Database, what: str
) -> None:
    await add(database, "old")
    derived(world)

    await WRITES_OF_TYPE[what](database)

    assert due(world) == [("prv_both", LOOP), ("prv_kim", LOOP)]


@pytest.mark.parametrize("what", WRITES_OF_PROVIDER)
async def test_an_override_makes_its_providers_slots_due_and_no_others(
    world: World, database: Database, what: str
) -> None:
    await add(database, "old")
    await override(database, "prv_kim", "old", notice_minutes=5)
    derived(world)

    await WRITES_OF_PROVIDER[what](database)

    assert due(world) == [("prv_kim", LOOP)]


# -------------------------------------------------------------------------------------- all at once


async def test_whoever_changes_types_at_once_takes_turns_and_nothing_is_lost(
    world: World, database: Database
) -> None:
    await add(database, "old")

    await asyncio.gather(
        change(database, "old", notice_minutes=7),
        override(database, "prv_kim", "old", duration_minutes=20),
        change(database, "old", horizon_days=9),
        override(database, "prv_both", "old", duration_minutes=25),
        change(database, "old", modality="phone"),
    )

    kim, both = (number_of(world, provider_id) for provider_id in ("prv_kim", "prv_both"))
    async with database.reading() as connection:
        found = await terms_of_providers(connection, LOOP, [kim, both])
    assert minutes_of(found[kim]) == {"old": 20}
    assert minutes_of(found[both]) == {"old": 25}
    for terms in (found[kim]["old"], found[both]["old"]):
        assert (terms.notice_minutes, terms.horizon_days, terms.modality) == (7, 9, "phone")
    assert world.sql("SELECT version FROM booking.visit_type") == [(4,)]


async def test_of_four_who_add_one_type_at_once_one_adds_it(
    world: World, database: Database
) -> None:
    done = await asyncio.gather(
        *(add(database, "new", minutes=minutes) for minutes in (10, 20, 30, 40)),
        return_exceptions=True,
    )

    failed = [type(each).__name__ for each in done if isinstance(each, Exception)]
    assert failed == ["AlreadyExists"] * 3
    assert world.sql("SELECT count(*) FROM booking.visit_type") == [(1,)]


async def test_a_zone_that_only_our_own_data_knows_is_refused_before_anybody_books(
    database: Database, world: World
) -> None:
    newer_than_the_database = Terms(duration_minutes=30, time_zone="Mars/Olympus_Mons")

    with pytest.raises(InvalidInput) as refusal:
        async with database.transaction(call_for(LOOP)) as connection:
            await stored.add(
                connection,
                brand_id=LOOP,
                visit_type="far",
                name="N",
                terms=newer_than_the_database,
            )

    assert refusal.value.facts == {"field": "time_zone"}
    assert world.sql("SELECT visit_type FROM booking.visit_type") == []
