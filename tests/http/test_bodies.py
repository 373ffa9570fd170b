"""Request bodies, kind and hostile: what is no JSON object that fits is a 400 that names the field."""

from collections.abc import Iterator

import httpx
import pytest

from clinic import Clinic
from envelope import invalid, ok, refused
from operations import OPERATIONS, PREPARE
from world import LOOP

NO_JSON = {
    "cut off": b'{"brand_id": "loo',
    "a comma too many": b'{"brand_id": "loop",}',
    "single quotes": b"{'brand_id': 'loop'}",
    "a word": b"hello",
    "a form": b"brand_id=loop",
    "not a number": b'{"brand_id": NaN}',
    "blank": b"   ",
    "UTF-16": '{"brand_id": "loop"}'.encode("utf-16"),
    "a byte-order mark": b"\xef\xbb\xbf{}",
    "no UTF-8": b'{"brand_id": "\xff"}',
    "no UTF-8 in a field nobody knows": b'{"colour": "\xc3"}',
    "a lone surrogate": b'{"brand_id": "\\ud800"}',
    "a raw control character": b'{"brand_id": "a\nb"}',
    "a very deep list": b'{"colour": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a very deep object": b'{"colour": ' * 20_000 + b"1" + b"}" * 20_000,
}
NO_OBJECT = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a list of one": b"[{}]",
    "a string": b'"loop"',
    "a number": b"7",
    "true": b"true",
}
# Operations that read a body, and the first field each cannot do without.
BODIES = {
    "book_visit": "brand_id",
    "hold_slot": "patient_id",
    "reschedule_visit": "new_slot_id",
    "create_slot": "brand_id",
    "create_slots": "brand_id",
    "add_office_hour": "weekday",
    "book_seat": "slot_at",
    "add_brand": "id",
    "add_provider": "id",
    "add_patient": "id",
    "create_token": "role",
    "link_patient": "subject",
    "add_schedule": "time_zone",
    "change_schedule": "time_zone",
    "add_time_off": "brand_id",
    "add_visit_type": "duration_minutes",
    "open_disruption": "brand_id",
    "choose_for_visit": "action",
    "add_licence": "region",
    "set_patient_regions": "regions",
    "set_reminder_rule": "reminders",
    "set_quiet_hours": "start_time",
    "set_patient_time_zone": "time_zone",
    "add_webhook_endpoint": "url",
}
# Those that change what is named, whatever that is.
PARTIAL = (
    "change_visit_type",
    "set_visit_type_override",
    "change_licence",
    "create_calendar_feed",
    "change_webhook_endpoint",
)
OPTIONAL = (
    "confirm_visit",
    "cancel_visit",
    "complete_visit",
    "commit_disruption",
    "rotate_webhook_secret",
    "replay_events",
)
PATHS = {
    "hold_slot": "/v1/slots/slt_never/hold",
    "confirm_visit": "/v1/visits/vis_never/confirm",
    "reschedule_visit": "/v1/visits/vis_never/reschedule",
    "create_slot": "/v1/providers/prv_kim/slots",
    "create_slots": "/v1/providers/prv_kim/slots/bulk",
    "add_office_hour": "/v1/coaches/coach_jo/office-hours",
    "book_seat": "/v1/coaches/coach_jo/bookings",
    "cancel_visit": "/v1/visits/vis_never/cancel",
    "complete_visit": "/v1/visits/vis_never/complete",
    "link_patient": "/v1/admin/patients/pat_never/subject",
    "add_schedule": "/v1/providers/prv_kim/schedules",
    "change_schedule": "/v1/providers/prv_kim/schedules/sch_never",
    "add_time_off": "/v1/providers/prv_kim/time-off",
    "change_visit_type": "/v1/visit-types/follow_up",
    "set_visit_type_override": "/v1/providers/prv_kim/visit-types/follow_up",
    "open_disruption": "/v1/providers/prv_kim/disruptions",
    "choose_for_visit": "/v1/disruptions/dis_never/choices/vis_never",
    "commit_disruption": "/v1/disruptions/dis_never/commit",
    "add_licence": "/v1/providers/prv_kim/licences",
    "change_licence": "/v1/providers/prv_kim/licences/lic_never",
    "set_patient_regions": "/v1/admin/patients/pat_never/regions",
    "set_patient_time_zone": "/v1/patients/pat_never/time-zone",
    "change_webhook_endpoint": "/v1/webhook-endpoints/whe_never",
    "rotate_webhook_secret": "/v1/webhook-endpoints/whe_never/rotate-secret",
    "replay_events": "/v1/webhook-endpoints/whe_never/replay",
}


