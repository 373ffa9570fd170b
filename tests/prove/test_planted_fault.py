"""A service without its referee is found out: the constraint dropped, the locks taken out.

What is left looks whether a time is free and then takes it, which is how a service without a
referee is usually written. The product has no such switch; the faults are planted here.
"""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from bookwell.storage.statements import STATEMENTS
from commands import Said, run_to_its_end
from conftest import serving, settings_for
from world import World

REFEREE = "ON CONFLICT ON CONSTRAINT visit_provider_no_overlap DO NOTHING"
LOCK = re.compile(r"FOR (NO KEY UPDATE|SHARE)( OF \w+)?( SKIP LOCKED)?")
# Behind what already must be so for a slot to be taken.
LOOKS_FIRST = """starts_at > booking.now()
        AND NOT EXISTS (
            SELECT FROM booking.visit AS w
            WHERE w.provider_no = {offer}.provider_no
                AND w.starts_at < {offer}.ends_at AND {offer}.starts_at < w.ends_at
                AND w.status IN ('held', 'booked', 'checked_in'))"""


def without_its_referee(sql: str, *, offer: str) -> str:
    """The statement as somebody writes it who has never seen two requests at once."""
    assert REFEREE in sql
    assert LOCK.search(sql)
    assert sql.count("starts_at > booking.now()") == 1
    looks = sql.replace("starts_at > booking.now()", LOOKS_FIRST.format(offer=offer))
    return LOCK.sub("", looks.replace(REFEREE, ""))


@pytest.fixture
def planted(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose database and statements let two into one time."""
    for name, offer in (("take_slot", "judged"), ("take_slots", "candidate")):
        sql = without_its_referee(STATEMENTS[name].sql, offer=offer)
        monkeypatch.setattr(STATEMENTS[name], "sql", sql)
    with psycopg.connect(world.database_url) as connection:
        connection.execute("ALTER TABLE booking.visit DROP CONSTRAINT visit_provider_no_overlap")
    return world


async def proven(world: World, *arguments: str) -> Said:
    async with serving(settings_for(world.database_url)) as base_url:
        return await asyncio.to_thread(
            run_to_its_end,
            *("prove", "--url", base_url, "--clients", "16", "--seed", "7"),
            *arguments,
            BOOKWELL_PROVE_TOKEN="tok-platform",
        )


Asked = Callable[[World], tuple[str, ...]]


@pytest.mark.parametrize(
    "asked",
    [lambda _: (), lambda world: ("--database-url", world.database_url)],
    ids=["through its lists", "in its database"],
)
async def test_a_service_without_constraint_and_lock_turns_it_red(
    planted: World, asked: Asked, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"

    # On a busy machine so few may meet that nobody was told of two; then they race for longer.
    for seconds in ("3", "10", "30"):
        said = await proven(planted, "--seconds", seconds, "--json", str(report), *asked(planted))
        assert said.code == 1, said.out + said.err
        told = json.loads(report.read_bytes())
        checks = {check["name"]: check for check in told["checks"]}
        if checks["linearizable"]["holds"] is False:
            break

    assert checks["double bookings"]["holds"] is False
    assert checks["double bookings"]["found"] > 0
    # The history alone gives it away, too.
    assert checks["linearizable"]["holds"] is False
    for name in ("double bookings", "linearizable"):
        calls = checks[name]["calls"]
        assert calls
        assert {str(number) for number in calls} <= set(told["named_calls"])
    assert "Wrong: double bookings" in said.out
    assert "The calls that show it" in said.out
