"""Holding a slot and what follows, as calls of the service that a file of tests shares."""

from typing import Any

import httpx

from clinic import Clinic
from envelope import ok


def hold(
    clinic: Clinic, slot_id: str, /, patient_id: object = "pat_ada", **more: Any
) -> httpx.Response:
    """Hold it for the patient; `token` and `headers` are the call's, the rest its body's."""
    call = {name: more.pop(name) for name in ("token", "headers") if name in more}
    return clinic.post(f"/v1/slots/{slot_id}/hold", {"patient_id": patient_id, **more}, **call)


def confirm(
    clinic: Clinic, visit: dict[str, Any], body: object = None, **more: Any
) -> httpx.Response:
    return clinic.post(f"/v1/visits/{visit['id']}/confirm", body, **more)


def book_held(clinic: Clinic, visit: dict[str, Any], **changes: Any) -> httpx.Response:
    """Book with `hold_id`; `token` and `headers` are the call's, the rest changes its body."""
    call = {name: changes.pop(name) for name in ("token", "headers") if name in changes}
    named = {name: visit[name] for name in ("brand_id", "patient_id", "slot_id")}
    body = {**named, "hold_id": visit["id"], "visit_type": "follow_up", **changes}
    return clinic.post("/v1/visits", body, **call)


def read(clinic: Clinic, visit: dict[str, Any]) -> dict[str, Any]:
    return ok(clinic.get(f"/v1/visits/{visit['id']}"))


def run_out(clinic: Clinic, visit: dict[str, Any]) -> None:
    """Give the hold no time any more, as if its minutes were over."""
    clinic.world.sql(
        "UPDATE booking.visit SET hold_expires_at = booking.now() WHERE visit_id = %s", visit["id"]
    )


def row(clinic: Clinic, visit: dict[str, Any]) -> tuple[object, ...]:
    (found,) = clinic.world.sql("SELECT v.* FROM booking.visit v WHERE visit_id = %s", visit["id"])
    return found
