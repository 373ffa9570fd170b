"""A disruption desk of a test's own: a clinic with two providers, of whom one is out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from clinic import Clinic, said
from envelope import ok
from practice import Practice

LENGTH = timedelta(minutes=30)


@dataclass(frozen=True)
class Desk:
    """A practice whose provider is out on one day from nine to eleven; another is there."""

    clinic: Clinic
    practice: Practice = field(init=False)
    other: str = field(init=False)
    day: datetime = field(init=False)

    def __post_init__(self) -> None:
        practice = Practice(self.clinic)
        practice.visit_type()
        made = {
            "practice": practice,
            "other": self.clinic.provider(practice.brand_id),
            "day": self.clinic.world.at(0, days=7),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def at(self, hours: float, *, days: int = 0) -> datetime:
        return self.day + timedelta(days=days, hours=hours)

    def slot(self, hours: float, *, days: int = 0, provider_id: str | None = None) -> str:
        """Half an hour of the provider who is out, or of another, posted by hand."""
        return self.practice.slot(self.at(hours, days=days), provider_id=provider_id)

    def visit(self, hours: float = 9, **more: Any) -> dict[str, Any]:
        """A visit with the provider who is out; of a patient of its own."""
        more.setdefault("patient_id", self.clinic.patient(self.practice.brand_id).patient_id)
        return self.practice.booked(self.slot(hours), **more)

    def call(
        self, method: str, path: str, body: object = None, *, token: str | None = None, **more: Any
    ) -> httpx.Response:
        """A call of the practice's staff."""
        return self.clinic.call(method, path, body, token=token or self.practice.staff, **more)

    def out(self, **changes: object) -> dict[str, object]:
        """The body that says so: from nine to eleven."""
        times = {"from": said(self.at(9)), "until": said(self.at(11))}
        return {"brand_id": self.practice.brand_id, **times, **changes}

    def try_open(self, **changes: Any) -> httpx.Response:
        path = f"/v1/providers/{self.practice.provider_id}/disruptions"
        return self.call("POST", path, self.out(**changes))

    def preview(self, **changes: object) -> dict[str, Any]:
        return ok(self.try_open(dry_run=True, **changes))

    def open(self, **changes: object) -> dict[str, Any]:
        return ok(self.try_open(**changes), 201)

    def get(self, draft: Mapping[str, Any]) -> dict[str, Any]:
        return ok(self.call("GET", f"/v1/disruptions/{draft['id']}"))

    def try_choose(
        self, draft: Mapping[str, Any], visit: Mapping[str, Any], action: str, **more: Any
    ) -> httpx.Response:
        path = f"/v1/disruptions/{draft['id']}/choices/{visit['id']}"
        headers = more.pop("headers", None)
        return self.call("PUT", path, {"action": action, **more}, headers=headers)

    def choose(
        self, draft: Mapping[str, Any], visit: Mapping[str, Any], action: str, **more: Any
    ) -> dict[str, Any]:
        return ok(self.try_choose(draft, visit, action, **more))

    def try_commit(self, draft: Mapping[str, Any], **more: Any) -> httpx.Response:
        headers = more.pop("headers", None)
        return self.call(
            "POST", f"/v1/disruptions/{draft['id']}/commit", more or None, headers=headers
        )

    def commit(self, draft: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return ok(self.try_commit(draft, **more))

    def abandon(self, draft: Mapping[str, Any]) -> httpx.Response:
        return self.call("POST", f"/v1/disruptions/{draft['id']}/abandon")

    def read(self, visit: Mapping[str, Any]) -> dict[str, Any]:
        """The visit as it is now."""
        return ok(self.call("GET", f"/v1/visits/{visit['id']}"))


def alone(disruption: Mapping[str, Any]) -> dict[str, Any]:
    """The only visit of a disruption."""
    (visit,) = disruption["visits"]
    found: dict[str, Any] = visit
    return found
