"""Open times: what hides one, what a patient finds, and where a visit could move."""

from datetime import datetime

import pytest

from clinic import Clinic, later, said
from envelope import invalid, ok, refused
from practice import Practice, minutes
from searching import asked, derived, ids
from world import LOOP


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


@pytest.fixture
def start(clinic: Clinic) -> datetime:
    """Each test has a brand and a provider of its own, so all may use the same time."""
    return clinic.world.at(9, days=3)


def test_a_taken_time_is_offered_in_no_brand(
    clinic: Clinic, practice: Practice, start: datetime
) -> None:
    both = clinic.provider(LOOP, practice.brand_id)
    here = practice.slot(start, provider_id=both)
    there = clinic.slot(start + minutes(15), provider_id=both)
    assert ids(asked(practice, provider_id=both)["slots"]) == [here]

    clinic.visit(there)

    assert asked(practice, provider_id=both)["slots"] == []
    assert asked(practice, provider_id=both, first_available="true")["slots"] == []


def test_a_held_time_is_offered_to_nobody_until_it_expires(
    practice: Practice, start: datetime
) -> None:
    slot_id = practice.slot(start)
    held = ok(practice.hold(slot_id), 201)

    assert asked(practice)["slots"] == []
    with practice.clinic.clock_at(
        datetime.fromisoformat(later(held["hold_expires_at"], seconds=1))
    ):
        assert ids(asked(practice)["slots"]) == [slot_id]


def test_a_cancelled_visits_time_is_offered_again(practice: Practice, start: datetime) -> None:
    slot_id = practice.slot(start)
    visit = practice.booked(slot_id)
    assert asked(practice)["slots"] == []

    practice.clinic.post(f"/v1/visits/{visit['id']}/cancel", token=practice.staff)

    assert ids(asked(practice)["slots"]) == [slot_id]


def test_a_visit_of_a_day_before_hides_what_it_reaches_into(
    practice: Practice, start: datetime
) -> None:
    """24 hours long, with a day kept free before and after: the furthest that a visit reaches."""
    practice.visit_type(
        "long", duration_minutes=1440, buffer_before_minutes=1440, buffer_after_minutes=1440
    )
    practice.visit_type()
    hidden = [
        practice.slot(start - minutes(1440)),
        practice.slot(start + minutes(2 * 1440 - 30)),
    ]
    open_slots = [
        practice.slot(start - minutes(1440 + 30)),
        practice.slot(start + minutes(2 * 1440)),
    ]
    practice.booked(practice.slot(start, 1440), "long")

    for window in ({}, {"from": said(start + minutes(2 * 1440 - 30))}):
        found = ids(asked(practice, visit_type="follow_up", **window)["slots"])
        assert not set(hidden) & set(found)
        assert open_slots[1] in found
    assert open_slots[0] in ids(asked(practice, visit_type="follow_up")["slots"])
    just_before = {"from": said(start - minutes(1440)), "to": said(start - minutes(1439))}
    for is_first in ("false", "true"):
        query = {**just_before, "visit_type": "follow_up", "first_available": is_first}
        assert asked(practice, **query)["slots"] == []


def test_an_unknown_visit_type_is_refused_by_name(practice: Practice, start: datetime) -> None:
    slot_id = practice.slot(start)
    path = "/v1/slots"
    query = {"brand_id": practice.brand_id, "visit_type": "never"}
    assert ids(asked(practice, visit_type="never")["slots"]) == [slot_id], "it has no types yet"
    practice.visit_type()

    for first_available in ("false", "true"):
        answer = practice.clinic.get(
            path, token=practice.staff, first_available=first_available, **query
        )
        invalid(answer, "visit_type")


