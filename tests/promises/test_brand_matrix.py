"""Whose thing is it: own, another patient's, another brand's, nobody's.

Each id that an operation takes is tried by each kind of caller with each kind of thing. A foreign
thing and one that never was get the same answer, byte for byte; where the documentation of office
hours tells them apart (403 and 404), so does this table. An operation that takes an id and is not
in the table fails the build.
"""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from clinic import Clinic, later, monday_morning, said
from matrix import ANY_PATIENT, Row, Statuses, statuses
from matrix_of_calendars import ROWS_OF_CALENDARS
from matrix_of_disruptions import ROWS_OF_DISRUPTIONS
from matrix_of_events import ROWS_OF_EVENTS
from matrix_of_reminders import ROWS_OF_REMINDERS
from matrix_of_schedules import ROWS_OF_SCHEDULES
from matrix_of_search import ROWS_OF_SEARCH
from matrix_of_types import ROWS_OF_LICENCES, ROWS_OF_TYPES
from matrix_of_webhooks import ROWS_OF_WEBHOOKS
from operations import DOCUMENT, OPERATIONS, Call, make
from scenes import CALLERS, FOREIGN, OTHERS, OWN, REACHES, STAFF, UNKNOWN, Scene
from world import LOOP, LOOPBIO


def of_visit(verb: str, body: Callable[[Scene], dict[str, Any]] | None = None) -> Row:
    def prepare(scene: Scene, reach: str) -> Call:
        visit_id = scene.visit(reach, has_begun=verb == "/no-show")
        return Call(
            path=f"/v1/visits/{visit_id}{verb}",
            token=scene.token,
            body=body(scene) if body else None,
        )

    judges = verb in ("/complete", "/no-show")  # which a patient never does
    return Row(
        prepare,
        patient=statuses(403, 403, 403, 403) if judges else statuses(200, 404, 404, 404),
        staff=statuses(200, 200, 404, 404),
    )


def new_visit(changed: str, find: Callable[[Scene, str], str]) -> Row:
    def prepare(scene: Scene, reach: str) -> Call:
        wanted = {
            "brand_id": LOOP,
            "patient_id": scene.patient(OWN),
            "slot_id": scene.slot(OWN),
            "visit_type": "follow_up",
            changed: find(scene, reach),
        }
        return Call(path="/v1/visits", token=scene.token, body=wanted)

    others = 404 if changed == "patient_id" else 201
    return Row(prepare, patient=statuses(201, others, 404, 404), staff=statuses(201, 201, 404, 404))


def new_hold(changed: str, find: Callable[[Scene, str], str]) -> Row:
    def prepare(scene: Scene, reach: str) -> Call:
        slot_id = scene.slot(reach if changed == "id" else OWN)
        wanted = {"patient_id": scene.patient(OWN)}
        if changed != "id":
            wanted[changed] = find(scene, reach)
        return Call(path=f"/v1/slots/{slot_id}/hold", token=scene.token, body=wanted)

    others = 404 if changed == "patient_id" else 201
    return Row(prepare, patient=statuses(201, others, 404, 404), staff=statuses(201, 201, 404, 404))


def new_hold_with_provider(scene: Scene, reach: str) -> Call:
    call = new_visit_with_provider(scene, reach)
    assert call.body is not None
    body = {name: call.body[name] for name in ("patient_id", "provider_id")}
    return Call(path=f"/v1/slots/{call.body['slot_id']}/hold", token=call.token, body=body)


def held_visit(scene: Scene, reach: str) -> Call:
    body = {"visit_type": "follow_up"}
    return Call(path=f"/v1/visits/{scene.hold(reach)}/confirm", token=scene.token, body=body)


