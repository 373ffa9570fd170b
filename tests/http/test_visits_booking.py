"""POST /v1/visits and GET /v1/visits/{id}: a slot becomes a visit, once."""

import re
from datetime import datetime, timedelta

import httpx
import pytest

from clinic import Clinic, said
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def book(
    clinic: Clinic, slot_id: str, token: str | None = None, /, **wanted: object
) -> httpx.Response:
    return clinic.post("/v1/visits", {**clinic.world.book(slot_id), **wanted}, token=token)


def visits_at(clinic: Clinic, slot_id: str) -> int:
    return len(clinic.world.sql("SELECT visit_id FROM booking.visit WHERE slot_id = %s", slot_id))


def test_a_booked_visit_says_all_of_itself(clinic: Clinic) -> None:
    starts_at = clinic.new_time()
    slot_id = clinic.slot(starts_at, minutes=45)

    answer = book(clinic, slot_id, reason="a cough", notes="since Monday")

    visit = ok(answer, 201)
    assert visit["id"].startswith("vis_")
    assert visit == {
        "id": visit["id"],
        "brand_id": LOOP,
        "patient_id": "pat_ada",
        "provider_id": "prv_kim",
        "slot_id": slot_id,
        "status": "booked",
        "visit_type": "follow_up",
        "reason": "a cough",
        "notes": "since Monday",
        "cancelled_at": None,
        "cancel_reason": None,
        "created_at": visit["created_at"],
        "updated_at": visit["created_at"],
        "start_time": said(starts_at),
        "end_time": said(starts_at + timedelta(minutes=45)),
        "hold_expires_at": None,
        "late_cancel": None,
        "version": 1,
    }
    assert INSTANT.fullmatch(visit["created_at"])
    assert answer.headers["ETag"] == '"1"'


def test_a_visit_reads_as_it_was_booked(clinic: Clinic) -> None:
    booked = book(clinic, clinic.slot(), reason="a cough")

    read = clinic.get(f"/v1/visits/{booked.json()['id']}")

    assert ok(read) == booked.json()
    assert read.headers["ETag"] == booked.headers["ETag"]


def test_reason_and_notes_may_be_absent_or_null(clinic: Clinic) -> None:
    absent = ok(book(clinic, clinic.slot()), 201)
    null = ok(book(clinic, clinic.slot(), reason=None, notes=None), 201)

    assert (absent["reason"], absent["notes"]) == (None, None)
    assert (null["reason"], null["notes"]) == (None, None)


@pytest.mark.parametrize(
    "text", ["", "Grüße 🩺 שלום", "tab\tand\nline", "e\u0301", "'; DROP TABLE"]
)
def test_any_text_comes_back_as_it_was(clinic: Clinic, text: str) -> None:
    visit = ok(book(clinic, clinic.slot(), reason=text, notes=text), 201)

    assert (visit["reason"], visit["notes"]) == (text, text)


def test_reason_may_have_2000_characters_and_notes_10000(clinic: Clinic) -> None:
    visit = ok(book(clinic, clinic.slot(), reason="🩺" * 2_000, notes="ü" * 10_000), 201)

    assert len(visit["reason"]) == 2_000
    assert len(visit["notes"]) == 10_000


def test_fields_nobody_knows_are_ignored(clinic: Clinic) -> None:
    visit = ok(
        book(clinic, clinic.slot(), status="completed", id="vis_mine", colour={"a": [1]}), 201
    )

    assert visit["status"] == "booked"
    assert visit["id"] != "vis_mine"


def test_a_provider_may_be_named_and_is_then_checked(clinic: Clinic) -> None:
    slot_id = clinic.slot()

    refused(book(clinic, slot_id, provider_id="prv_both"), 404, "not_found")
    ok(book(clinic, slot_id, provider_id="prv_kim"), 201)


