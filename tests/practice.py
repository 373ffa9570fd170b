"""A brand of a test's own, with visit types and whatever stands in the way of a booking."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from clinic import Clinic, Patient, said
from world import ALL_SCOPES


@dataclass(frozen=True)
class Practice:
    """A brand with staff who may overrule, one provider and one patient."""

    clinic: Clinic
    brand_id: str = field(init=False)
    staff: str = field(init=False)
    admin: str = field(init=False)
    provider_id: str = field(init=False)
    patient: Patient = field(init=False)

    def __post_init__(self) -> None:
        brand_id = self.clinic.new_id("practice").replace("_", "-")
        self.clinic.world.sql("INSERT INTO booking.brand VALUES (%s, 'Practice')", brand_id)
        token = self.clinic.token
        scopes = [*ALL_SCOPES, "override:visits"]
        made = {
            "brand_id": brand_id,
            "staff": token("staff", f"staff-{brand_id}", brand_id=brand_id, scopes=scopes),
            "admin": token(
                "staff", f"admin-{brand_id}", brand_id=brand_id, scopes=["admin:booking"]
            ),
            "provider_id": self.clinic.provider(brand_id),
            "patient": self.clinic.patient(brand_id),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def staff_without_override(self) -> str:
        """A token of staff who may not overrule."""
        return self.clinic.token(
            "staff", self.clinic.new_id("desk"), brand_id=self.brand_id, scopes=ALL_SCOPES
        )

    def visit_type(self, visit_type: str = "follow_up", **terms: Any) -> str:
        """A visit type of half an hour, unless the terms say otherwise."""
        body = {
            "brand_id": self.brand_id,
            "id": visit_type,
            "name": visit_type.replace("_", " "),
            "duration_minutes": 30,
            **terms,
        }
        added = self.clinic.post("/v1/visit-types", body, token=self.admin)
        assert added.status_code == 201, added.text
        return visit_type

    def override(self, provider_id: str, visit_type: str, **fields: Any) -> None:
        """What differs for one provider."""
        path = f"/v1/providers/{provider_id}/visit-types/{visit_type}"
        changed = self.clinic.call("PUT", path, fields, token=self.admin)
        assert changed.status_code == 200, changed.text

    def slot(
        self,
        starts_at: datetime | None = None,
        minutes: int = 30,
        *,
        provider_id: str | None = None,
    ) -> str:
        """A slot posted by hand."""
        return self.clinic.slot(
            starts_at, minutes, provider_id=provider_id or self.provider_id, brand_id=self.brand_id
        )

    def book(
        self, slot_id: str, visit_type: str = "follow_up", *, token: str | None = None, **more: Any
    ) -> httpx.Response:
        """Book the slot for the practice's patient, by staff unless another token is named."""
        body = {
            "brand_id": self.brand_id,
            "patient_id": self.patient.patient_id,
            "slot_id": slot_id,
            "visit_type": visit_type,
            **more,
        }
        return self.clinic.post("/v1/visits", body, token=token or self.staff)

    def booked(self, slot_id: str, visit_type: str = "follow_up", **more: Any) -> dict[str, Any]:
        """A visit that was booked."""
        answer = self.book(slot_id, visit_type, **more)
        assert answer.status_code == 201, answer.text
        visit: dict[str, Any] = answer.json()
        return visit

    def hold(self, slot_id: str, *, token: str | None = None, **more: Any) -> httpx.Response:
        """Hold the slot for the practice's patient."""
        body = {"brand_id": self.brand_id, "patient_id": self.patient.patient_id, **more}
        return self.clinic.post(f"/v1/slots/{slot_id}/hold", body, token=token or self.staff)

    def off(self, starts_at: datetime, ends_at: datetime, provider_id: str | None = None) -> None:
        """The provider is away then, whatever is booked."""
        self.clinic.world.sql(
            "INSERT INTO booking.time_off (time_off_id, brand_id, provider_no, wall_from,"
            " wall_until, time_zone, starts_at, ends_at)"
            " SELECT %s, %s, provider_no, %s::timestamptz AT TIME ZONE 'UTC',"
            " %s::timestamptz AT TIME ZONE 'UTC', 'UTC', %s, %s"
            " FROM booking.provider WHERE provider_id = %s",
            self.clinic.new_id("off"),
            self.brand_id,
            starts_at,
            ends_at,
            starts_at,
            ends_at,
            provider_id or self.provider_id,
        )

    def licence(self, region: str, provider_id: str | None = None, **dates: str) -> None:
        """The provider may see patients of this region."""
        path = f"/v1/providers/{provider_id or self.provider_id}/licences"
        body = {"brand_id": self.brand_id, "region": region, **dates}
        added = self.clinic.post(path, body, token=self.admin)
        assert added.status_code == 201, added.text

    def patient_lives_in(self, *regions: dict[str, str], patient_id: str | None = None) -> None:
        """Where the patient is, and when."""
        path = f"/v1/admin/patients/{patient_id or self.patient.patient_id}/regions"
        said_where = self.clinic.call("PUT", path, {"regions": regions}, token=self.admin)
        assert said_where.status_code == 200, said_where.text

    def search(self, *, token: str | None = None, **query: Any) -> list[dict[str, Any]]:
        """All slots that are offered to this question, page after page."""
        asked = {"brand_id": self.brand_id, "visit_type": "follow_up", **query}
        found: list[dict[str, Any]] = []
        while True:
            answer = self.clinic.get("/v1/slots", token=token or self.staff, **asked)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page["slots"]
            if "next_cursor" not in page:
                return found
            asked["cursor"] = page["next_cursor"]

    def explain(
        self, starts_at: datetime, *, token: str | None = None, **query: Any
    ) -> dict[str, Any]:
        """Why the time is offered or not."""
        asked = {
            "brand_id": self.brand_id,
            "visit_type": "follow_up",
            "provider_id": self.provider_id,
            "start_time": said(starts_at),
            **query,
        }
        answer = self.clinic.get("/v1/slots/explain", token=token or self.staff, **asked)
        assert answer.status_code == 200, answer.text
        explained: dict[str, Any] = answer.json()
        return explained


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)
