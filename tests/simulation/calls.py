"""Who calls, and what they may ask: each call knows its request, and the words its rule needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from simulation.book import said


@dataclass(frozen=True)
class Person:
    """Somebody with a token. The platform's service names its brand in a header."""

    name: str
    token: str
    role: str
    brand_id: str
    subject: str
    patient_id: str | None = None
    names_brand: bool = False

    @property
    def is_patient(self) -> bool:
        return self.role == "patient"


ADA = Person("Ada", "tok-pat-ada", "patient", "loop", "sub-ada", "pat_ada")
BOB = Person("Bob", "tok-pat-bob", "patient", "loop", "sub-bob", "pat_bob")
EVE = Person("Eve", "tok-pat-eve", "patient", "loopbio", "sub-eve", "pat_eve")
STAFF = Person("staff of loop", "tok-staff-loop", "staff", "loop", "staff-1")
STAFF_BIO = Person("staff of loopbio", "tok-staff-loopbio", "staff", "loopbio", "staff-2")
SERVICE = Person("service of loop", "tok-service-loop", "service", "loop", "svc-1")
PLATFORM = Person(
    "platform for loop", "tok-platform", "service", "loop", "svc-platform", names_brand=True
)
PLATFORM_BIO = Person(
    "platform for loopbio", "tok-platform", "service", "loopbio", "svc-platform", names_brand=True
)
PEOPLE = (ADA, BOB, EVE, STAFF, STAFF_BIO, SERVICE, PLATFORM, PLATFORM_BIO)


@dataclass(frozen=True)
class Call:
    """`verb` names its rule, `target` what it is about; `route` is where its key counts."""

    verb: str
    who: Person
    method: str
    path: str
    route: str
    target: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    versions: tuple[int, ...] | None = None

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.who.token}"}
        if self.who.names_brand:
            headers["X-Brand-Id"] = self.who.brand_id
        if self.key is not None:
            headers["Idempotency-Key"] = self.key
        if self.versions is not None:
            headers["If-Match"] = ", ".join(f'"{version}"' for version in self.versions)
        return headers

    @property
    def place_of_key(self) -> tuple[str, ...]:
        return (self.who.brand_id, self.who.role, self.who.subject, self.route, str(self.key))

    @property
    def fingerprint(self) -> tuple[str, str]:
        return self.path, repr(sorted(self.body.items()))

    def __str__(self) -> str:
        more = [f"{name}={value}" for name, value in self.body.items()]
        if self.key:
            more.append(f"key {self.key}")
        if self.versions is not None:
            more.append(f"versions {self.versions}")
        return f"{self.who.name}: {self.method} {self.path} {' '.join(more)}".rstrip()


def book(who: Person, slot_id: str, patient_id: str, **more: str) -> Call:
    """`more` may be `brand_id` (of somebody else), `provider_id`, `hold_id`."""
    body = {
        "brand_id": who.brand_id,
        "patient_id": patient_id,
        "slot_id": slot_id,
        "visit_type": "follow_up",
        **more,
    }
    verb = "book_held" if "hold_id" in more else "book"
    return Call(verb, who, "POST", "/v1/visits", "POST /v1/visits", slot_id, body)


def hold(who: Person, slot_id: str, patient_id: str) -> Call:
    path = f"/v1/slots/{slot_id}/hold"
    body = {"patient_id": patient_id}
    return Call("hold", who, "POST", path, "POST /v1/slots/{id}/hold", slot_id, body)


def change(who: Person, verb: str, visit_id: str) -> Call:
    """confirm, cancel, check-in, complete, no-show."""
    path = f"/v1/visits/{visit_id}/{verb}"
    return Call(verb, who, "POST", path, f"POST /v1/visits/{{id}}/{verb}", visit_id)


def reschedule(who: Person, visit_id: str, slot_id: str) -> Call:
    path = f"/v1/visits/{visit_id}/reschedule"
    route = "POST /v1/visits/{id}/reschedule"
    return Call("reschedule", who, "POST", path, route, visit_id, {"new_slot_id": slot_id})


def create_slot(who: Person, provider_id: str, starts_at: datetime, ends_at: datetime) -> Call:
    path = f"/v1/providers/{provider_id}/slots"
    body = {"brand_id": who.brand_id, "start_time": said(starts_at), "end_time": said(ends_at)}
    route = "POST /v1/providers/{id}/slots"
    return Call("create_slot", who, "POST", path, route, provider_id, body)


def delete_slot(who: Person, provider_id: str, slot_id: str) -> Call:
    path = f"/v1/providers/{provider_id}/slots/{slot_id}"
    route = "DELETE /v1/providers/{id}/slots/{slot_id}"
    return Call("delete_slot", who, "DELETE", path, route, slot_id, {})


def take_seat(who: Person, coach_id: str, slot_at: datetime, patient_id: str | None) -> Call:
    path = f"/v1/coaches/{coach_id}/bookings"
    body = {"slot_at": said(slot_at)}
    if patient_id is not None:
        body["patient_id"] = patient_id
    route = "POST /v1/coaches/{coachId}/bookings"
    return Call("take_seat", who, "POST", path, route, coach_id, body)


def leave_seat(who: Person, booking_id: str) -> Call:
    path = f"/v1/bookings/{booking_id}"
    return Call("leave_seat", who, "DELETE", path, "DELETE /v1/bookings/{id}", booking_id)


def get_visit(who: Person, visit_id: str) -> Call:
    return Call("get", who, "GET", f"/v1/visits/{visit_id}", "GET /v1/visits/{id}", visit_id)


def with_key(call: Call, key: str) -> Call:
    return replace(call, key=key)
