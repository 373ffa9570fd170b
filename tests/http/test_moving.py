"""Moving a visit under the booking rules (docs/decisions/0026-policies-of-ending.md)."""

from datetime import datetime, timedelta

import pytest

from after_booking import change_type, held, kept, move, override_audited, retire, row
from clinic import Clinic
from envelope import ok, refused
from practice import Practice, minutes


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


@pytest.fixture
def start(practice: Practice) -> datetime:
    return practice.clinic.new_time() + timedelta(days=7)


# ------------------------------------------------------------------------------------------ moves


def test_a_move_is_judged_by_the_rules_of_the_day(practice: Practice, start: datetime) -> None:
    practice.visit_type()
    visit = practice.booked(practice.slot(start))
    change_type(practice, notice_minutes=3 * 24 * 60, horizon_days=60)
    away = start + timedelta(days=5)
    practice.off(away, away + timedelta(hours=1))
    before = row(practice, visit)

    for rule, at in (
        ("notice", datetime.now(start.tzinfo) + timedelta(days=2)),
        ("horizon", start + timedelta(days=100)),
        ("time_off", away),
    ):
        slot_id = practice.slot(at.replace(microsecond=0))
        answer = move(practice, visit, slot_id)
        refused(answer, 409, "rule_broken", rule=rule, slot_id=slot_id)
    assert row(practice, visit) == before
    short = practice.slot(start + timedelta(days=1), minutes=20)
    refused(move(practice, visit, short), 409, "rule_broken", rule="hours")
    assert ok(move(practice, visit, practice.slot(start + timedelta(days=2))))["version"] == 2


def test_a_move_to_where_the_provider_is_not_licensed_is_refused_whatever_the_reason(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(notice_minutes=500_000)
    visit = practice.booked(practice.slot(start), override_reason="clinical_need")
    other = practice.clinic.provider(practice.brand_id)
    practice.licence("US-NY", provider_id=other)
    practice.patient_lives_in({"region": "US-CA"})
    slot_id = practice.slot(start, provider_id=other)

    answer = move(practice, visit, slot_id, override_reason="clinical_need")

    body = refused(answer, 409, "rule_broken", rule="licence", may_be_overruled=False)
    assert body["details"]["rules"] == ["licence"]


def test_a_type_for_staff_is_not_moved_by_the_patient(practice: Practice, start: datetime) -> None:
    practice.visit_type(booked_by="staff")
    visit = practice.booked(practice.slot(start))
    slot_id = practice.slot()

    answer = move(practice, visit, slot_id, token=practice.patient.token)

    refused(answer, 409, "rule_broken", rule="booker")
    assert ok(move(practice, visit, slot_id))["slot_id"] == slot_id


def test_a_visit_does_not_count_against_its_own_move(practice: Practice, start: datetime) -> None:
    practice.visit_type(
        patient_cap=1, patient_cap_period="day", provider_day_cap=1, buffer_after_minutes=15
    )
    visit = practice.booked(practice.slot(start.replace(hour=9)))

    # Into its own buffer, on its own full day.
    moved = ok(move(practice, visit, practice.slot(start.replace(hour=9, minute=10))))

    assert moved["version"] == 2


def test_a_cap_of_the_new_day_counts(practice: Practice, start: datetime) -> None:
    practice.visit_type(patient_cap=1, patient_cap_period="day")
    practice.booked(practice.slot(start.replace(hour=9)))
    visit = practice.booked(practice.slot(start.replace(hour=9) + timedelta(days=1)))
    slot_id = practice.slot(start.replace(hour=11))

    refused(move(practice, visit, slot_id), 409, "rule_broken", rule="patient_cap")
    ok(move(practice, visit, slot_id, override_reason="clinical_need"))
    assert override_audited(practice, visit) == {
        "rules": ["patient_cap"],
        "reason": "clinical_need",
    }


def test_a_moved_visit_takes_the_time_that_the_terms_of_the_day_keep_free(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(buffer_after_minutes=10)
    other = practice.clinic.provider(practice.brand_id)
    practice.override(other, "follow_up", buffer_before_minutes=5, buffer_after_minutes=20)
    visit = practice.booked(practice.slot(start))
    before, *_ = kept(practice, visit)

    ok(move(practice, visit, practice.slot(start, provider_id=other)))

    assert kept(practice, visit) == (before, minutes(5), minutes(20))
    assert practice.booked(practice.slot(start))["status"] == "booked", "the old time is free"
    taken = practice.book(practice.slot(start + minutes(45), provider_id=other))
    refused(taken, 409, "slot_unavailable")


def test_a_time_that_somebody_has_or_holds_is_unavailable_to_a_move(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    visit = practice.booked(practice.slot(start))
    booked, held_too = start + timedelta(days=1), start + timedelta(days=2)
    practice.booked(practice.slot(booked))
    held(practice, practice.slot(held_too))

    for at in (booked, held_too):
        slot_id = practice.slot(at + minutes(10))
        answer = move(practice, visit, slot_id, override_reason="clinical_need")
        refused(answer, 409, "slot_unavailable", slot_id=slot_id)


def test_a_time_too_close_to_another_visit_breaks_the_buffers(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(buffer_before_minutes=15)
    visit = practice.booked(practice.slot(start + timedelta(days=1)))
    practice.booked(practice.slot(start))
    slot_id = practice.slot(start + minutes(40))

    refused(move(practice, visit, slot_id), 409, "rule_broken", rule="buffers")
    ok(move(practice, visit, slot_id, override_reason="clinical_need"))
    assert kept(practice, visit)[1:] == (None, None)


def test_a_visit_from_before_the_first_type_moves_as_it_always_did(
    practice: Practice, start: datetime
) -> None:
    visit = practice.booked(practice.slot(start), "whatever they call it")
    practice.visit_type(notice_minutes=500_000)

    moved = ok(move(practice, visit, practice.slot()))

    assert moved["visit_type"] == "whatever they call it"
    assert kept(practice, visit) == (None, None, None)


def test_a_visit_of_a_retired_type_still_moves_and_keeps_its_buffers(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(buffer_after_minutes=20)
    visit = practice.booked(practice.slot(start))
    before = kept(practice, visit)
    retire(practice)

    ok(move(practice, visit, practice.slot(start + timedelta(days=1))))

    assert kept(practice, visit) == before
