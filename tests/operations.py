"""One good call of each operation, by the operation's id.

Tests that hold for every operation (strangers, health information, the journal, the document) go
through these; an operation without one fails them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from bookwell.app import routes
from bookwell.http.openapi import document_of
from clinic import Clinic, later, monday_morning, said
from documented_operations import operations_of
from operations_of_calendars import PREPARE_CALENDARS
from ready_call import Call as Call  # noqa: PLC0414 - so mypy knows that it is offered here
from world import LOOP

DOCUMENT = document_of(routes())


OPERATIONS = operations_of(DOCUMENT)


def make(clinic: Clinic, operation_id: str, call: Call, **headers: str) -> httpx.Response:
    """Make the call; `idempotency_key="k"` becomes a header."""
    return clinic.call(
        OPERATIONS[operation_id].method,
        call.path,
        call.body,
        token=call.token,
        query=call.query,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def _of_visit(verb: str, body: Mapping[str, Any] | None = None) -> Callable[[Clinic], Call]:
    def prepare(clinic: Clinic) -> Call:
        visit = clinic.visit()
        return Call(
            path=f"/v1/visits/{visit['id']}/{verb}",
            token=clinic.world.staff,
            body=body,
            entity_id=visit["id"],
        )

    return prepare


def _hold_slot(clinic: Clinic) -> Call:
    return Call(
        path=f"/v1/slots/{clinic.slot()}/hold",
        token=clinic.world.staff,
        body={"patient_id": clinic.patient().patient_id},
    )


def _confirm_visit(clinic: Clinic) -> Call:
    visit = clinic.hold()
    return Call(
        path=f"/v1/visits/{visit['id']}/confirm",
        token=clinic.world.staff,
        body={"visit_type": "follow_up"},
        entity_id=visit["id"],
    )


def _reschedule_visit(clinic: Clinic) -> Call:
    call = _of_visit("reschedule")(clinic)
    return Call(
        path=call.path,
        token=call.token,
        body={"new_slot_id": clinic.slot()},
        entity_id=call.entity_id,
    )


def _mark_no_show(clinic: Clinic) -> Call:
    """A visit whose time has begun: its slot was an hour ago."""
    call = _of_visit("no-show")(clinic)
    clinic.world.sql(
        "UPDATE booking.visit SET starts_at = now() - interval '1 hour', provider_no ="
        " (SELECT provider_no FROM booking.provider WHERE provider_id = %s) WHERE visit_id = %s",
        clinic.provider(),
        call.entity_id,
    )
    return call


def _create_slot(clinic: Clinic) -> Call:
    starts_at = said(clinic.new_time())
    return Call(
        path="/v1/providers/prv_kim/slots",
        token=clinic.world.staff,
        body={"brand_id": LOOP, "start_time": starts_at, "end_time": later(starts_at, hours=1)},
    )


def _create_slots(clinic: Clinic) -> Call:
    """A series of one, so that it leaves what one slot leaves."""
    alone = _create_slot(clinic)
    assert alone.body is not None
    time = {name: alone.body[name] for name in ("start_time", "end_time")}
    body = {"brand_id": LOOP, "slots": [time]}
    return Call(path=f"{alone.path}/bulk", token=alone.token, body=body)


def _delete_slot(clinic: Clinic) -> Call:
    slot_id = clinic.slot()
    return Call(
        path=f"/v1/providers/prv_kim/slots/{slot_id}", token=clinic.world.staff, entity_id=slot_id
    )


def _book_seat(clinic: Clinic) -> Call:
    coach_id = clinic.provider(kind="coach")
    clinic.office_hour(coach_id)
    return Call(
        path=f"/v1/coaches/{coach_id}/bookings",
        token=clinic.patient().token,
        body={"slot_at": clinic.next_session(coach_id)},
    )


def _cancel_booking(clinic: Clinic) -> Call:
    patient = clinic.patient()
    booking = clinic.seat(patient)
    return Call(path=f"/v1/bookings/{booking['id']}", token=patient.token, entity_id=booking["id"])


def _revoke_token(clinic: Clinic) -> Call:
    subject = clinic.new_id("somebody")
    clinic.token("staff", subject)
    ((token_id,),) = clinic.world.sql(
        "SELECT token_id FROM booking.token WHERE subject = %s", subject
    )
    return Call(
        path=f"/v1/admin/tokens/{token_id}/revoke",
        token=clinic.world.admin,
        entity_id=str(token_id),
    )


def _link_patient(clinic: Clinic) -> Call:
    patient_id = clinic.patient().patient_id
    return Call(
        path=f"/v1/admin/patients/{patient_id}/subject",
        token=clinic.world.admin,
        body={"subject": clinic.new_id("sub")},
        entity_id=patient_id,
    )


def _of_type(rest: str = "", body: Mapping[str, Any] | None = None) -> Callable[[Clinic], Call]:
    """A call about a visit type of its own; `rest` is what its id stands behind."""

    def prepare(clinic: Clinic) -> Call:
        visit_type = clinic.visit_type()
        return Call(
            path=f"{rest or '/v1/visit-types'}/{visit_type}",
            token=clinic.world.admin,
            body=body,
            entity_id=visit_type,
        )

    return prepare


def _add_visit_type(clinic: Clinic) -> Call:
    clinic.visit_type()  # the brand has types, and the one that the other operations book
    body = {"id": clinic.new_id("type"), "name": "Follow-up", "duration_minutes": 30}
    return Call(path="/v1/visit-types", token=clinic.world.admin, body=body)


def _get_visit_type(clinic: Clinic) -> Call:
    path = f"/v1/visit-types/{clinic.visit_type()}"
    return Call(path=path, token=clinic.world.staff, query={"brand_id": LOOP})


def _remove_override(clinic: Clinic) -> Call:
    visit_type = clinic.visit_type()
    clinic.world.add_visit_type(visit_type, provider_id="prv_kim", duration_minutes=45)
    return Call(
        path=f"/v1/providers/prv_kim/visit-types/{visit_type}",
        token=clinic.world.admin,
        entity_id=visit_type,
    )


def _of_licence(body: Mapping[str, Any] | None = None) -> Callable[[Clinic], Call]:
    def prepare(clinic: Clinic) -> Call:
        provider_id = clinic.provider()
        licence_id = clinic.licence(provider_id)
        return Call(
            path=f"/v1/providers/{provider_id}/licences/{licence_id}",
            token=clinic.world.admin,
            body=body,
            entity_id=licence_id,
        )

    return prepare


def _set_patient_regions(clinic: Clinic) -> Call:
    patient_id = clinic.patient().patient_id
    return Call(
        path=f"/v1/admin/patients/{patient_id}/regions",
        token=clinic.world.admin,
        body={"regions": [{"region": "DE-BE"}]},
        entity_id=patient_id,
    )


def _of_time_zone(body: Mapping[str, Any] | None = None) -> Callable[[Clinic], Call]:
    def prepare(clinic: Clinic) -> Call:
        patient_id = clinic.patient().patient_id
        path = f"/v1/patients/{patient_id}/time-zone"
        return Call(path=path, token=clinic.world.staff, body=body, entity_id=patient_id)

    return prepare


_REMINDERS = [{"offset_minutes": 43_200, "channel": "sms", "template_key": "visit_ahead"}]


def _set_reminder_rule(clinic: Clinic) -> Call:
    body = {"visit_type": clinic.visit_type(), "reminders": _REMINDERS}
    return Call(path="/v1/reminder-rules", token=clinic.world.admin, body=body)


def _delete_reminder_rule(clinic: Clinic) -> Call:
    call = _set_reminder_rule(clinic)
    rule_id = clinic.call("PUT", call.path, call.body, token=call.token).json()["id"]
    return Call(path=f"{call.path}/{rule_id}", token=call.token, entity_id=rule_id)


def _week(**changes: object) -> dict[str, object]:
    hours = {"weekday": "monday", "start_time": "09:00", "end_time": "09:30"}
    return {"brand_id": LOOP, "time_zone": "UTC", "weekly": [hours], **changes}


def _add_schedule(clinic: Clinic) -> Call:
    path = f"/v1/providers/{clinic.provider()}/schedules"
    return Call(path=path, token=clinic.world.staff, body=_week())


def _of_schedule(body: Mapping[str, Any] | None = None) -> Callable[[Clinic], Call]:
    """A call about a schedule of its own, of a provider of its own."""

    def prepare(clinic: Clinic) -> Call:
        call = _add_schedule(clinic)
        schedule_id = clinic.post(call.path, call.body).json()["id"]
        path = f"{call.path}/{schedule_id}"
        return Call(path=path, token=clinic.world.staff, body=body, entity_id=schedule_id)

    return prepare


def _add_time_off(clinic: Clinic) -> Call:
    days = {"brand_id": LOOP, "from": "2031-12-24", "until": "2031-12-26", "time_zone": "UTC"}
    path = f"/v1/providers/{clinic.provider()}/time-off"
    return Call(path=path, token=clinic.world.staff, body=days)


def _remove_time_off(clinic: Clinic) -> Call:
    call = _add_time_off(clinic)
    time_off_id = clinic.post(call.path, call.body).json()["id"]
    path = f"{call.path}/{time_off_id}"
    return Call(path=path, token=clinic.world.staff, entity_id=time_off_id)


def _open_disruption(clinic: Clinic) -> Call:
    out = {"from": "2031-12-24T00:00:00Z", "until": "2031-12-26T00:00:00Z"}
    path = f"/v1/providers/{clinic.provider()}/disruptions"
    return Call(path=path, token=clinic.world.staff, body={"brand_id": LOOP, **out})


def _add_webhook_endpoint(clinic: Clinic) -> Call:
    """The brand's first: a brand has so many and no more."""
    clinic.world.sql("UPDATE booking.webhook_endpoint SET deleted_at = now()")
    body = {"url": "https://receiver.invalid/hook", "event_types": ["booking.visit.imported.v1"]}
    return Call(path="/v1/webhook-endpoints", token=clinic.world.admin, body=body)


