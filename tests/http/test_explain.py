"""Why a time is offered or not: each booking rule and the fact behind it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bookwell.domain.rules import Rule
from clinic import Clinic, said
from envelope import invalid, ok, refused
from practice import Practice, minutes
from world import LOOP, LOOPBIO


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


@pytest.fixture
def start(clinic: Clinic) -> datetime:
    """Each test has a brand and a provider of its own, so all may use the same time."""
    return clinic.world.at(9, days=3)


def of(explained: dict[str, Any], rule: str) -> dict[str, Any]:
    """What one rule says."""
    (found,) = [each for each in explained["rules"] if each["rule"] == rule]
    return dict(found)


def failing(explained: dict[str, Any]) -> list[str]:
    return [each["rule"] for each in explained["rules"] if each["passed"] is False]


def only_broken(practice: Practice, start: datetime, rule: str, **query: Any) -> dict[str, Any]:
    """Assert that the time is not offered, and that this rule alone is why; what it says."""
    explained = practice.explain(start, **query)
    assert failing(explained) == [rule]
    assert explained["bookable"] is False
    window = {"from": said(start), "to": said(start + minutes(1))}
    assert practice.search(**window, **query) == []
    assert practice.search(**window, **query, first_available="true") == []
    return of(explained, rule)


def test_a_bookable_time_passes_every_rule_in_their_order(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    slot_id = practice.slot(start)

    explained = practice.explain(start)

    assert explained["bookable"] is True
    assert explained["slot_id"] == slot_id
    assert explained["start_time"] == said(start)
    assert explained["end_time"] == said(start + minutes(30))
    assert [each["rule"] for each in explained["rules"]] == [rule.value for rule in Rule]
    for each in explained["rules"]:
        assert each["passed"] is True
        assert each["fact"].endswith(".")
        assert "  " not in each["fact"]


def test_a_time_without_a_slot_is_as_long_as_the_visit(practice: Practice, start: datetime) -> None:
    practice.visit_type(duration_minutes=45)

    explained = practice.explain(start)

    assert (explained["bookable"], explained["slot_id"]) == (False, None)
    assert explained["end_time"] == said(start + minutes(45))
    assert failing(explained) == ["hours"]
    assert of(explained, "hours")["fact"] == "No slot of the provider begins then."


def test_a_time_without_a_slot_is_judged_all_the_same(practice: Practice, start: datetime) -> None:
    practice.visit_type(duration_minutes=60)
    practice.off(start + minutes(30), start + minutes(90))
    practice.booked(practice.slot(start - minutes(60), 60))

    assert failing(practice.explain(start)) == ["hours", "time_off"]
    assert failing(practice.explain(start - minutes(30))) == ["hours", "busy"]


def test_of_several_slots_the_one_counts_for_which_most_rules_pass(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    practice.slot(start, 15)
    fitting = practice.slot(start, 30)
    practice.slot(start, 20)

    explained = practice.explain(start)

    assert (explained["bookable"], explained["slot_id"]) == (True, fitting)


# ------------------------------------------------------------------------- one rule at a time


def test_notice_hides_a_slot_and_says_when_the_earliest_begins(practice: Practice) -> None:
    practice.visit_type(notice_minutes=24 * 60)
    start = (datetime.now(UTC) + timedelta(hours=23)).replace(microsecond=0)
    practice.slot(start)

    said_of_it = only_broken(practice, start, "notice")

    earliest = said_of_it["details"]["earliest_start"]
    assert said_of_it["fact"] == (
        f"Bookings need 24 hours notice; the earliest start now is {earliest}."
    )
    ahead = datetime.fromisoformat(earliest) - datetime.now(UTC)
    assert timedelta(hours=24) - minutes(1) < ahead <= timedelta(hours=24)
    assert said_of_it["details"]["notice_minutes"] == 24 * 60


@pytest.mark.parametrize(
    ("length", "in_words"), [(60, "1 hour"), (120, "2 hours"), (45, "45 minutes")]
)
def test_a_notice_is_told_as_people_say_it(
    practice: Practice, start: datetime, length: int, in_words: str
) -> None:
    practice.visit_type(notice_minutes=length)

    assert of(practice.explain(start), "notice")["fact"].startswith(
        f"Bookings need {in_words} notice; "
    )


def test_a_time_that_has_begun_breaks_the_notice_also_where_none_is_needed(
    practice: Practice,
) -> None:
    practice.visit_type()
    begun = (datetime.now(UTC) - minutes(1)).replace(microsecond=0)
    practice.slot(begun)

    assert only_broken(practice, begun, "notice")["details"]["notice_minutes"] == 0


def test_the_horizon_hides_a_slot_and_says_where_it_is(practice: Practice) -> None:
    practice.visit_type(horizon_days=10)
    start = (datetime.now(UTC) + timedelta(days=10, minutes=5)).replace(microsecond=0)
    practice.slot(start)

    said_of_it = only_broken(practice, start, "horizon")

    latest = said_of_it["details"]["latest_start"]
    assert said_of_it["fact"] == (
        f"Bookings are taken 10 days ahead; the latest start now is {latest}."
    )
    assert datetime.fromisoformat(latest) < start


def test_time_off_hides_a_slot_and_says_until_when(practice: Practice, start: datetime) -> None:
    practice.visit_type()
    practice.slot(start)
    practice.off(start - minutes(60), start + minutes(10))

    said_of_it = only_broken(practice, start, "time_off")

    away = {"from": said(start - minutes(60)), "to": said(start + minutes(10))}
    assert said_of_it["details"] == away
    assert said_of_it["fact"] == f"The provider is off from {away['from']} to {away['to']}."


def test_a_provider_who_does_not_offer_the_type_is_said(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    practice.slot(start)
    practice.override(practice.provider_id, "follow_up", is_offered=False)

    assert only_broken(practice, start, "provider")["fact"] == (
        "The provider does not offer this visit type."
    )


def test_what_only_staff_book_is_said_to_the_patient(practice: Practice, start: datetime) -> None:
    practice.visit_type(booked_by="staff")
    practice.slot(start)

    said_of_it = only_broken(practice, start, "booker", token=practice.patient.token)

    assert said_of_it["fact"] == "Only staff book this visit type."
    assert practice.explain(start)["bookable"] is True


def test_a_slot_that_is_too_short_is_said(practice: Practice, start: datetime) -> None:
    practice.visit_type(duration_minutes=45)
    practice.slot(start, 30)

    said_of_it = only_broken(practice, start, "hours")

    assert said_of_it["fact"] == (
        "The slot that begins then lasts 30 minutes, the visit 45 minutes."
    )


def test_a_slot_for_other_types_is_said(practice: Practice, start: datetime) -> None:
    practice.visit_type()
    practice.clinic.world.sql(
        "UPDATE booking.slot SET rule_id = 'rul_1', visit_types = '{intake}' WHERE slot_id = %s",
        practice.slot(start),
    )

    said_of_it = only_broken(practice, start, "hours")

    assert said_of_it["fact"] == "The slot that begins then is for other visit types."
    assert said_of_it["details"]["rule_id"] == "rul_1"


def test_a_licence_hides_a_slot_and_where_the_patient_is_stays_untold(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(licence_required=True)
    practice.slot(start)
    practice.licence("US-NY")
    practice.patient_lives_in({"region": "US-CA"})

    said_of_it = only_broken(practice, start, "licence", patient_id=practice.patient.patient_id)

    assert said_of_it["fact"] == "The provider holds no licence for where the patient is then."
    assert "US-" not in str(said_of_it)
    assert practice.explain(start)["bookable"] is True, "nobody is named"


def test_a_patients_cap_hides_a_slot(practice: Practice, start: datetime) -> None:
    practice.visit_type(patient_cap=1, patient_cap_period="day")
    practice.slot(start)
    practice.booked(practice.slot(start + minutes(60)))

    said_of_it = only_broken(practice, start, "patient_cap", patient_id=practice.patient.patient_id)

    assert said_of_it["fact"] == "A patient may have 1 visit of this type in a day, and has them."
    assert said_of_it["details"] == {"patient_cap": 1, "patient_cap_period": "day"}
    assert practice.explain(start)["bookable"] is True, "nobody is named"


def test_a_providers_cap_hides_a_slot(practice: Practice, start: datetime) -> None:
    practice.visit_type(provider_day_cap=1)
    practice.slot(start)
    practice.booked(practice.slot(start + minutes(60)))

    said_of_it = only_broken(practice, start, "provider_cap")

    assert said_of_it["fact"] == (
        "The provider has 1 visit of this type in a day at most, and has them that day."
    )


def test_a_hold_hides_a_slot_and_whose_it_is_stays_untold(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    ok(practice.hold(practice.slot(start)), 201)

    said_of_it = only_broken(practice, start, "hold")

    assert said_of_it == {
        "rule": "hold",
        "passed": False,
        "fact": "The time is held; it may be free again soon.",
    }


@pytest.mark.parametrize("where", ["here", "in another brand"])
def test_a_visit_hides_a_slot_and_in_which_brand_it_is_stays_untold(
    clinic: Clinic, practice: Practice, start: datetime, where: str
) -> None:
    both = clinic.provider(LOOPBIO, practice.brand_id)
    practice.visit_type()
    practice.slot(start, provider_id=both)
    if where == "here":
        practice.booked(practice.slot(start, provider_id=both))
    else:
        slot_id = clinic.slot(start, provider_id=both, brand_id=LOOPBIO)
        there = clinic.world.book(slot_id, brand_id=LOOPBIO, patient_id="pat_eve")
        ok(clinic.post("/v1/visits", there, token=clinic.world.foreign_staff), 201)

    said_of_it = only_broken(practice, start, "busy", provider_id=both)

    assert said_of_it == {
        "rule": "busy",
        "passed": False,
        "fact": "The provider's time is taken then.",
    }


def test_buffers_hide_a_slot(practice: Practice, start: datetime) -> None:
    practice.visit_type(buffer_before_minutes=10, buffer_after_minutes=5)
    practice.visit_type("short")
    practice.slot(start)
    practice.booked(practice.slot(start - minutes(35)), "short")

    said_of_it = only_broken(practice, start, "buffers")

    assert said_of_it["fact"] == (
        "Something else of the provider's reaches into the 10 minutes before and 5 minutes after."
    )
    assert said_of_it["details"] == {"buffer_before_minutes": 10, "buffer_after_minutes": 5}


def test_an_unknown_type_is_said(practice: Practice, start: datetime) -> None:
    practice.visit_type()
    practice.slot(start)

    explained = practice.explain(start, visit_type="never")

    assert failing(explained) == ["visit_type"]
    assert of(explained, "visit_type")["fact"] == "The brand has no such visit type."


def test_all_that_is_wrong_is_told_at_once(practice: Practice) -> None:
    practice.visit_type(notice_minutes=24 * 60, duration_minutes=60)
    start = (datetime.now(UTC) + minutes(60)).replace(microsecond=0)
    practice.slot(start)
    practice.off(start, start + minutes(5))

    assert failing(practice.explain(start)) == ["hours", "time_off", "notice"]


# -------------------------------------------------------------------- moves, patients, strangers


def test_the_visit_that_is_moved_is_not_in_its_own_way(practice: Practice, start: datetime) -> None:
    practice.visit_type(patient_cap=1, patient_cap_period="day")
    visit = practice.booked(practice.slot(start))
    practice.slot(start + minutes(15))
    own = {"patient_id": practice.patient.patient_id}

    assert failing(practice.explain(start + minutes(15), **own)) == ["patient_cap", "busy"]
    assert practice.explain(start + minutes(15), reschedule_of=visit["id"])["bookable"] is True


def test_a_visit_cannot_be_moved_to_where_it_is(practice: Practice, start: datetime) -> None:
    practice.visit_type()
    visit = practice.booked(practice.slot(start))

    explained = practice.explain(start, reschedule_of=visit["id"])

    assert failing(explained) == ["busy"]
    assert of(explained, "busy")["fact"] == "The visit is at this time already."


def test_a_patient_sees_it_for_themselves_only(practice: Practice, start: datetime) -> None:
    practice.visit_type(licence_required=True)
    practice.slot(start)
    query = {
        "brand_id": practice.brand_id,
        "visit_type": "follow_up",
        "provider_id": practice.provider_id,
        "start_time": said(start),
    }
    other = practice.clinic.patient(practice.brand_id)

    own = practice.explain(start, token=practice.patient.token)

    assert failing(own) == ["licence"], "it is about the caller though nobody is named"
    for token, patient_id in (
        (practice.patient.token, other.patient_id),
        (practice.staff, "pat_never"),
        (practice.staff, "pat_ada"),
    ):
        answer = practice.clinic.get(
            "/v1/slots/explain", token=token, patient_id=patient_id, **query
        )
        refused(answer, 404, "not_found")


def test_of_who_does_not_work_for_the_brand_only_that_is_told(
    clinic: Clinic, practice: Practice, start: datetime
) -> None:
    practice.visit_type(duration_minutes=45)
    foreign = clinic.provider(LOOPBIO)
    clinic.slot(start, provider_id=foreign, brand_id=LOOPBIO)

    told = [practice.explain(start, provider_id=each) for each in (foreign, "prv_never")]

    assert told[0] == told[1]
    explained = told[0]
    assert explained["bookable"] is False
    assert explained["end_time"] == said(start + minutes(45))
    assert failing(explained) == ["brand", "hours"]
    assert of(explained, "brand")["fact"] == "No such provider works for the brand."
    assert [each["rule"] for each in explained["rules"]] == [rule.value for rule in Rule]
    assert of(explained, "visit_type")["passed"] is True
    assert of(explained, "busy")["passed"] is None


def test_nothing_of_a_visit_is_in_an_explanation(practice: Practice, start: datetime) -> None:
    practice.visit_type()
    slot_id = practice.slot(start)
    practice.booked(slot_id, reason="private-canary", notes="private-canary")

    told = str(practice.explain(start))

    assert "canary" not in told
    assert practice.patient.patient_id not in told


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start_time", "soon"),
        ("start_time", "2027-01-01T00:00:00"),
        ("start_time", "9999-12-31T23:59:59Z"),
        ("start_time", "0001-01-01T00:00:00Z"),
        ("visit_type", "a\nb"),
        ("provider_id", "a b"),
        ("patient_id", "\x00"),
        ("reschedule_of", ""),
        ("start_time", None),
        ("visit_type", None),
        ("provider_id", None),
        ("brand_id", None),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(clinic: Clinic, field: str, value: Any) -> None:
    query = {
        "brand_id": LOOP,
        "visit_type": "follow_up",
        "provider_id": "prv_kim",
        "start_time": "2030-01-01T09:00:00Z",
        field: value,
    }

    answer = clinic.get(
        "/v1/slots/explain", **{name: each for name, each in query.items() if each is not None}
    )

    invalid(answer, field)


def test_the_last_years_are_explained_too(clinic: Clinic) -> None:
    answer = clinic.get(
        "/v1/slots/explain",
        brand_id=LOOP,
        visit_type="follow_up",
        provider_id="prv_kim",
        start_time="2199-12-31T23:59:59Z",
    )

    assert failing(ok(answer)) == ["hours"]
