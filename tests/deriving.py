"""Schedules written with plain SQL, and derivations run one by one."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from bookwell.storage.database import Database
from bookwell.storage.derivation import Due
from bookwell.usecases.derivation import derive_due
from scheduled import WEEKDAYS
from world import LOOP, World

HORIZON = timedelta(days=7)


def add_schedule(
    world: World,
    provider_id: str = "prv_kim",
    *,
    hours: tuple[str, str] = ("09:00", "11:00"),
    time_zone: str = "UTC",
    brand_id: str = LOOP,
) -> str:
    """The same hours every day, with a derivation that is due; returns the schedule's id."""
    world.add_visit_type("follow_up", brand_id, duration_minutes=30, grid_minutes=30)
    schedule_id = f"sch_{provider_id}_{brand_id}"
    world.sql(
        "INSERT INTO booking.schedule (schedule_id, brand_id, provider_no, time_zone, rules)"
        " SELECT %s, %s, provider_no, %s, %s FROM booking.provider WHERE provider_id = %s",
        schedule_id,
        brand_id,
        time_zone,
        rules(*hours),
        provider_id,
    )
    world.sql(
        "INSERT INTO booking.derivation (brand_id, provider_no, due_at)"
        " SELECT %s, provider_no, now() FROM booking.provider WHERE provider_id = %s",
        brand_id,
        provider_id,
    )
    return schedule_id


def rules(start_time: str, end_time: str) -> str:
    """The document of a schedule with the same hours every day."""
    return json.dumps(
        {
            "weekly": [
                {
                    "rule_id": f"rul_{day}",
                    "weekday": day,
                    "wall_from": f"{start_time}:00",
                    "wall_until": f"{end_time}:00",
                }
                for day in WEEKDAYS
            ]
        }
    )


def change_hours(world: World, schedule_id: str, *hours: str) -> None:
    """Other hours every day; all derivations are due."""
    world.sql(
        "UPDATE booking.schedule SET rules = %s WHERE schedule_id = %s", rules(*hours), schedule_id
    )
    make_due(world)


def make_due(world: World) -> None:
    world.sql("UPDATE booking.derivation SET due_at = booking.now()")


async def derive_all(database: Database, *, horizon: timedelta = HORIZON) -> list[Due]:
    """Derive what is due; returns with whom it failed."""
    failed: list[Due] = []
    await derive_due(database, horizon=horizon, note=lambda due, _error: failed.append(due))
    return failed


def offered(
    world: World, provider_id: str = "prv_kim", *, day: datetime | None = None
) -> list[str]:
    """When the provider's slots begin, of one day or of all, as a wall clock in UTC shows it."""
    found: Iterable[tuple[Any, ...]] = world.sql(
        "SELECT s.starts_at FROM booking.slot AS s JOIN booking.provider USING (provider_no)"
        " WHERE provider_id = %s AND deleted_at IS NULL ORDER BY s.starts_at",
        provider_id,
    )
    return [
        f"{starts_at:%H:%M}"
        for (starts_at,) in found
        if day is None or day <= starts_at < day + timedelta(days=1)
    ]


def take(world: World, at: datetime, *, status: str = "booked") -> str:
    """A visit on the slot of prv_kim that begins then, with plain SQL; returns the slot's id."""
    ((slot_id,),) = world.sql(
        "INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id,"
        " starts_at, ends_at, status, visit_type, hold_expires_at, hold_place)"
        " SELECT 'vis_' || slot_id, brand_id, 'pat_ada', provider_no, slot_id, starts_at, ends_at,"
        " %s, 'follow_up', CASE %s WHEN 'held' THEN starts_at END, CASE %s WHEN 'held' THEN 1 END"
        " FROM booking.slot WHERE starts_at = %s AND deleted_at IS NULL RETURNING slot_id",
        status,
        status,
        status,
        at,
    )
    return str(slot_id)


def cancel_all(world: World) -> None:
    """End all visits, in plain SQL."""
    world.sql(
        "UPDATE booking.visit SET status = 'cancelled', cancelled_at = now(),"
        " hold_expires_at = NULL, hold_place = NULL"
    )