def new_visit_of_a_hold(scene: Scene, reach: str) -> Call:
    """Of a hold that is the caller's own, another patient's, another brand's or nobody's."""
    slot_id = scene.slot(FOREIGN if reach == FOREIGN else OWN)
    wanted = scene.clinic.world.book(
        slot_id, patient_id=scene.patient(OWN), hold_id=scene.hold(reach, slot_id)
    )
    return Call(path="/v1/visits", token=scene.token, body=wanted)


def slot_of_a_known_provider(scene: Scene, reach: str) -> Call:
    """The slot alone is somebody else's; its provider works for both brands."""
    person = scene.clinic.provider(LOOP, LOOPBIO)
    slot_id = "slt_never"
    if reach != UNKNOWN:
        slot_id = scene.clinic.slot(provider_id=person, brand_id=scene.brand(reach))
    return Call(path=f"/v1/providers/{person}/slots/{slot_id}", token=scene.token)


def new_visit_with_provider(scene: Scene, reach: str) -> Call:
    """The named provider is the slot's own, or somebody's who is not."""
    person = scene.clinic.provider()
    named = person if reach in (OWN, OTHERS) else scene.provider(reach)
    wanted = scene.clinic.world.book(
        scene.clinic.slot(provider_id=person), patient_id=scene.patient(OWN), provider_id=named
    )
    return Call(path="/v1/visits", token=scene.token, body=wanted)


def hour(scene: Scene, brand_id: str = LOOP) -> dict[str, Any]:
    starts_at = said(scene.clinic.new_time())
    return {"brand_id": brand_id, "start_time": starts_at, "end_time": later(starts_at, hours=1)}


def new_slot(scene: Scene, reach: str) -> Call:
    path = f"/v1/providers/{scene.provider(reach)}/slots"
    return Call(path=path, token=scene.token, body=hour(scene))


def new_slot_for_brand(scene: Scene, reach: str) -> Call:
    path = f"/v1/providers/{scene.clinic.provider(LOOP, LOOPBIO)}/slots"
    return Call(path=path, token=scene.token, body=hour(scene, scene.brand(reach)))


def in_a_series(alone: Callable[[Scene, str], Call]) -> Callable[[Scene, str], Call]:
    """The call that offers the same time as one of many."""

    def prepare(scene: Scene, reach: str) -> Call:
        call = alone(scene, reach)
        assert call.body is not None
        times = {name: value for name, value in call.body.items() if name.endswith("_time")}
        body = {"brand_id": call.body["brand_id"], "slots": [times]}
        return Call(path=f"{call.path}/bulk", token=call.token, body=body)

    return prepare


def slots_of(scene: Scene, reach: str) -> Call:
    path = f"/v1/providers/{scene.provider(reach)}/slots"
    return Call(path=path, token=scene.token, query={"brand_id": LOOP})


def slots_for_brand(scene: Scene, reach: str) -> Call:
    path = f"/v1/providers/{scene.clinic.provider(LOOP, LOOPBIO)}/slots"
    return Call(path=path, token=scene.token, query={"brand_id": scene.brand(reach)})


def slot_to_delete(scene: Scene, reach: str) -> Call:
    """The provider is somebody else's, and so is the slot."""
    provider_id = scene.provider(reach)
    slot_id = "slt_never"
    if reach != UNKNOWN:
        slot_id = scene.clinic.slot(provider_id=provider_id, brand_id=scene.brand(reach))
    return Call(path=f"/v1/providers/{provider_id}/slots/{slot_id}", token=scene.token)


def of_coach(
    rest: str, patient: Statuses, body: Callable[[Scene, str], dict[str, Any]] | None = None
) -> Row:
    def prepare(scene: Scene, reach: str) -> Call:
        coach_id = scene.coach(reach)
        return Call(
            path=f"/v1/coaches/{coach_id}/{rest}",
            token=scene.token,
            body=body(scene, coach_id) if body else None,
        )

    success = 201 if body else 200
    return Row(prepare, patient=patient, staff=statuses(success, success, 403, 404))