def send(clinic: Clinic, operation_id: str, raw: bytes) -> httpx.Response:
    """Call the operation with these bytes as its body, as somebody who may."""
    operation = OPERATIONS[operation_id]
    path = PATHS.get(operation_id, operation.path)
    token = clinic.world.platform if operation_id == "add_brand" else clinic.world.admin
    return clinic.call(operation.method, path, raw=raw, token=token)


def test_every_operation_that_reads_a_body_is_tried_here() -> None:
    reading = {name for name, each in OPERATIONS.items() if "requestBody" in each.spec}

    assert reading == {*BODIES, *PARTIAL, *OPTIONAL}


@pytest.mark.parametrize("operation_id", [*BODIES, *PARTIAL, *OPTIONAL])
@pytest.mark.parametrize("body", NO_JSON)
def test_a_body_that_is_no_json_is_refused(clinic: Clinic, operation_id: str, body: str) -> None:
    answer = send(clinic, operation_id, NO_JSON[body])

    invalid(answer, "body")


@pytest.mark.parametrize("operation_id", OPTIONAL)
@pytest.mark.parametrize("raw", [b"{}{}", b"{}\x00", b"{},", b"null null"])
def test_a_body_with_something_behind_it_is_refused(
    clinic: Clinic, operation_id: str, raw: bytes
) -> None:
    invalid(send(clinic, operation_id, raw), "body")


@pytest.mark.parametrize("operation_id", [*BODIES, *PARTIAL])
@pytest.mark.parametrize("body", NO_OBJECT)
def test_a_body_that_is_no_object_is_refused(clinic: Clinic, operation_id: str, body: str) -> None:
    answer = send(clinic, operation_id, NO_OBJECT[body])

    assert invalid(answer, "body")["message"] == "The request body must be a JSON object."


@pytest.mark.parametrize("operation_id", BODIES)
def test_an_empty_object_is_asked_for_its_first_field(clinic: Clinic, operation_id: str) -> None:
    field = BODIES[operation_id]

    answer = send(clinic, operation_id, b"{}")

    assert invalid(answer, field)["message"] == f"{field} is required."


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5_000, "0." + "1" * 5_000])
def test_a_huge_number_is_a_wrong_type_or_ignored(clinic: Clinic, number: str) -> None:
    where_a_word_is_due = f'{{"new_slot_id": {number}}}'.encode()
    where_nobody_looks = f'{{"new_slot_id": "slt_never", "colour": {number}}}'.encode()
    path = "/v1/visits/vis_never/reschedule"

    invalid(clinic.post(path, raw=where_a_word_is_due), "new_slot_id")
    refused(clinic.post(path, raw=where_nobody_looks), 404, "not_found")


def test_of_two_fields_of_one_name_the_last_counts(clinic: Clinic) -> None:
    slot_id = clinic.slot()
    raw = (
        b'{"brand_id":"x","brand_id":"loop","patient_id":"pat_ada","slot_id":"%s","visit_type":"v"}'
    )

    ok(clinic.post("/v1/visits", raw=raw % slot_id.encode()), 201)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "text/plain", "application/x-y", "%%"],
)
def test_a_json_body_is_json_whatever_it_is_called(clinic: Clinic, content_type: str) -> None:
    """Curl calls everything a form; a body is read as what it is."""
    answer = clinic.post(
        "/v1/visits/vis_never/cancel",
        raw=b'{"reason": "ill"}',
        headers={"Content-Type": content_type},
    )

    refused(answer, 404, "not_found")


def chunks() -> Iterator[bytes]:
    """A quarter of a megabyte and a little more, without a length said before."""
    for _ in range(27):
        yield b"x" * 10_000


def test_a_body_that_is_too_long_is_refused_however_it_comes(clinic: Clinic) -> None:
    headers = {"Authorization": f"Bearer {clinic.world.staff}"}
    announced = clinic.post("/v1/visits", raw=b" " * 262_145)
    in_pieces = clinic.http.post("/v1/visits", content=chunks(), headers=headers)

    refused(announced, 413, "payload_too_large")
    refused(in_pieces, 413, "payload_too_large")


def test_a_body_may_be_a_quarter_of_a_megabyte(clinic: Clinic) -> None:
    raw = b'{"reason": "ill"}'.ljust(262_144)

    refused(clinic.post("/v1/visits/vis_never/cancel", raw=raw), 404, "not_found")


def test_a_body_where_none_is_read_is_ignored(clinic: Clinic) -> None:
    booking = PREPARE["cancel_booking"](clinic)

    ok(clinic.call("GET", "/v1/visits", query={"brand_id": LOOP}, raw=b"{"))
    ok(clinic.call("DELETE", booking.path, token=booking.token, raw=b"{"))
