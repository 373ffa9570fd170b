"""Confirming a hold under the booking rules (docs/decisions/0026-policies-of-ending.md)."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from after_booking import change_type, confirm, held, kept, override_audited, retire, row, terms_no
from clinic import Clinic
from envelope import invalid, ok, refused
from practice import Practice, minutes


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


@pytest.fixture
def start(practice: Practice) -> datetime:
    return practice.clinic.new_time() + timedelta(days=7)


def confirm_by_booking(
    practice: Practice, visit: dict[str, Any], *, token: str | None = None, **body: Any
) -> httpx.Response:
    """The other way to confirm: booking with the hold's id."""
    body = {"visit_type": visit["visit_type"], "hold_id": visit["id"], **body}
    return practice.book(visit["slot_id"], token=token, **body)


WAYS = {"confirm": (confirm, 200), "book": (confirm_by_booking, 201)}


# ---------------------------------------------------------------------------- confirming as held


@pytest.mark.parametrize("way", WAYS)
def test_a_hold_is_confirmed_under_the_terms_it_was_held_under(
    practice: Practice, start: datetime, way: str
) -> None:
    practice.visit_type(buffer_before_minutes=10, patient_cap=1, provider_day_cap=1)
    visit = held(practice, practice.slot(start))
    send, success = WAYS[way]

    confirmed = ok(send(practice, visit), success)

    assert (confirmed["status"], confirmed["visit_type"]) == ("booked", "follow_up")
    assert kept(practice, visit) == (terms_no(practice, "follow_up"), minutes(10), None)