def seat_for_own(scene: Scene, coach_id: str) -> dict[str, Any]:
    """A seat in the coach's next session, or at some instant where this caller cannot know it."""
    answer = scene.clinic.get(f"/v1/coaches/{coach_id}/slots")
    at = (
        answer.json()["slots"][0]["slot_at"]
        if answer.status_code == 200
        else said(scene.clinic.new_time())
    )
    return {"slot_at": at, "patient_id": scene.patient(OWN)}


def seat_for_patient(scene: Scene, reach: str) -> Call:
    coach_id = scene.coach(OWN)
    body = {**seat_for_own(scene, coach_id), "patient_id": scene.patient(reach)}
    return Call(path=f"/v1/coaches/{coach_id}/bookings", token=scene.token, body=body)


def administered(operation_id: str) -> Row:
    def prepare(scene: Scene, reach: str) -> Call:
        named = {"brand_id": scene.brand(reach)}
        body = {**named, "id": scene.clinic.new_id("x"), "name": "N. N.", "role": "staff"}
        body["subject"] = scene.clinic.new_id("sub")
        is_change = OPERATIONS[operation_id].is_change
        return Call(
            path=OPERATIONS[operation_id].path,
            token=scene.token,
            body=body if is_change else None,
            query={} if is_change else named,
        )

    success = 201 if OPERATIONS[operation_id].is_change else 200
    return Row(
        prepare,
        patient=statuses(403, 403, 403, 403),
        staff=statuses(success, success, 404, 404),
        is_admin=True,
    )


PATH_OF_VISIT = {
    "get_visit": "",
    "get_visit_calendar": "/calendar.ics",
    "cancel_visit": "/cancel",
    "quote_cancellation": "/cancel/quote",
    "list_visit_reminders": "/reminders",
    "check_in_visit": "/check-in",
    "complete_visit": "/complete",
    "mark_no_show": "/no-show",
}

