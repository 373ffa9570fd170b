"""Visit types as loop's administrator keeps them, through the API."""

from typing import Any

import httpx

from clinic import Clinic
from envelope import ok
from world import LOOP

PATH = "/v1/visit-types"

# What a type is like where nothing but its length was said.
UNSAID: dict[str, Any] = {
    "is_offered": True,
    "buffer_before_minutes": 0,
    "buffer_after_minutes": 0,
    "notice_minutes": 0,
    "horizon_days": 365,
    "modality": "video",
    "booked_by": "patient",
    "licence_required": False,
    "time_zone": "UTC",
    "patient_cap": None,
    "patient_cap_period": "day",
    "provider_day_cap": None,
    "cancel_late_minutes": 0,
    "cancel_cutoff_minutes": 0,
    "reschedule_late_minutes": 0,
    "reschedule_cutoff_minutes": 0,
    "late_cancel_price": None,
    "retired_at": None,
}
# Every field with something else in it.
SAID: dict[str, Any] = {
    "duration_minutes": 45,
    "buffer_before_minutes": 5,
    "buffer_after_minutes": 10,
    "grid_minutes": 15,
    "notice_minutes": 120,
    "horizon_days": 60,
    "modality": "in_person",
    "booked_by": "staff",
    "licence_required": True,
    "time_zone": "Europe/Berlin",
    "patient_cap": 2,
    "patient_cap_period": "week",
    "provider_day_cap": 8,
    "cancel_late_minutes": 1440,
    "cancel_cutoff_minutes": 60,
    "reschedule_late_minutes": 720,
    "reschedule_cutoff_minutes": 30,
    "late_cancel_price": {"amount_minor": 2500, "currency": "EUR"},
}


def add(clinic: Clinic, visit_type: str | None = None, **said: object) -> dict[str, Any]:
    """A visit type that loop's administrator adds; half an hour, unless something else is said."""
    return ok(post(clinic, {"id": visit_type or clinic.new_id("type"), **said}), 201)


def post(clinic: Clinic, body: dict[str, object], **more: Any) -> httpx.Response:
    body = {"name": "N. N.", "duration_minutes": 30, **body}
    return clinic.post(PATH, body, **{"token": clinic.world.admin, **more})


def change(clinic: Clinic, visit_type: str, **said: object) -> httpx.Response:
    return clinic.call("PATCH", f"{PATH}/{visit_type}", said, token=clinic.world.admin)


def retire(clinic: Clinic, visit_type: str) -> httpx.Response:
    return clinic.call("DELETE", f"{PATH}/{visit_type}", token=clinic.world.admin)


def override(clinic: Clinic, provider_id: str, visit_type: str, **said: object) -> httpx.Response:
    path = f"/v1/providers/{provider_id}/visit-types/{visit_type}"
    return clinic.call("PUT", path, said, token=clinic.world.admin)


def seen(clinic: Clinic, visit_type: str, **query: Any) -> dict[str, Any] | None:
    """The visit type as the list has it, if it does."""
    listed = ok(clinic.get(PATH, brand_id=LOOP, limit=1000, **query))["visit_types"]
    return next((each for each in listed if each["id"] == visit_type), None)


def as_for(visit_type: dict[str, Any], provider_id: str, **differs: Any) -> dict[str, Any]:
    """The visit type as it is listed for a provider for whom this differs."""
    named = {"provider_id": provider_id, "overridden": sorted(differs)}
    return {**visit_type, **named, **differs}