def test_a_type_that_changes_meanwhile_leaves_a_hold_the_terms_it_has(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(buffer_after_minutes=10)
    before = terms_no(practice, "follow_up")
    visit = held(practice, practice.slot(start))
    change_type(practice, cancel_cutoff_minutes=60, buffer_after_minutes=20)

    ok(confirm(practice, visit))

    assert kept(practice, visit) == (before, None, minutes(10))


def test_notice_and_horizon_count_from_when_it_was_held(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(notice_minutes=60)
    slot_id = practice.slot(start)
    later = practice.slot(start + timedelta(hours=1))
    with practice.clinic.clock_at(start - minutes(60) - timedelta(seconds=30)):
        visit = held(practice, slot_id)
    with practice.clinic.clock_at(start - minutes(58)):
        confirmed = ok(confirm(practice, visit))
    with practice.clinic.clock_at(start - timedelta(seconds=30)):
        untyped = ok(practice.hold(later), 201)
    with practice.clinic.clock_at(start + minutes(2)):
        typed = ok(confirm(practice, untyped, visit_type="follow_up"))

    assert confirmed["status"] == typed["status"] == "booked"


def test_what_is_confirmed_as_it_was_held_waits_for_no_count(
    practice: Practice, start: datetime
) -> None:
    """It was counted when it was held, so the patient's row, where counters queue, is left alone."""
    practice.visit_type(patient_cap=1, provider_day_cap=1, notice_minutes=60)
    slot_id = practice.slot(start)
    with practice.clinic.clock_at(start - minutes(61)):
        visit = held(practice, slot_id)

    with psycopg.connect(practice.clinic.world.database_url) as counting:
        counting.execute(
            "SELECT FROM booking.patient WHERE patient_id = %s FOR NO KEY UPDATE",
            [practice.patient.patient_id],
        )
        with practice.clinic.clock_at(start - minutes(59)):
            confirmed = ok(confirm(practice, visit))

    assert confirmed["status"] == "booked"


@pytest.mark.parametrize("way", WAYS)
def test_a_licence_that_is_missing_now_stands_against_confirming(
    practice: Practice, start: datetime, way: str
) -> None:
    practice.visit_type()
    visit = held(practice, practice.slot(start))
    practice.licence("US-NY")
    practice.patient_lives_in({"region": "US-CA"})
    before = row(practice, visit)
    send, _ = WAYS[way]

    answer = send(practice, visit, override_reason="clinical_need")

    refused(
        answer,
        409,
        "rule_broken",
        rule="licence",
        slot_id=visit["slot_id"],
        may_be_overruled=False,
    )
    assert row(practice, visit) == before


@pytest.mark.parametrize("way", WAYS)
def test_time_off_taken_meanwhile_stands_against_confirming(
    practice: Practice, start: datetime, way: str
) -> None:
    practice.visit_type()
    visit = held(practice, practice.slot(start))
    practice.off(start, start + timedelta(hours=1))
    send, _ = WAYS[way]

    refused(send(practice, visit), 409, "rule_broken", rule="time_off")


@pytest.mark.parametrize("way", WAYS)
def test_a_patient_does_not_confirm_what_only_staff_may_book(
    practice: Practice, start: datetime, way: str
) -> None:
    practice.visit_type(booked_by="staff")
    visit = held(practice, practice.slot(start))
    send, success = WAYS[way]

    refused(send(practice, visit, token=practice.patient.token), 409, "rule_broken", rule="booker")
    assert ok(send(practice, visit), success)["status"] == "booked"


def test_a_type_retired_meanwhile_is_not_confirmed(practice: Practice, start: datetime) -> None:
    practice.visit_type()
    practice.visit_type("intake")
    visit = held(practice, practice.slot(start))
    retire(practice)

    invalid(confirm(practice, visit), "visit_type")
    assert ok(confirm(practice, visit, visit_type="intake"))["visit_type"] == "intake"


def test_a_cap_that_is_full_without_the_hold_stands_against_confirming(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(patient_cap=2, patient_cap_period="week")
    monday = (start - timedelta(days=start.weekday())).replace(hour=9)
    practice.booked(practice.slot(monday))
    visit = held(practice, practice.slot(monday + timedelta(days=1)))
    before = kept(practice, visit)
    change_type(practice, patient_cap=1)

    refused(confirm(practice, visit), 409, "rule_broken", rule="patient_cap", may_be_overruled=True)
    ok(confirm(practice, visit, override_reason="clinical_need"))
    assert override_audited(practice, visit) == {
        "rules": ["patient_cap"],
        "reason": "clinical_need",
    }
    assert kept(practice, visit) == before, "its type is what it was, and so are its terms"


def test_who_may_not_overrule_does_not_confirm_with_a_reason(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    visit = held(practice, practice.slot(start))

    for token in (practice.staff_without_override(), practice.patient.token):
        for send, _ in WAYS.values():
            answer = send(practice, visit, token=token, override_reason="clinical_need")
            refused(answer, 403, "insufficient_scope", scope="override:visits")


def test_a_broken_rule_is_told_again_to_its_key(practice: Practice, start: datetime) -> None:
    practice.visit_type()
    visit = held(practice, practice.slot(start))
    sent = {"token": practice.staff, "headers": {"Idempotency-Key": practice.clinic.new_id("key")}}
    path = f"/v1/visits/{visit['id']}/confirm"
    practice.off(start, start + timedelta(hours=1))

    first = practice.clinic.post(path, **sent)
    practice.clinic.world.sql("DELETE FROM booking.time_off WHERE brand_id = %s", practice.brand_id)
    again = practice.clinic.post(path, **sent)

    refused(first, 409, "rule_broken", rule="time_off")
    assert again.json()["details"] == first.json()["details"]
    assert again.headers["Idempotency-Replayed"] == "true"


# ----------------------------------------------------------------------- confirming as something


@pytest.mark.parametrize("way", WAYS)
def test_a_hold_without_a_type_gets_the_terms_of_the_one_it_is_confirmed_as(
    practice: Practice, start: datetime, way: str
) -> None:
    practice.visit_type(buffer_before_minutes=5, buffer_after_minutes=10)
    visit = ok(practice.hold(practice.slot(start)), 201)
    assert kept(practice, visit)[0] is None
    send, success = WAYS[way]

    confirmed = ok(send(practice, visit, visit_type="follow_up"), success)

    assert (confirmed["visit_type"], confirmed["version"]) == ("follow_up", 2)
    assert kept(practice, visit) == (terms_no(practice, "follow_up"), minutes(5), minutes(10))


def test_a_hold_confirmed_as_another_type_is_under_that_types_terms(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(buffer_after_minutes=10)
    practice.visit_type("intake", cancel_cutoff_minutes=60)
    visit = held(practice, practice.slot(start))

    confirmed = ok(confirm(practice, visit, visit_type="intake", reason="a cough"))

    assert (confirmed["visit_type"], confirmed["reason"]) == ("intake", "a cough")
    assert kept(practice, visit) == (terms_no(practice, "intake"), None, None)
    events = practice.clinic.world.sql(
        "SELECT sequence, event_type, data ->> 'visit_type' FROM booking.event"
        " WHERE entity_id = %s ORDER BY sequence",
        visit["id"],
    )
    assert events == [
        (1, "booking.visit.held.v1", "follow_up"),
        (2, "booking.visit.created.v1", "intake"),
    ]


def test_a_type_is_needed_to_confirm_where_the_brand_has_types(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    visit = ok(practice.hold(practice.slot(start)), 201)

    invalid(confirm(practice, visit), "visit_type")
    invalid(confirm(practice, visit, visit_type="intake"), "visit_type")
    invalid(confirm(practice, visit, override_reason="clinical_need"), "visit_type")
    assert ok(confirm(practice, visit, visit_type="follow_up"))["status"] == "booked"


def test_a_hold_from_before_the_first_type_is_confirmed_as_one_of_them(
    practice: Practice, start: datetime
) -> None:
    known, other = (held(practice, practice.slot(start + timedelta(hours=n))) for n in (0, 1))
    practice.visit_type()
    practice.visit_type("intake")

    assert ok(confirm(practice, known))["visit_type"] == "follow_up"
    assert ok(confirm(practice, other, visit_type="intake"))["visit_type"] == "intake"
    assert kept(practice, known)[0] == terms_no(practice, "follow_up")


def test_a_type_that_does_not_fit_into_the_held_slot_is_not_confirmed(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    practice.visit_type("intake", duration_minutes=60)
    visit = held(practice, practice.slot(start))

    refused(confirm(practice, visit, visit_type="intake"), 409, "rule_broken", rule="hours")


def test_the_time_that_the_other_type_takes_must_be_free(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    practice.visit_type("intake", buffer_after_minutes=15)
    visit = held(practice, practice.slot(start))
    practice.booked(practice.slot(start + minutes(40)))

    answer = confirm(practice, visit, visit_type="intake")

    refused(answer, 409, "rule_broken", rule="buffers", may_be_overruled=True)
    ok(confirm(practice, visit, visit_type="intake", override_reason="clinical_need"))
    assert kept(practice, visit) == (terms_no(practice, "intake"), None, None)


def test_a_cap_of_the_other_type_counts_when_it_is_confirmed_as_that(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    practice.visit_type("intake", patient_cap=1, patient_cap_period="year")
    practice.booked(practice.slot(start), "intake")
    visit = held(practice, practice.slot(start + timedelta(hours=2)))

    answer = confirm(practice, visit, visit_type="intake")

    refused(answer, 409, "rule_broken", rule="patient_cap")


def test_confirming_as_another_type_with_one_key_twice_happens_once(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    visit = ok(practice.hold(practice.slot(start)), 201)
    body = {"visit_type": "follow_up"}
    sent = {"token": practice.staff, "headers": {"Idempotency-Key": practice.clinic.new_id("key")}}
    path = f"/v1/visits/{visit['id']}/confirm"

    first = practice.clinic.post(path, body, **sent)
    again = practice.clinic.post(path, body, **sent)

    assert ok(first)["version"] == 2
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"


def test_the_state_is_told_before_any_rule(practice: Practice, start: datetime) -> None:
    practice.visit_type()
    visit = ok(practice.hold(practice.slot(start)), 201)
    lost = ok(practice.hold(practice.slot(start + timedelta(hours=1))), 201)
    ok(practice.clinic.post(f"/v1/visits/{visit['id']}/cancel", token=practice.staff))

    refused(confirm(practice, visit), 412, "visit_not_confirmable", status="cancelled")
    with practice.clinic.clock_at(datetime.fromisoformat(lost["hold_expires_at"])):
        refused(confirm(practice, lost, visit_type="follow_up"), 410, "hold_expired")
