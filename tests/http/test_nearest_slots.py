"""Who comes too late hears what is open near that time (CONTRACT.md section 2, decision 2)."""

from datetime import datetime, timedelta

import httpx
import pytest

from bookwell.domain.visits import VisitStatus
from clinic import Clinic, said
from envelope import ok, refused
from practice import Practice, minutes


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


def day_of(practice: Practice, *hours: float) -> dict[float, tuple[datetime, str]]:
    """Slots of half an hour at these hours of a day of the practice's own."""
    day = practice.clinic.new_time().replace(hour=0) + timedelta(days=40)
    starts = {hour: day + timedelta(hours=hour) for hour in hours}
    return {hour: (at, practice.slot(at)) for hour, at in starts.items()}


def nearest(answer: httpx.Response) -> list[str]:
    """The ids it names."""
    return [slot["id"] for slot in answer.json()["details"]["nearest_slots"]]


def test_a_lost_race_names_the_next_open_slots_and_then_those_before(practice: Practice) -> None:
    slots = day_of(practice, 8, 9, 10, 11, 12)
    for hour in (10, 12):
        practice.booked(slots[hour][1])

    answer = practice.book(slots[10][1])

    refused(answer, 409, "slot_unavailable", slot_id=slots[10][1])
    assert nearest(answer) == [slots[hour][1] for hour in (11, 9, 8)]
    at, slot_id = slots[11]
    assert answer.json()["details"]["nearest_slots"][0] == {
        "id": slot_id,
        "start_time": said(at),
        "end_time": said(at + minutes(30)),
    }


def test_what_is_named_can_be_booked_for_the_same_question(practice: Practice) -> None:
    practice.visit_type("follow_up", buffer_after_minutes=30)
    slots = day_of(practice, 8, 9, 9.5, 10, 11)
    practice.booked(slots[9][1])

    answer = practice.hold(slots[9][1], visit_type="follow_up")

    # Half past nine is within the buffer.
    assert nearest(answer) == [slots[hour][1] for hour in (10, 11, 8)]
    for slot_id in nearest(answer):
        assert practice.booked(slot_id)["status"] == VisitStatus.BOOKED


def test_a_hold_in_the_way_is_told_so_as_well_behind_the_locks_of_a_cap(practice: Practice) -> None:
    practice.visit_type("follow_up", patient_cap=5, patient_cap_period="year")
    slots = day_of(practice, 9, 10)
    other = practice.clinic.patient(practice.brand_id).patient_id
    ok(practice.hold(slots[9][1], patient_id=other), 201)

    answer = practice.book(slots[9][1])

    refused(answer, 409, "slot_unavailable")
    assert nearest(answer) == [slots[10][1]]


def test_a_refusal_that_is_sent_again_says_the_same(practice: Practice) -> None:
    slots = day_of(practice, 9, 10)
    practice.booked(slots[9][1])
    body = {
        "brand_id": practice.brand_id,
        "patient_id": practice.patient.patient_id,
        "slot_id": slots[9][1],
        "visit_type": "follow_up",
    }
    sent = {"token": practice.staff, "headers": {"Idempotency-Key": practice.clinic.new_id("key")}}

    first = practice.clinic.post("/v1/visits", body, **sent)
    practice.booked(slots[10][1])
    again = practice.clinic.post("/v1/visits", body, **sent)

    assert nearest(first) == [slots[10][1]]
    assert again.json()["details"] == first.json()["details"]


def test_nothing_open_is_said_too(practice: Practice) -> None:
    slots = day_of(practice, 9)
    practice.booked(slots[9][1])

    assert nearest(practice.book(slots[9][1])) == []


def test_nothing_of_another_brand_is_named(practice: Practice) -> None:
    other = Practice(practice.clinic)
    shared = practice.clinic.provider(practice.brand_id, other.brand_id)
    at = practice.clinic.new_time() + timedelta(days=60)
    slot_id = practice.slot(at, provider_id=shared)
    other.slot(at + timedelta(hours=2), provider_id=shared)
    practice.booked(slot_id)

    assert nearest(practice.book(slot_id)) == []


def test_who_cannot_move_a_visit_to_a_time_hears_it_too(practice: Practice) -> None:
    slots = day_of(practice, 9, 10, 11)
    visit = practice.booked(slots[9][1])
    practice.booked(slots[10][1])

    answer = practice.clinic.post(
        f"/v1/visits/{visit['id']}/reschedule", {"new_slot_id": slots[10][1]}, token=practice.staff
    )

    refused(answer, 409, "slot_unavailable", slot_id=slots[10][1])
    # Its own time is free for it, and no move.
    assert nearest(answer) == [slots[11][1]]