def test_a_patient_books_for_themselves_and_for_nobody_else(clinic: Clinic) -> None:
    ada, bob = clinic.patient(), clinic.patient()
    slot_id = clinic.slot()

    refused(book(clinic, slot_id, ada.token, patient_id=bob.patient_id), 404, "not_found")
    visit = ok(book(clinic, slot_id, ada.token, patient_id=ada.patient_id), 201)

    assert visit["patient_id"] == ada.patient_id


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"slot_id": "slt_never"}, "There is no such slot."),
        ({"patient_id": "pat_never"}, "There is no such patient."),
        ({"patient_id": "pat_eve"}, "There is no such patient."),
        ({"brand_id": LOOPBIO}, "There is no such brand."),
        ({"brand_id": "never"}, "There is no such brand."),
    ],
)
def test_what_is_not_the_brands_is_not_there(
    clinic: Clinic, changes: dict[str, str], sentence: str
) -> None:
    answer = book(clinic, clinic.slot(), **changes)

    assert refused(answer, 404, "not_found")["message"] == sentence


def test_a_slot_of_another_brand_is_not_there(clinic: Clinic) -> None:
    foreign = clinic.slot(provider_id="prv_both", brand_id=LOOPBIO)

    refused(book(clinic, foreign), 404, "not_found")


def test_a_deleted_slot_is_not_there(clinic: Clinic) -> None:
    slot_id = clinic.slot()
    ok(clinic.call("DELETE", f"/v1/providers/prv_kim/slots/{slot_id}"))

    refused(book(clinic, slot_id), 404, "not_found")


def test_a_slot_is_booked_once_and_the_second_hears_which(clinic: Clinic) -> None:
    slot_id = clinic.slot()
    ok(book(clinic, slot_id), 201)

    answer = book(clinic, slot_id, patient_id="pat_bob")

    refused(answer, 409, "slot_unavailable", slot_id=slot_id)
    assert visits_at(clinic, slot_id) == 1


def test_an_overlapping_slot_of_the_provider_is_taken_too(clinic: Clinic) -> None:
    starts_at = clinic.new_time()
    hour = clinic.slot(starts_at, minutes=60)
    half = clinic.slot(starts_at + timedelta(minutes=30), minutes=30)
    ok(book(clinic, half), 201)

    refused(book(clinic, hour), 409, "slot_unavailable", slot_id=hour)


def test_slots_that_only_touch_are_both_bookable(clinic: Clinic) -> None:
    starts_at = clinic.new_time()

    ok(book(clinic, clinic.slot(starts_at)), 201)
    ok(book(clinic, clinic.slot(starts_at + timedelta(minutes=30))), 201)


def test_another_provider_has_the_same_time_free(clinic: Clinic) -> None:
    starts_at = clinic.new_time()

    ok(book(clinic, clinic.slot(starts_at)), 201)
    ok(book(clinic, clinic.slot(starts_at, provider_id="prv_both")), 201)


def test_a_provider_who_is_busy_for_another_brand_is_busy_and_nothing_more_is_said(
    clinic: Clinic,
) -> None:
    starts_at = clinic.new_time()
    person = clinic.provider(LOOP, LOOPBIO)
    theirs = clinic.slot(starts_at, minutes=60, provider_id=person, brand_id=LOOPBIO)
    ours = clinic.slot(starts_at + timedelta(minutes=30), provider_id=person)
    visit = ok(
        clinic.post(
            "/v1/visits",
            clinic.world.book(theirs, brand_id=LOOPBIO, patient_id="pat_eve", reason="secret"),
            token=clinic.world.foreign_staff,
        ),
        201,
    )

    listed = clinic.get(f"/v1/providers/{person}/slots", brand_id=LOOP)
    answer = book(clinic, ours)

    (slot,) = ok(listed)["slots"]
    assert slot["booked"] is True
    refused(answer, 409, "slot_unavailable", slot_id=ours)
    for foreign in (LOOPBIO, theirs, visit["id"], "pat_eve", "secret", visit["start_time"]):
        assert foreign not in answer.text
        assert foreign not in listed.text


def test_a_slot_that_has_begun_cannot_be_booked(clinic: Clinic) -> None:
    starts_at = clinic.new_time()
    slot_id = clinic.slot(starts_at)

    with clinic.clock_at(starts_at + timedelta(seconds=1)):
        refused(book(clinic, slot_id), 409, "slot_unavailable", slot_id=slot_id)
    with clinic.clock_at(starts_at - timedelta(seconds=30)):
        ok(book(clinic, slot_id), 201)