MATRIX: dict[tuple[str, str], Row] = {
    **{(name, "id"): of_visit(verb) for name, verb in PATH_OF_VISIT.items()},
    ("reschedule_visit", "id"): of_visit(
        "/reschedule", lambda scene: {"new_slot_id": scene.slot(OWN)}
    ),
    ("reschedule_visit", "new_slot_id"): Row(
        lambda scene, reach: Call(
            path=f"/v1/visits/{scene.visit(OWN)}/reschedule",
            token=scene.token,
            body={"new_slot_id": scene.slot(reach)},
        ),
        patient=statuses(200, 200, 404, 404),
        staff=statuses(200, 200, 404, 404),
    ),
    ("book_visit", "brand_id"): new_visit("brand_id", Scene.brand),
    ("book_visit", "patient_id"): new_visit("patient_id", Scene.patient),
    ("book_visit", "slot_id"): new_visit("slot_id", Scene.slot),
    ("book_visit", "provider_id"): Row(
        new_visit_with_provider,
        patient=statuses(201, 201, 404, 404),
        staff=statuses(201, 201, 404, 404),
    ),
    # The hold is of the patient who is named beside it, or it is not there.
    ("book_visit", "hold_id"): Row(
        new_visit_of_a_hold,
        patient=statuses(201, 404, 404, 404),
        staff=statuses(201, 404, 404, 404),
    ),
    ("hold_slot", "id"): new_hold("id", Scene.slot),
    ("hold_slot", "brand_id"): new_hold("brand_id", Scene.brand),
    ("hold_slot", "patient_id"): new_hold("patient_id", Scene.patient),
    ("hold_slot", "provider_id"): Row(
        new_hold_with_provider,
        patient=statuses(201, 201, 404, 404),
        staff=statuses(201, 201, 404, 404),
    ),
    ("confirm_visit", "id"): Row(
        held_visit, patient=statuses(200, 404, 404, 404), staff=statuses(200, 200, 404, 404)
    ),
    ("list_visits", "brand_id"): Row(
        lambda scene, reach: Call(
            path="/v1/visits", token=scene.token, query={"brand_id": scene.brand(reach)}
        ),
        patient=statuses(200, 200, 403, 403),
        staff=statuses(200, 200, 403, 403),
    ),
    # A list of nobody's visits is empty: it neither tells who is a patient nor of which brand.
    ("list_visits", "patient_id"): Row(
        lambda scene, reach: Call(
            path="/v1/visits",
            token=scene.token,
            query={"brand_id": LOOP, "patient_id": scene.patient(reach)},
        ),
        patient=statuses(200, 200, 200, 200),
        staff=statuses(200, 200, 200, 200),
    ),
    ("create_slot", "id"): Row(new_slot, ANY_PATIENT, statuses(201, 201, 404, 404)),
    # The brand is looked at before the role is.
    ("create_slot", "brand_id"): Row(
        new_slot_for_brand, statuses(403, 403, 404, 404), statuses(201, 201, 404, 404)
    ),
    ("create_slots", "id"): Row(in_a_series(new_slot), ANY_PATIENT, statuses(201, 201, 404, 404)),
    ("create_slots", "brand_id"): Row(
        in_a_series(new_slot_for_brand),
        statuses(403, 403, 404, 404),
        statuses(201, 201, 404, 404),
    ),
    ("list_slots", "id"): Row(slots_of, statuses(200, 200, 404, 404), statuses(200, 200, 404, 404)),
    ("list_slots", "brand_id"): Row(
        slots_for_brand, statuses(200, 200, 404, 404), statuses(200, 200, 404, 404)
    ),
    ("delete_slot", "id"): Row(slot_to_delete, ANY_PATIENT, statuses(200, 200, 404, 404)),
    ("delete_slot", "slot_id"): Row(
        slot_of_a_known_provider, ANY_PATIENT, statuses(200, 200, 404, 404)
    ),
    **ROWS_OF_TYPES,
    **ROWS_OF_REMINDERS,
    **ROWS_OF_SEARCH,
    **ROWS_OF_LICENCES,
    **ROWS_OF_SCHEDULES,
    **ROWS_OF_DISRUPTIONS,
    **ROWS_OF_CALENDARS,
    **ROWS_OF_EVENTS,
    **ROWS_OF_WEBHOOKS,
    ("add_office_hour", "coachId"): of_coach(
        "office-hours", ANY_PATIENT, lambda _scene, _coach: monday_morning()
    ),
    ("list_office_hours", "coachId"): of_coach("office-hours", statuses(200, 200, 403, 404)),
    ("list_sessions", "coachId"): of_coach("slots", statuses(200, 200, 403, 404)),
    ("book_seat", "coachId"): of_coach("bookings", statuses(201, 201, 403, 404), seat_for_own),
    ("book_seat", "patient_id"): Row(
        seat_for_patient, statuses(201, 404, 404, 404), statuses(201, 201, 404, 404)
    ),
    ("cancel_booking", "id"): Row(
        lambda scene, reach: Call(path=f"/v1/bookings/{scene.booking(reach)}", token=scene.token),
        patient=statuses(200, 403, 403, 404),
        staff=statuses(200, 200, 403, 404),
    ),
    **{
        (name, "brand_id"): administered(name)
        for name in (
            "add_provider",
            "list_providers",
            "add_patient",
            "list_patients",
            "create_token",
            "list_tokens",
        )
    },
    ("link_patient", "id"): Row(
        lambda scene, reach: Call(
            path=f"/v1/admin/patients/{scene.patient(reach)}/subject",
            token=scene.token,
            body={"subject": scene.clinic.new_id("sub")},
        ),
        patient=ANY_PATIENT,
        staff=statuses(200, 200, 404, 404),
        is_admin=True,
    ),
    ("revoke_token", "id"): Row(
        lambda scene, reach: Call(
            path=f"/v1/admin/tokens/{scene.token_id(reach)}/revoke", token=scene.token
        ),
        patient=ANY_PATIENT,
        staff=statuses(200, 200, 404, 404),
        is_admin=True,
    ),
}
CELLS = [(*place, caller) for place in MATRIX for caller in CALLERS]