def _of_endpoint(verb: str = "", body: Mapping[str, Any] | None = None) -> Callable[[Clinic], Call]:
    def prepare(clinic: Clinic) -> Call:
        endpoint_id = clinic.endpoint()
        path = f"/v1/webhook-endpoints/{endpoint_id}{verb}"
        return Call(path=path, token=clinic.world.admin, body=body, entity_id=endpoint_id)

    return prepare


def _of_disruption(verb: str = "") -> Callable[[Clinic], Call]:
    """A call about a disruption of its own, which affects nobody."""

    def prepare(clinic: Clinic) -> Call:
        call = _open_disruption(clinic)
        draft_id = clinic.post(call.path, call.body).json()["id"]
        path = f"/v1/disruptions/{draft_id}{verb}"
        return Call(path=path, token=clinic.world.staff, entity_id=draft_id)

    return prepare


def _choose_for_visit(clinic: Clinic) -> Call:
    visit = clinic.visit(clinic.slot(provider_id=clinic.provider()))
    out = {"brand_id": LOOP, "from": visit["start_time"], "until": visit["end_time"]}
    draft = clinic.post(f"/v1/providers/{visit['provider_id']}/disruptions", out).json()
    return Call(
        path=f"/v1/disruptions/{draft['id']}/choices/{visit['id']}",
        token=clinic.world.staff,
        body={"action": "cancel"},
        entity_id=draft["id"],
    )


