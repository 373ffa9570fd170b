"""A patient is linked to the subject of their own tokens, when they are added or any time later."""

import httpx

from clinic import Clinic
from envelope import invalid, ok, refused
from world import LOOP, headers


def link(clinic: Clinic, patient_id: str, subject: object, **more: str) -> httpx.Response:
    return clinic.http.put(
        f"/v1/admin/patients/{patient_id}/subject",
        json={"subject": subject},
        headers=headers(clinic.world.admin, **more),
    )


def test_a_patient_who_is_linked_later_sees_their_own_visits_at_once(clinic: Clinic) -> None:
    patient_id, subject = clinic.new_id("pat"), clinic.new_id("sub")
    admin = headers(clinic.world.admin)
    added = clinic.http.post("/v1/admin/patients", json={"id": patient_id}, headers=admin)
    assert ok(added, 201)["subject"] is None
    token = clinic.token("patient", subject)
    body = clinic.world.book(clinic.slot(), patient_id=patient_id)
    visit = ok(clinic.post("/v1/visits", body, token=clinic.world.staff), 201)
    refused(clinic.get(f"/v1/visits/{visit['id']}", token=token), 404, "not_found")

    linked = ok(link(clinic, patient_id, subject))

    assert linked["subject"] == subject
    assert ok(clinic.get(f"/v1/visits/{visit['id']}", token=token)) == visit


def test_a_patient_who_is_linked_to_nobody_any_more_is_seen_by_no_patient(clinic: Clinic) -> None:
    patient = clinic.patient()
    ok(clinic.get("/v1/bookings/me", token=patient.token))

    assert ok(link(clinic, patient.patient_id, None))["subject"] is None

    refused(clinic.get("/v1/bookings/me", token=patient.token), 404, "not_found")


def test_a_subject_is_one_patient_of_a_brand(clinic: Clinic) -> None:
    one, other = clinic.patient(), clinic.patient()
    ((subject,),) = clinic.world.sql(
        "SELECT subject FROM booking.patient WHERE brand_id = %s AND patient_id = %s",
        LOOP,
        one.patient_id,
    )

    refused(link(clinic, other.patient_id, subject), 409, "already_exists")


def test_a_subject_that_is_none_is_refused_by_name(clinic: Clinic) -> None:
    patient = clinic.patient()

    for subject in ("", "a b", "x" * 129, 7, "a\x00"):
        invalid(link(clinic, patient.patient_id, subject), "subject")
