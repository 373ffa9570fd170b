"""A provider whose week tests say over HTTP, and what comes of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from clinic import Clinic
from envelope import ok
from world import LOOP

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def every_day(
    start_time: str = "09:00", end_time: str = "11:00", **more: object
) -> list[dict[str, object]]:
    """The same hours on all seven days, for the practice's one visit type."""
    hours = {"start_time": start_time, "end_time": end_time, "visit_types": ["follow_up"], **more}
    return [{"weekday": day, **hours} for day in WEEKDAYS]


def week(**changes: object) -> dict[str, object]:
    """The body of a schedule: nine to eleven every day, UTC; four half hours."""
    return {"brand_id": LOOP, "time_zone": "UTC", "weekly": every_day(), **changes}


class Practice:
    """A provider of a brand whose one visit type lasts half an hour, every half hour."""

    def __init__(self, clinic: Clinic, *brands: str) -> None:
        self.clinic = clinic
        for brand_id in brands or (LOOP,):
            clinic.world.add_visit_type("follow_up", brand_id, duration_minutes=30, grid_minutes=30)
        self.provider_id = clinic.provider(*brands)
        self.path = f"/v1/providers/{self.provider_id}"

    def schedule(self, **changes: object) -> dict[str, Any]:
        """A schedule of the provider, as `week` with these changes."""
        return ok(self.clinic.post(f"{self.path}/schedules", week(**changes)), 201)

    def away(self, from_: str, until: str, **more: object) -> dict[str, Any]:
        body = {"brand_id": LOOP, "from": from_, "until": until, **more}
        return ok(self.clinic.post(f"{self.path}/time-off", body), 201)

    def slots(self, day: datetime | None = None, **query: object) -> list[dict[str, Any]]:
        """The provider's slots, all of them or those of one day."""
        asked: dict[str, Any] = {"brand_id": LOOP, "limit": 1000, **query}
        if day is not None:
            asked |= {"from": day.isoformat(), "to": (day + timedelta(days=1)).isoformat()}
        found: list[dict[str, Any]] = ok(self.clinic.get(f"{self.path}/slots", **asked))["slots"]
        return found

    def times(self, day: datetime) -> list[str]:
        """When the slots of the day begin, as a wall clock in UTC shows it."""
        return [slot["start_time"][11:16] for slot in self.slots(day)]

    def book(self, slot: Mapping[str, Any]) -> dict[str, Any]:
        patient_id = self.clinic.patient().patient_id
        return self.clinic.visit(slot["id"], patient_id=patient_id)