def _read(path: str, **query: str) -> Callable[[Clinic], Call]:
    return lambda clinic: Call(path=path, token=clinic.world.staff, query=query)


def _administer(path: str, **body: str) -> Callable[[Clinic], Call]:
    """A call of an administrator; `id` is the prefix of a new id."""

    def prepare(clinic: Clinic) -> Call:
        filled = {**body, "id": clinic.new_id(body["id"])} if "id" in body else body
        return Call(path=path, token=clinic.world.admin, body=filled or None)

    return prepare


def _add_brand(clinic: Clinic) -> Call:
    brand_id = clinic.new_id("b").replace("_", "-")
    return Call(
        path="/v1/admin/brands",
        token=clinic.world.platform,
        body={"id": brand_id, "name": "New"},
        entity_id=brand_id,
    )


PREPARE: dict[str, Callable[[Clinic], Call]] = {
    "list_visits": _read("/v1/visits", brand_id=LOOP),
    "book_visit": lambda clinic: Call(
        path="/v1/visits", token=clinic.world.staff, body=clinic.world.book(clinic.slot())
    ),
    "get_visit": lambda clinic: Call(
        path=f"/v1/visits/{clinic.visit()['id']}", token=clinic.world.staff
    ),
    "quote_cancellation": lambda clinic: Call(
        path=f"/v1/visits/{clinic.visit()['id']}/cancel/quote", token=clinic.world.staff
    ),
    "hold_slot": _hold_slot,
    "confirm_visit": _confirm_visit,
    "cancel_visit": _of_visit("cancel", {"reason": "ill"}),
    "reschedule_visit": _reschedule_visit,
    "check_in_visit": _of_visit("check-in"),
    "complete_visit": _of_visit("complete", {"notes": "fine"}),
    "mark_no_show": _mark_no_show,
    "create_slot": _create_slot,
    "create_slots": _create_slots,
    "list_slots": _read("/v1/providers/prv_kim/slots", brand_id=LOOP),
    "find_slots": _read("/v1/slots", brand_id=LOOP),
    "explain_slot": _read(
        "/v1/slots/explain",
        brand_id=LOOP,
        visit_type="follow_up",
        provider_id="prv_kim",
        start_time="2030-01-01T09:00:00Z",
    ),
    "delete_slot": _delete_slot,
    "add_schedule": _add_schedule,
    "list_schedules": _read("/v1/providers/prv_kim/schedules", brand_id=LOOP),
    "get_schedule": _of_schedule(),
    "change_schedule": _of_schedule(_week(weekly=[])),
    "delete_schedule": _of_schedule(),
    "add_time_off": _add_time_off,
    "list_time_off": _read("/v1/providers/prv_kim/time-off", brand_id=LOOP),
    "remove_time_off": _remove_time_off,
    "open_disruption": _open_disruption,
    "list_disruptions": _read("/v1/providers/prv_kim/disruptions", brand_id=LOOP),
    "get_disruption": _of_disruption(),
    "choose_for_visit": _choose_for_visit,
    "commit_disruption": _of_disruption("/commit"),
    "abandon_disruption": _of_disruption("/abandon"),
    "list_visit_types": _read("/v1/visit-types", brand_id=LOOP),
    "get_visit_type": _get_visit_type,
    "add_visit_type": _add_visit_type,
    "change_visit_type": _of_type(body={"name": "Longer", "duration_minutes": 45}),
    "retire_visit_type": _of_type(),
    "list_provider_visit_types": _read("/v1/providers/prv_kim/visit-types", brand_id=LOOP),
    "set_visit_type_override": _of_type(
        "/v1/providers/prv_kim/visit-types", {"duration_minutes": 45}
    ),
    "remove_visit_type_override": _remove_override,
    "add_licence": lambda clinic: Call(
        path=f"/v1/providers/{clinic.provider()}/licences",
        token=clinic.world.admin,
        body={"region": "DE-BE"},
    ),
    "list_licences": _read("/v1/providers/prv_kim/licences", brand_id=LOOP),
    "change_licence": _of_licence({"region": "DE-HH"}),
    "delete_licence": _of_licence(),
    "list_visits_at_risk": _read("/v1/licences/at-risk", brand_id=LOOP),
    "set_patient_regions": _set_patient_regions,
    "list_reminder_rules": _read("/v1/reminder-rules", brand_id=LOOP),
    "set_reminder_rule": _set_reminder_rule,
    "delete_reminder_rule": _delete_reminder_rule,
    "get_quiet_hours": _read("/v1/quiet-hours", brand_id=LOOP),
    "set_quiet_hours": lambda clinic: Call(
        path="/v1/quiet-hours",
        token=clinic.world.admin,
        body={"start_time": "21:00", "end_time": "08:00"},
        entity_id=LOOP,
    ),
    "get_patient_time_zone": _of_time_zone(),
    "set_patient_time_zone": _of_time_zone({"time_zone": "Europe/Berlin"}),
    "list_visit_reminders": lambda clinic: Call(
        path=f"/v1/visits/{clinic.visit()['id']}/reminders", token=clinic.world.staff
    ),
    "get_patient_regions": lambda clinic: Call(
        path=f"/v1/admin/patients/{clinic.patient().patient_id}/regions",
        token=clinic.world.admin,
    ),
    **PREPARE_CALENDARS,
    "get_visit_calendar": _of_visit("calendar.ics"),
    "add_office_hour": lambda clinic: Call(
        path=f"/v1/coaches/{clinic.provider(kind='coach')}/office-hours",
        token=clinic.world.staff,
        body=monday_morning(),
    ),
    "list_office_hours": _read("/v1/coaches/coach_jo/office-hours"),
    "list_sessions": _read("/v1/coaches/coach_jo/slots"),
    "book_seat": _book_seat,
    "cancel_booking": _cancel_booking,
    "list_own_bookings": lambda clinic: Call(path="/v1/bookings/me", token=clinic.patient().token),
    "list_events": _read("/v1/events"),
    "stream_events": _read("/v1/events/stream"),
    "stream_availability": _read(
        "/v1/providers/prv_kim/availability/stream",
        brand_id=LOOP,
        day="2030-01-01",
        time_zone="UTC",
    ),
    "add_webhook_endpoint": _add_webhook_endpoint,
    "list_webhook_endpoints": _administer("/v1/webhook-endpoints"),
    "get_webhook_endpoint": _of_endpoint(),
    "change_webhook_endpoint": _of_endpoint(body={"is_enabled": False}),
    "delete_webhook_endpoint": _of_endpoint(),
    "rotate_webhook_secret": _of_endpoint("/rotate-secret", {"overlap_minutes": 60}),
    "list_deliveries": _of_endpoint("/deliveries"),
    "replay_events": _of_endpoint("/replay", {"only_failed": True}),
    "test_webhook_endpoint": _of_endpoint("/test"),
    "get_event_digest": _read("/v1/events/digest", day="2026-11-22"),
    "add_brand": _add_brand,
    "list_brands": _administer("/v1/admin/brands"),
    "add_provider": _administer("/v1/admin/providers", id="prv", name="N. N."),
    "list_providers": _administer("/v1/admin/providers"),
    "add_patient": _administer("/v1/admin/patients", id="pat"),
    "link_patient": _link_patient,
    "list_patients": _administer("/v1/admin/patients"),
    "create_token": _administer("/v1/admin/tokens", role="staff", subject="somebody-new"),
    "list_tokens": _administer("/v1/admin/tokens"),
    "revoke_token": _revoke_token,
    "get_metrics": lambda clinic: Call(path="/metrics", token=clinic.world.admin),
    "healthz": _read("/healthz"),
    "readyz": _read("/readyz"),
}
