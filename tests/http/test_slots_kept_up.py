"""What the running service does by itself: slots follow what they come of, without being asked."""

from datetime import datetime

import pytest
from structlog.testing import capture_logs

from conftest import serving, settings_for
from deriving import add_schedule, cancel_all, change_hours, offered, take
from waiting import until
from world import World

NINE_TO_ELEVEN = ["09:00", "09:30", "10:00", "10:30"]
# Several rounds of the service's own, on a busy machine.
PATIENCE_SECONDS = 20.0


@pytest.fixture
def is_offered(world: World) -> "IsOffered":
    return IsOffered(world)


class IsOffered:
    """Waits until the slots of the world's day begin at these times and no others."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, *times: str, day: datetime | None = None) -> None:
        wanted = list(times)
        await until(
            lambda: offered(self._world, day=day or self._world.day) == wanted,
            seconds=PATIENCE_SECONDS,
        )


async def test_a_changed_visit_type_is_in_the_slots_soon(
    world: World, is_offered: IsOffered
) -> None:
    add_schedule(world)
    async with serving(settings_for(world.database_url)):
        await is_offered(*NINE_TO_ELEVEN)
        world.add_visit_type(
            "follow_up", provider_id="prv_kim", duration_minutes=60, grid_minutes=60
        )
        world.sql("UPDATE booking.derivation SET due_at = booking.now()")

        await is_offered("09:00", "10:00")


async def test_a_time_that_is_offered_no_more_goes_soon_after_its_visit(
    world: World, is_offered: IsOffered
) -> None:
    schedule_id = add_schedule(world)
    async with serving(settings_for(world.database_url)):
        await is_offered(*NINE_TO_ELEVEN)
        take(world, world.at(9.5))
        change_hours(world, schedule_id, "13:00", "14:00")
        await is_offered("09:30", "13:00", "13:30")
        cancel_all(world)

        await is_offered("13:00", "13:30")


async def test_whose_slots_cannot_be_derived_is_logged_and_the_others_have_theirs(
    world: World, is_offered: IsOffered
) -> None:
    add_schedule(world, "prv_both")
    world.sql("UPDATE booking.schedule SET rules = '[]'")
    add_schedule(world, "prv_kim")

    with capture_logs() as logged:
        async with serving(settings_for(world.database_url)):
            await is_offered(*NINE_TO_ELEVEN)
            await until(
                lambda: any(line["event"] == "derivation_failed" for line in logged),
                seconds=PATIENCE_SECONDS,
            )

    (line,) = [line for line in logged if line["event"] == "derivation_failed"]
    assert (line["brand_id"], line["provider_id"]) == ("loop", "prv_both")
    assert line["cause"] == "ValidationError"
    assert any("schedules.py" in place for place in line["where"])