def test_a_service_books_for_the_brand_its_request_names(clinic: Clinic) -> None:
    slot_id = clinic.slot(provider_id="prv_sam", brand_id=LOOPBIO)
    wanted = clinic.world.book(slot_id, brand_id=LOOPBIO, patient_id="pat_eve")

    visit = ok(clinic.post("/v1/visits", wanted, token=clinic.world.platform), 201)

    assert visit["brand_id"] == LOOPBIO


def test_a_service_that_names_two_brands_finds_nothing(clinic: Clinic) -> None:
    answer = clinic.post(
        "/v1/visits",
        clinic.world.book(clinic.slot()),
        token=clinic.world.platform,
        headers={"X-Brand-Id": LOOPBIO},
    )

    refused(answer, 404, "not_found")


def test_a_refused_booking_leaves_no_visit(clinic: Clinic) -> None:
    slot_id = clinic.slot()

    book(clinic, slot_id, patient_id="pat_never")
    book(clinic, slot_id, visit_type=7)

    assert visits_at(clinic, slot_id) == 0
    ok(book(clinic, slot_id), 201)


REQUIRED = ("brand_id", "patient_id", "slot_id", "visit_type")
NO_ID = {
    "a number": 7,
    "null": None,
    "a list": ["x"],
    "an object": {"x": 1},
    "true": True,
    "empty": "",
    "blank": " ",
    "with a space": "a b",
    "with a line": "a\n",
    "with NUL": "a\x00b",
    "129 characters": "x" * 129,
}


@pytest.mark.parametrize("field", REQUIRED)
def test_a_required_field_is_named_when_it_is_missing(clinic: Clinic, field: str) -> None:
    wanted = clinic.world.book(clinic.slot())
    del wanted[field]

    assert invalid(clinic.post("/v1/visits", wanted), field)["message"] == f"{field} is required."


@pytest.mark.parametrize("wrong", NO_ID)
@pytest.mark.parametrize("field", ["brand_id", "patient_id", "slot_id", "provider_id"])
def test_what_is_no_id_is_refused_by_name(clinic: Clinic, field: str, wrong: str) -> None:
    invalid(book(clinic, "slt_x", **{field: NO_ID[wrong]}), field)


@pytest.mark.parametrize("wrong", [name for name in NO_ID if name not in {"blank", "with a space"}])
def test_what_is_no_type_of_visit_is_refused_by_name(clinic: Clinic, wrong: str) -> None:
    invalid(book(clinic, "slt_x", visit_type=NO_ID[wrong]), "visit_type")


def test_a_type_of_visit_may_be_several_words(clinic: Clinic) -> None:
    visit = ok(book(clinic, clinic.slot(), visit_type="Follow up, 2nd"), 201)

    assert visit["visit_type"] == "Follow up, 2nd"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reason", "x" * 2_001),
        ("reason", "a\x00b"),
        ("reason", 7),
        ("reason", ["x"]),
        ("notes", "x" * 10_001),
        ("notes", "\x00"),
        ("notes", False),
    ],
)
def test_text_that_is_none_or_too_long_is_refused_by_name(
    clinic: Clinic, field: str, value: object
) -> None:
    body = invalid(book(clinic, "slt_x", **{field: value}), field)

    assert "xxx" not in body["message"], "what somebody wrote is never repeated"


def test_ids_of_other_systems_may_be_any_visible_characters(clinic: Clinic) -> None:
    patient_id = "EHR#ü/%?🩺" + "x" * 118
    clinic.world.sql(
        "INSERT INTO booking.patient (brand_id, patient_id) VALUES ('loop', %s)", patient_id
    )

    visit = ok(book(clinic, clinic.slot(), patient_id=patient_id), 201)
    listed = ok(clinic.get("/v1/visits", brand_id=LOOP, patient_id=patient_id))

    assert visit["patient_id"] == patient_id
    assert [each["id"] for each in listed["visits"]] == [visit["id"]]


def test_times_are_utc_with_a_z(clinic: Clinic) -> None:
    visit = clinic.visit()

    for name in ("created_at", "updated_at", "start_time", "end_time"):
        assert INSTANT.fullmatch(visit[name])
        assert datetime.fromisoformat(visit[name]).utcoffset() == timedelta(0)
