"""The simulation notices: each of these breaks the product a little, in this process only."""

from collections.abc import Callable

import pytest

from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.statements import STATEMENTS
from conftest import clone
from simulation import stage
from simulation.run import SimulationFailed, simulate
from world import World, populate

Plant = Callable[[str, str, str], None]
# Enough for each of the faults below to be met many times.
STEPS = 80


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Rewrite a statement of the product: its name, what is there, what stands there instead."""

    def rewrite(name: str, there: str, instead: str) -> None:
        statement = STATEMENTS[name]
        assert there in statement.sql, f"{name} has changed; plant the fault anew"
        monkeypatch.setattr(statement, "sql", statement.sql.replace(there, instead))

    return rewrite


async def test_a_referee_who_looks_away_is_noticed(world: World) -> None:
    world.sql("ALTER TABLE booking.visit DROP CONSTRAINT visit_provider_no_overlap")
    world.sql(
        "ALTER TABLE booking.visit ADD CONSTRAINT visit_provider_no_overlap EXCLUDE USING gist ("
        " int8range(provider_no, provider_no, '[]') WITH &&,"
        " tstzrange(starts_at, ends_at) WITH &&) WHERE (status = 'looked at')"
    )

    with pytest.raises(SimulationFailed, match=r"no order of these calls|no two visits"):
        await simulate(world, 1, STEPS)


async def test_a_cancellation_without_its_event_is_noticed(world: World, plant: Plant) -> None:
    plant("change_visit_status", "), audit AS (", "WHERE status <> 'cancelled'), audit AS (")

    with pytest.raises(SimulationFailed, match="events of vis_"):
        await simulate(world, 1, STEPS)


async def test_a_booking_that_forgets_its_key_is_noticed(world: World, plant: Plant) -> None:
    plant(
        "take_slot",
        "'done', to_jsonb(visit)\n    FROM visit\n    WHERE",
        "'done', to_jsonb(visit) FROM visit WHERE false AND",
    )

    with pytest.raises(SimulationFailed, match=r"the key led to|try 2"):
        await simulate(world, 1, STEPS)


async def test_a_hold_that_is_confirmed_too_late_is_noticed(world: World, plant: Plant) -> None:
    plant(
        "change_visit_status",
        "v.hold_expires_at > ",
        "v.hold_expires_at IS NOT NULL OR v.hold_expires_at > ",
    )

    with pytest.raises(SimulationFailed, match="hold_expired"):
        await simulate(world, 1, STEPS)


async def test_a_failure_tells_its_seed_and_fails_again_at_the_same_step(
    world: World,
    server: EmbeddedPostgres,
    template: str,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Who wins among calls made at once is PostgreSQL's to say, and no seed's; so one at a time here.
    monkeypatch.setattr(stage, "KINDS", {"one": 90, "later": 10})
    plant("change_visit_status", "), audit AS (", "WHERE status <> 'cancelled'), audit AS (")
    with pytest.raises(SimulationFailed, match=r"Again: make simulate SEED=3 STEPS=80") as first:
        await simulate(world, 3, STEPS)

    with (
        clone(server, template) as url,
        pytest.raises(SimulationFailed) as second,
    ):
        await simulate(populate(url), 3, STEPS)

    assert second.value.step == first.value.step