def ids_taken() -> set[tuple[str, str]]:
    """Every id that an operation of the document takes: in its path, its query and its body."""
    taken = set()
    for name, operation in OPERATIONS.items():
        taken |= {(name, found) for found in re.findall(r"\{(\w+)\}", operation.path)}
        fields = [each["name"] for each in operation.spec["parameters"] if each["in"] == "query"]
        if "requestBody" in operation.spec:
            fields += _fields_of_body(operation.spec)
        taken |= {(name, each) for each in fields if each.endswith("_id")}
    return taken


def _fields_of_body(spec: Any) -> list[str]:
    from_body = spec["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return [*DOCUMENT["components"]["schemas"][from_body.rpartition("/")[2]]["properties"]]


def test_every_id_that_an_operation_takes_is_in_the_matrix() -> None:
    assert set(MATRIX) == ids_taken()


@pytest.mark.parametrize(("operation_id", "dimension", "caller"), CELLS)
def test_everybody_reaches_what_is_theirs_and_nothing_else(
    clinic: Clinic, operation_id: str, dimension: str, caller: str
) -> None:
    row = MATRIX[operation_id, dimension]
    scene = Scene(clinic, caller, is_admin=row.is_admin)
    said_by = {}

    for reach in REACHES:
        call = row.prepare(scene, reach)
        before = changes(clinic)
        answer = make(clinic, operation_id, call, X_Request_Id="the-same")
        said_by[reach] = answer
        if answer.status_code >= 400:
            assert changes(clinic) == before
            assert "private" not in answer.text

    expected = row.expected(caller)
    assert {reach: answer.status_code for reach, answer in said_by.items()} == expected
    for first, second in ((FOREIGN, UNKNOWN), (OTHERS, UNKNOWN)):
        if expected[first] == expected[second] and not (row.says_more and first == OTHERS):
            assert alike(said_by[first], said_by[second])
    if expected[OTHERS] == expected[FOREIGN] != 200:
        assert alike(said_by[OTHERS], said_by[FOREIGN])


@pytest.mark.parametrize(
    "operation_id", sorted({name for name, _ in MATRIX if OPERATIONS[name].scope is not None})
)
def test_a_brand_named_beside_the_token_tells_nothing_of_itself(
    clinic: Clinic, operation_id: str
) -> None:
    place = next(place for place in MATRIX if place[0] == operation_id)
    row = MATRIX[place]
    scene = Scene(clinic, STAFF, is_admin=row.is_admin)
    call = row.prepare(scene, OWN)

    foreign, unknown = (
        make(clinic, operation_id, call, X_Request_Id="the-same", X_Brand_Id=brand_id)
        for brand_id in (LOOPBIO, "never")
    )

    assert foreign.status_code == 403
    assert alike(foreign, unknown)


def test_the_comparison_of_answers_can_fail(clinic: Clinic) -> None:
    missing = clinic.get("/v1/visits/vis_never")
    other = clinic.get("/v1/visits/vis_never")
    malformed = clinic.get("/v1/visits/%20")

    assert not alike(missing, malformed)
    assert not alike(missing, other), "two requests have two ids, unless one is sent"


def alike(first: httpx.Response, second: httpx.Response) -> bool:
    """Whether two answers are the same, byte for byte, the time of day apart."""

    def told(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
        headers = sorted(item for item in answer.headers.items() if item[0] != "date")
        return answer.status_code, answer.content, headers

    return told(first) == told(second)


def changes(clinic: Clinic) -> list[tuple[object, ...]]:
    return clinic.world.sql(
        "SELECT (SELECT count(*) FROM booking.audit), (SELECT count(*) FROM booking.event)"
    )
