"""Office-hour bookings: a patient's seat, taken and given back."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from clinic import Clinic, Patient, later
from envelope import invalid, ok, refused
from world import LOOPBIO


def coach_with_hours(clinic: Clinic, **rule: object) -> str:
    coach_id = clinic.provider(kind="coach")
    clinic.office_hour(coach_id, **rule)
    return coach_id


def take(
    clinic: Clinic, coach_id: str, patient: Patient | None = None, **changes: object
) -> httpx.Response:
    """Take a seat in the coach's next session, as the patient's own app does."""
    slot_at = changes.pop("slot_at", None) or clinic.next_session(coach_id)
    token = (patient or clinic.patient()).token
    return clinic.post(
        f"/v1/coaches/{coach_id}/bookings", {"slot_at": slot_at, **changes}, token=token
    )


def give_back(clinic: Clinic, booking: dict[str, Any], token: str | None = None) -> httpx.Response:
    return clinic.call("DELETE", f"/v1/bookings/{booking['id']}", token=token)


def own(clinic: Clinic, patient: Patient) -> list[dict[str, Any]]:
    bookings: list[dict[str, Any]] = ok(clinic.get("/v1/bookings/me", token=patient.token))[
        "bookings"
    ]
    return bookings


# ---------------------------------------------------------------------------------------- taking


def test_a_seat_says_all_of_itself(clinic: Clinic) -> None:
    coach_id = clinic.provider(kind="coach")
    rule = clinic.office_hour(coach_id)
    slot_at = clinic.next_session(coach_id)
    ada = clinic.patient()

    booking = ok(take(clinic, coach_id, ada, notes="about sleep"), 201)

    assert booking["id"].startswith("ohb_")
    assert booking == {
        "id": booking["id"],
        "office_hour_id": rule["id"],
        "patient_id": ada.patient_id,
        "slot_at": slot_at,
        "duration_minutes": 30,
        "status": "booked",
        "notes": "about sleep",
        "created_at": booking["created_at"],
    }
    assert own(clinic, ada) == [booking]


def test_an_instant_with_another_offset_is_the_same_session(clinic: Clinic) -> None:
    coach_id = coach_with_hours(clinic)
    slot_at = clinic.next_session(coach_id)
    in_india = datetime.fromisoformat(slot_at) + timedelta(hours=5, minutes=30)

    booking = ok(take(clinic, coach_id, slot_at=f"{in_india:%Y-%m-%dT%H:%M:%S}+05:30"), 201)

    assert booking["slot_at"] == slot_at


@pytest.mark.parametrize("caller", ["staff", "service"])
def test_staff_and_services_name_the_patient(clinic: Clinic, caller: str) -> None:
    coach_id = coach_with_hours(clinic)
    ada = clinic.patient()
    body = {"slot_at": clinic.next_session(coach_id)}
    token = getattr(clinic.world, caller)
    path = f"/v1/coaches/{coach_id}/bookings"

    unnamed = clinic.post(path, body, token=token)
    named = clinic.post(path, {**body, "patient_id": ada.patient_id}, token=token)

    refused(unnamed, 404, "not_found")
    assert ok(named, 201)["patient_id"] == ada.patient_id


@pytest.mark.parametrize("patient_id", ["pat_never", "pat_eve"])
def test_a_patient_who_is_not_the_brands_is_not_there(clinic: Clinic, patient_id: str) -> None:
    coach_id = coach_with_hours(clinic)
    body = {"slot_at": clinic.next_session(coach_id), "patient_id": patient_id}

    answer = clinic.post(f"/v1/coaches/{coach_id}/bookings", body)

    assert refused(answer, 404, "not_found")["message"] == "There is no such patient."


def test_a_patient_takes_a_seat_for_themselves_only(clinic: Clinic) -> None:
    coach_id = coach_with_hours(clinic, capacity=2)
    ada = clinic.patient()

    refused(take(clinic, coach_id, ada, patient_id="pat_bob"), 404, "not_found")
    ok(take(clinic, coach_id, ada, patient_id=ada.patient_id), 201)


def test_a_token_of_no_patient_of_the_brand_has_no_seat(clinic: Clinic) -> None:
    stranger = Patient("", clinic.token("patient", "sub-of-nobody"))
    coach_id = coach_with_hours(clinic)

    refused(take(clinic, coach_id, stranger), 404, "not_found")
    refused(clinic.get("/v1/bookings/me", token=stranger.token), 404, "not_found")


@pytest.mark.parametrize("shift", [{"minutes": 1}, {"seconds": -1}, {"microseconds": 1}])
def test_a_seat_is_taken_at_a_sessions_start_and_at_no_other_instant(
    clinic: Clinic, shift: dict[str, float]
) -> None:
    coach_id = coach_with_hours(clinic)

    answer = take(clinic, coach_id, slot_at=later(clinic.next_session(coach_id), **shift))

    refused(answer, 404, "not_found")


def test_a_session_that_has_begun_takes_nobody(clinic: Clinic) -> None:
    coach_id = coach_with_hours(clinic)
    slot_at = clinic.next_session(coach_id)

    with clinic.clock_at(datetime.fromisoformat(slot_at) + timedelta(seconds=1)):
        refused(take(clinic, coach_id, slot_at=slot_at), 409, "slot_unavailable")


def test_a_session_has_as_many_seats_as_it_says(clinic: Clinic) -> None:
    coach_id = coach_with_hours(clinic, capacity=2)
    slot_at = clinic.next_session(coach_id)

    statuses = [take(clinic, coach_id, slot_at=slot_at).status_code for _ in range(3)]

    assert statuses == [201, 201, 409]
    refused(take(clinic, coach_id, slot_at=slot_at), 409, "slot_unavailable")


def test_nobody_sits_in_a_session_twice(clinic: Clinic) -> None:
    coach_id = coach_with_hours(clinic, capacity=5)
    slot_at = clinic.next_session(coach_id)
    ada = clinic.patient()

    ok(take(clinic, coach_id, ada, slot_at=slot_at), 201)
    refused(take(clinic, coach_id, ada, slot_at=slot_at), 409, "slot_unavailable")

    assert len(own(clinic, ada)) == 1


def test_a_coach_of_another_brand_is_forbidden_and_an_unknown_one_not_there(clinic: Clinic) -> None:
    slot_at = "2027-05-03T09:00:00Z"

    refused(take(clinic, "coach_max", slot_at=slot_at), 403, "forbidden")
    refused(take(clinic, "coach_never", slot_at=slot_at), 404, "not_found")
    refused(take(clinic, "prv_kim", slot_at=slot_at), 404, "not_found")


@pytest.mark.parametrize(
    "wrong",
    ["", "monday", "2027-05-03T09:00:00", "2027-02-30T09:00:00Z", "1850-01-01T00:00:00Z", 5, None],
)
def test_what_is_no_instant_is_refused_by_name(clinic: Clinic, wrong: object) -> None:
    body = {"slot_at": wrong}

    invalid(
        clinic.post("/v1/coaches/coach_jo/bookings", body, token=clinic.world.patient), "slot_at"
    )


@pytest.mark.parametrize(
    "notes", [None, 7, "x" * 10_001, "\x00"], ids=lambda value: repr(value)[:12]
)
def test_notes_that_are_none_are_refused_by_name(clinic: Clinic, notes: object) -> None:
    body = {"slot_at": "2027-05-03T09:00:00Z", "notes": notes}

    invalid(clinic.post("/v1/coaches/coach_jo/bookings", body, token=clinic.world.patient), "notes")


def test_a_seat_needs_a_body_that_names_its_session(clinic: Clinic) -> None:
    path, app = "/v1/coaches/coach_jo/bookings", clinic.world.patient

    invalid(clinic.post(path, token=app), "body")
    invalid(clinic.post(path, {}, token=app), "slot_at")


# ------------------------------------------------------------------------------------ giving back


def test_a_seat_given_back_is_free_for_the_next(clinic: Clinic) -> None:
    coach_id = coach_with_hours(clinic)
    ada = clinic.patient()
    booking = ok(take(clinic, coach_id, ada, notes="about sleep"), 201)

    cancelled = ok(give_back(clinic, booking, ada.token))

    assert cancelled == {**booking, "status": "cancelled"}
    assert own(clinic, ada) == [cancelled]
    again = ok(take(clinic, coach_id, ada, slot_at=booking["slot_at"]), 201)
    assert again["id"] != booking["id"]


def test_a_seat_is_given_back_once(clinic: Clinic) -> None:
    ada = clinic.patient()
    booking = clinic.seat(ada)
    ok(give_back(clinic, booking, ada.token))

    answer = give_back(clinic, booking, ada.token)

    refused(answer, 412, "booking_not_cancellable", status="cancelled")


def test_a_seat_is_given_back_until_the_session_has_ended(clinic: Clinic) -> None:
    ada = clinic.patient()
    first, second = clinic.seat(ada), clinic.seat(ada)
    begins = datetime.fromisoformat(first["slot_at"])

    with clinic.clock_at(begins + timedelta(minutes=29)):
        ok(give_back(clinic, first, ada.token))
    with clinic.clock_at(begins + timedelta(minutes=30, seconds=1)):
        refused(
            give_back(clinic, second, ada.token), 412, "booking_not_cancellable", status="booked"
        )


@pytest.mark.parametrize("status", ["completed", "no_show"])
def test_a_seat_that_was_used_is_not_given_back(clinic: Clinic, status: str) -> None:
    ada = clinic.patient()
    booking = clinic.seat(ada)
    clinic.world.sql(
        "UPDATE booking.office_hour_booking SET status = %s WHERE booking_id = %s",
        status,
        booking["id"],
    )

    refused(give_back(clinic, booking, ada.token), 412, "booking_not_cancellable", status=status)


@pytest.mark.parametrize("caller", ["staff", "service"])
def test_staff_and_services_give_back_a_patients_seat(clinic: Clinic, caller: str) -> None:
    booking = clinic.seat(clinic.patient())

    assert ok(give_back(clinic, booking, getattr(clinic.world, caller)))["status"] == "cancelled"


def test_a_seat_of_another_patient_or_brand_is_forbidden_and_an_unknown_one_not_there(
    clinic: Clinic,
) -> None:
    booking = clinic.seat(clinic.patient())
    foreign = clinic.patient(LOOPBIO)

    for token in (clinic.patient().token, foreign.token, clinic.world.foreign_staff):
        refused(give_back(clinic, booking, token), 403, "forbidden")
        refused(give_back(clinic, {"id": "ohb_never"}, token), 404, "not_found")
    ((status,),) = clinic.world.sql(
        "SELECT status FROM booking.office_hour_booking WHERE booking_id = %s", booking["id"]
    )
    assert status == "booked"


# ----------------------------------------------------------------------------------------- my own


def test_a_patient_sees_their_own_seats_newest_first(clinic: Clinic) -> None:
    coach_id = coach_with_hours(clinic, capacity=9)
    ada, bob = clinic.patient(), clinic.patient()
    first = ok(take(clinic, coach_id, ada), 201)
    ok(take(clinic, coach_id, bob), 201)
    second = ok(take(clinic, coach_id, ada, slot_at=later(first["slot_at"], days=7)), 201)

    assert own(clinic, ada) == [second, first]


@pytest.mark.parametrize("caller", ["staff", "service", "admin"])
def test_whoever_is_no_patient_has_no_seats_of_their_own(clinic: Clinic, caller: str) -> None:
    answer = clinic.get("/v1/bookings/me", token=getattr(clinic.world, caller))

    assert refused(answer, 404, "not_found")["message"] == "There is no such patient."