def test_without_a_type_only_rules_that_need_none_are_asked(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(duration_minutes=60, notice_minutes=60 * 24 * 300)
    slot_id = practice.slot(start)
    practice.off(start + minutes(60), start + minutes(120))
    practice.slot(start + minutes(60))

    assert ids(asked(practice)["slots"]) == [slot_id]


def test_a_derived_slot_is_for_its_types_and_one_posted_by_hand_for_all_that_fit(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    practice.visit_type("intake", duration_minutes=60)
    short = practice.slot(start)
    long = practice.slot(start + minutes(60), 60)
    follow_up = derived(practice, practice.slot(start + minutes(120)), "rul_1", "follow_up")
    intake = derived(practice, practice.slot(start + minutes(180), 60), "rul_1", "intake")

    assert ids(asked(practice, visit_type="follow_up")["slots"]) == [short, long, follow_up]
    assert ids(asked(practice, visit_type="intake")["slots"]) == [long, intake]


def test_a_provider_has_the_terms_of_their_own(practice: Practice, start: datetime) -> None:
    other = practice.clinic.provider(practice.brand_id)
    practice.visit_type()
    practice.override(other, "follow_up", duration_minutes=45)
    usual = practice.slot(start)
    practice.slot(start, provider_id=other)
    longer = practice.slot(start + minutes(60), 45, provider_id=other)

    for first_available in ("false", "true"):
        assert ids(practice.search(first_available=first_available)) == [usual, longer]


def test_a_patient_finds_what_they_may_book(practice: Practice, start: datetime) -> None:
    practice.visit_type(licence_required=True)
    practice.licence("US-NY")
    slot_id = practice.slot(start)
    own = {"token": practice.patient.token, "visit_type": "follow_up"}
    assert asked(practice, **own)["slots"] == [], "nobody knows where they are"

    practice.patient_lives_in({"region": "US-NY"})

    assert ids(asked(practice, **own)["slots"]) == [slot_id]
    named = asked(practice, patient_id=practice.patient.patient_id, **own)
    assert ids(named["slots"]) == [slot_id]


def test_another_patients_search_is_empty(practice: Practice, start: datetime) -> None:
    practice.slot(start)
    other = practice.clinic.patient(practice.brand_id)

    answer = asked(practice, token=practice.patient.token, patient_id=other.patient_id)

    assert answer == {"slots": [], "next_available": None}


def test_a_token_that_is_no_patients_of_the_brand_finds_nothing(
    practice: Practice, start: datetime
) -> None:
    practice.slot(start)
    nobody = practice.clinic.token("patient", "sub-nobody", brand_id=practice.brand_id)

    assert asked(practice, token=nobody)["slots"] == []


def test_for_whoever_is_no_patient_of_the_brand_nothing_is_open(
    practice: Practice, start: datetime
) -> None:
    practice.slot(start)

    for patient_id in ("pat_never", "pat_ada"):
        assert asked(practice, patient_id=patient_id) == {"slots": [], "next_available": None}


def test_what_only_staff_book_is_not_offered_to_a_patient(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(booked_by="staff")
    slot_id = practice.slot(start)

    assert ids(practice.search()) == [slot_id]
    assert practice.search(token=practice.patient.token) == []


def test_the_time_of_the_visit_that_is_moved_counts_as_free(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(buffer_after_minutes=30)
    visit = practice.booked(practice.slot(start))
    overlapping = practice.slot(start + minutes(15))
    beside = practice.slot(start + minutes(45))
    assert practice.search() == []

    for first_available in ("false", "true"):
        moved = asked(practice, reschedule_of=visit["id"], first_available=first_available)
        wanted = [overlapping, beside] if first_available == "false" else [overlapping]
        assert ids(moved["slots"]) == wanted, "and not the slot that the visit has"


def test_the_visit_that_is_moved_says_whose_it_is_and_of_which_type(
    practice: Practice, start: datetime
) -> None:
    """It does not count against its own patient's cap, and another one does."""
    practice.visit_type(patient_cap=1, patient_cap_period="year")
    visit = practice.booked(practice.slot(start))
    free = practice.slot(start + minutes(60))
    whose = {"patient_id": practice.patient.patient_id}
    assert practice.search(**whose) == []

    assert ids(asked(practice, reschedule_of=visit["id"])["slots"]) == [free]


def test_a_visit_is_moved_as_a_type_that_its_brand_no_longer_has(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    practice.visit_type("intake")
    visit = practice.booked(practice.slot(start))
    free = practice.slot(start + minutes(60))
    practice.clinic.call("DELETE", "/v1/visit-types/follow_up", token=practice.admin)

    found = asked(practice, reschedule_of=visit["id"])["slots"]

    assert ids(found) == [free]
    moved = practice.clinic.post(
        f"/v1/visits/{visit['id']}/reschedule", {"new_slot_id": free}, token=practice.staff
    )
    ok(moved)


def test_only_the_callers_own_visit_can_be_moved(clinic: Clinic, practice: Practice) -> None:
    own = practice.booked(practice.slot())
    other = practice.clinic.patient(practice.brand_id)
    of_another = practice.booked(practice.slot(), patient_id=other.patient_id)
    foreign = clinic.visit()
    query = {"brand_id": practice.brand_id}
    token = practice.patient.token

    ok(clinic.get("/v1/slots", token=token, reschedule_of=own["id"], **query))
    for visit_id in (of_another["id"], foreign["id"], "vis_never"):
        for path in ("/v1/slots", "/v1/slots/explain"):
            more = {"provider_id": practice.provider_id, "visit_type": "x"}
            more["start_time"] = "2030-01-01T00:00:00Z"
            answer = clinic.get(path, token=token, reschedule_of=visit_id, **query, **more)
            refused(answer, 404, "not_found")
