"""Booking and holding under a brand's rules (docs/decisions/0022-booking-rules.md)."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from bookwell.domain.rules import OVERRULABLE, Rule
from clinic import Clinic, said
from envelope import invalid, ok, refused
from practice import Practice, minutes


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


def broken(practice: Practice, slot_id: str, rule: str) -> None:
    """Assert that both booking and holding are refused for this rule, and nothing is taken."""
    for answer in (
        practice.book(slot_id),
        practice.hold(slot_id, visit_type="follow_up"),
    ):
        body = refused(answer, 409, "rule_broken", rule=rule, slot_id=slot_id)
        assert rule in body["details"]["rules"]
    assert taken(practice) == []


def taken(practice: Practice) -> list[tuple[object, ...]]:
    return practice.clinic.world.sql(
        "SELECT visit_id FROM booking.visit WHERE brand_id = %s AND status <> 'cancelled'",
        practice.brand_id,
    )


def instants(practice: Practice, query: str) -> list[datetime]:
    """The instants in the first row of what PostgreSQL's zone data say."""
    return [at for at in practice.clinic.world.sql(query)[0] if isinstance(at, datetime)]


# ---------------------------------------------------------------------------------- visit types


def test_a_brand_without_visit_types_keeps_any_word(practice: Practice) -> None:
    visit = practice.booked(practice.slot(), "whatever they call it")

    assert visit["visit_type"] == "whatever they call it"


def test_a_brand_with_visit_types_refuses_a_word_it_does_not_have(practice: Practice) -> None:
    practice.visit_type("follow_up")

    answers = [
        practice.book(practice.slot(), "intake"),
        practice.hold(practice.slot(), visit_type="intake"),
        practice.book(practice.slot(), "unspecified"),
    ]

    for answer in answers:
        invalid(answer, "visit_type")
    assert taken(practice) == []


def test_a_brand_that_retired_its_only_type_books_nothing(practice: Practice) -> None:
    practice.visit_type("follow_up")
    path = "/v1/visit-types/follow_up"
    query = {"brand_id": practice.brand_id}
    ok(practice.clinic.call("DELETE", path, token=practice.admin, query=query))

    invalid(practice.book(practice.slot()), "visit_type")


def test_a_hold_may_leave_its_type_open_where_the_brand_has_types(practice: Practice) -> None:
    practice.visit_type("follow_up")

    visit = ok(practice.hold(practice.slot()), 201)

    assert (visit["status"], visit["visit_type"]) == ("held", "unspecified")


def test_a_type_the_provider_does_not_offer_is_not_booked_with_them(practice: Practice) -> None:
    practice.visit_type("follow_up")
    practice.override(practice.provider_id, "follow_up", is_offered=False)

    broken(practice, practice.slot(), "provider")


# ---------------------------------------------------------------------------------------- rules


def test_a_type_for_staff_is_not_booked_by_a_patient(practice: Practice) -> None:
    practice.visit_type("follow_up", booked_by="staff")
    slot_id = practice.slot()

    answer = practice.book(slot_id, token=practice.patient.token)

    refused(answer, 409, "rule_broken", rule="booker", slot_id=slot_id)
    assert practice.booked(slot_id)["status"] == "booked"


def test_a_slot_posted_by_hand_is_booked_where_the_type_fits_into_it(practice: Practice) -> None:
    practice.visit_type("follow_up", duration_minutes=45)

    broken(practice, practice.slot(minutes=30), "hours")
    assert practice.booked(practice.slot(minutes=60))["status"] == "booked"


def test_notice_is_kept_to_the_second(practice: Practice) -> None:
    practice.visit_type("follow_up", notice_minutes=24 * 60)
    starts_at = practice.clinic.new_time()
    slot_id = practice.slot(starts_at)

    with practice.clinic.clock_at(starts_at - timedelta(days=1) + timedelta(seconds=1)):
        broken(practice, slot_id, "notice")
    with practice.clinic.clock_at(starts_at - timedelta(days=1, seconds=30)):
        assert practice.booked(slot_id)["status"] == "booked"


def test_nothing_is_booked_beyond_the_horizon(practice: Practice) -> None:
    practice.visit_type("follow_up", horizon_days=14)
    starts_at = practice.clinic.new_time() + timedelta(days=30)
    slot_id = practice.slot(starts_at)

    broken(practice, slot_id, "horizon")
    with practice.clinic.clock_at(starts_at - timedelta(days=14) + timedelta(seconds=5)):
        assert practice.booked(slot_id)["status"] == "booked"


def test_nothing_is_booked_while_the_provider_is_off(practice: Practice) -> None:
    practice.visit_type("follow_up")
    starts_at = practice.clinic.new_time()
    practice.off(starts_at + minutes(29), starts_at + timedelta(hours=3))

    broken(practice, practice.slot(starts_at), "time_off")
    assert practice.booked(practice.slot(starts_at - minutes(1)))["status"] == "booked"


def test_time_off_holds_in_a_brand_without_visit_types_too(practice: Practice) -> None:
    starts_at = practice.clinic.new_time()
    practice.off(starts_at, starts_at + timedelta(hours=1))

    broken(practice, practice.slot(starts_at), "time_off")


def test_a_slot_that_has_begun_is_unavailable_whatever_the_notice_says(practice: Practice) -> None:
    practice.visit_type("follow_up", notice_minutes=60)
    slot_id = practice.slot(datetime.now(UTC) - minutes(5))

    refused(practice.book(slot_id), 409, "slot_unavailable", slot_id=slot_id)
    refused(
        practice.book(slot_id, override_reason="emergency"),
        409,
        "slot_unavailable",
        slot_id=slot_id,
    )


# --------------------------------------------------------------------------------------- buffers


def test_buffers_keep_the_time_around_a_visit_free(practice: Practice) -> None:
    practice.visit_type("follow_up", buffer_before_minutes=10, buffer_after_minutes=15)
    at = practice.clinic.new_time()
    practice.booked(practice.slot(at))

    too_soon = practice.book(practice.slot(at + minutes(30 + 24)))
    too_late = practice.book(practice.slot(at - minutes(30 + 24)))
    after = practice.book(practice.slot(at + minutes(30 + 25)))
    before = practice.book(practice.slot(at - minutes(30 + 25)))

    refused(too_soon, 409, "slot_unavailable")
    refused(too_late, 409, "slot_unavailable")
    assert (after.status_code, before.status_code) == (201, 201)


def test_another_brand_sees_the_buffer_as_taken_time(practice: Practice) -> None:
    other = Practice(practice.clinic)
    shared = practice.clinic.provider(practice.brand_id, other.brand_id)
    practice.visit_type("follow_up", buffer_after_minutes=20)
    at = practice.clinic.new_time()
    practice.booked(practice.slot(at, provider_id=shared))
    slot_id = other.slot(at + minutes(30), provider_id=shared)

    refused(other.book(slot_id), 409, "slot_unavailable", slot_id=slot_id)


def test_a_cancelled_visit_gives_its_buffer_back(practice: Practice) -> None:
    practice.visit_type("follow_up", buffer_after_minutes=20)
    at = practice.clinic.new_time()
    visit = practice.booked(practice.slot(at))
    ok(practice.clinic.post(f"/v1/visits/{visit['id']}/cancel", token=practice.staff))

    assert practice.booked(practice.slot(at + minutes(30)))["status"] == "booked"


# ------------------------------------------------------------------------------------------ caps


def test_a_patient_has_so_many_visits_of_a_type_in_a_period(practice: Practice) -> None:
    practice.visit_type("follow_up", patient_cap=2, patient_cap_period="week", time_zone="UTC")
    monday = practice.clinic.new_time() + timedelta(days=14)
    monday = (monday - timedelta(days=monday.weekday())).replace(hour=0)
    for day in (0, 3):
        practice.booked(practice.slot(monday + timedelta(days=day, hours=9)))

    sunday = practice.slot(monday + timedelta(days=6, hours=23))
    next_monday = practice.slot(monday + timedelta(days=7))

    full = refused(practice.book(sunday), 409, "rule_broken", rule="patient_cap")
    assert full["message"].startswith("This time breaks a booking rule: The patient has not had ")
    assert practice.booked(next_monday)["status"] == "booked"
    other = practice.clinic.patient(practice.brand_id).patient_id
    assert practice.booked(sunday, patient_id=other)["status"] == "booked"


def test_a_provider_has_so_many_visits_of_a_type_on_a_day_of_their_zone(practice: Practice) -> None:
    practice.visit_type("follow_up", provider_day_cap=1, time_zone="America/New_York")
    day = practice.clinic.new_time().replace(hour=0) + timedelta(days=3)
    practice.booked(practice.slot(day + timedelta(hours=12)))  # in the morning of New York
    midnight = practice.slot(day + timedelta(hours=25))  # still the same day there
    next_day = practice.slot(day + timedelta(hours=36))

    refused(practice.book(midnight), 409, "rule_broken", rule="provider_cap")
    assert practice.booked(next_day)["status"] == "booked"


def test_a_day_without_a_midnight_ends_at_the_next_one(practice: Practice) -> None:
    practice.visit_type(provider_day_cap=1, time_zone="America/Santiago", horizon_days=1095)
    noon, next_midnight = instants(
        practice,
        "SELECT (day + time '12:00') AT TIME ZONE zone, (day + 1)::timestamp AT TIME ZONE zone"
        " FROM (SELECT (booking.now() AT TIME ZONE zone)::date + n, zone"
        " FROM generate_series(2, 800) AS n, (VALUES ('America/Santiago')) AS z (zone)) AS d (day, zone)"
        " WHERE (day::timestamp AT TIME ZONE zone) AT TIME ZONE zone <> day LIMIT 1",
    )
    practice.booked(practice.slot(noon))

    refused(
        practice.book(practice.slot(noon + minutes(60))), 409, "rule_broken", rule="provider_cap"
    )
    assert practice.booked(practice.slot(next_midnight + minutes(15)))["status"] == "booked"


def test_a_midnight_that_is_shown_twice_is_all_of_one_day(practice: Practice) -> None:
    practice.visit_type(patient_cap=1, time_zone="Atlantic/Azores", horizon_days=1095)
    (second_midnight,) = instants(
        practice,
        "SELECT at FROM (SELECT day::timestamp AT TIME ZONE zone, zone"
        " FROM (SELECT (booking.now() AT TIME ZONE zone)::date + n, zone"
        " FROM generate_series(2, 800) AS n, (VALUES ('Atlantic/Azores')) AS z (zone)) AS d (day, zone)"
        ") AS m (at, zone)"
        " WHERE (at - interval '1 hour') AT TIME ZONE zone = at AT TIME ZONE zone LIMIT 1",
    )
    practice.booked(practice.slot(second_midnight + minutes(600)))
    first_midnight = second_midnight - minutes(60)

    refused(practice.book(practice.slot(first_midnight)), 409, "rule_broken", rule="patient_cap")
    the_day_before = practice.slot(first_midnight - minutes(30))
    assert practice.booked(the_day_before)["status"] == "booked"


def test_a_hold_counts_for_a_cap_until_it_ends(practice: Practice) -> None:
    practice.visit_type("follow_up", patient_cap=1, patient_cap_period="day")
    at = practice.clinic.new_time().replace(hour=8)
    held = ok(practice.hold(practice.slot(at), visit_type="follow_up"), 201)
    slot_id = practice.slot(at + timedelta(hours=2))

    refused(practice.book(slot_id), 409, "rule_broken", rule="patient_cap")
    ok(practice.clinic.post(f"/v1/visits/{held['id']}/cancel", token=practice.staff))
    assert practice.booked(slot_id)["status"] == "booked"


def test_a_capped_booking_sent_twice_with_one_key_happens_once(practice: Practice) -> None:
    practice.visit_type("follow_up", patient_cap=1, patient_cap_period="day")
    slot_id = practice.slot()
    body = {
        "brand_id": practice.brand_id,
        "patient_id": practice.patient.patient_id,
        "slot_id": slot_id,
        "visit_type": "follow_up",
    }
    sent = {"token": practice.staff, "headers": {"Idempotency-Key": practice.clinic.new_id("key")}}

    first = practice.clinic.post("/v1/visits", body, **sent)
    again = practice.clinic.post("/v1/visits", body, **sent)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"


# -------------------------------------------------------------------------------------- licences


def test_a_patient_is_booked_only_where_the_provider_is_licensed(practice: Practice) -> None:
    practice.visit_type("follow_up")
    practice.licence("US-NY")
    practice.patient_lives_in({"region": "US-CA"})

    broken(practice, practice.slot(), "licence")
    practice.licence("US-CA")
    assert practice.booked(practice.slot())["status"] == "booked"


def test_where_the_patient_is_when_the_visit_takes_place_decides(practice: Practice) -> None:
    at = practice.clinic.new_time() + timedelta(days=20)
    practice.visit_type("follow_up")
    practice.licence("US-NY")
    practice.patient_lives_in(
        {"region": "US-NY", "until": said(at)}, {"region": "US-CA", "from": said(at)}
    )

    assert practice.booked(practice.slot(at - minutes(30)))["status"] == "booked"
    refused(practice.book(practice.slot(at)), 409, "rule_broken", rule="licence")


def test_a_licence_holds_to_the_last_second_of_its_last_day_in_its_zone(practice: Practice) -> None:
    day = practice.clinic.new_time().replace(hour=0) + timedelta(days=20)
    practice.visit_type("follow_up")
    practice.licence("US-NY", valid_until=f"{day:%Y-%m-%d}", time_zone="America/New_York")
    practice.patient_lives_in({"region": "US-NY"})

    # Midnight of New York is four or five hours after midnight of UTC.
    assert practice.booked(practice.slot(day + timedelta(hours=27)))["status"] == "booked"
    late = practice.book(practice.slot(day + timedelta(hours=29)))
    refused(late, 409, "rule_broken", rule="licence")


def test_a_type_that_needs_a_licence_is_not_booked_where_nothing_is_known(
    practice: Practice,
) -> None:
    practice.visit_type("follow_up", licence_required=True)

    broken(practice, practice.slot(), "licence")


# ------------------------------------------------------------------------------------- overruling


def test_staff_who_may_overrule_do_and_the_audit_has_their_reason(practice: Practice) -> None:
    practice.visit_type("follow_up", notice_minutes=500_000, booked_by="staff")

    visit = practice.booked(practice.slot(), override_reason="clinical_need")

    ((details,),) = practice.clinic.world.sql(
        "SELECT details FROM booking.audit WHERE entity_id = %s", visit["id"]
    )
    assert isinstance(details, dict)
    assert details["override"] == {"rules": ["notice"], "reason": "clinical_need"}


@pytest.mark.parametrize("verb", ["book", "hold"])
def test_who_may_not_overrule_hears_which_scope_is_missing(practice: Practice, verb: str) -> None:
    practice.visit_type("follow_up")
    for token in (practice.staff_without_override(), practice.patient.token):
        answer = getattr(practice, verb)(
            practice.slot(), token=token, override_reason="clinical_need"
        )

        refused(answer, 403, "insufficient_scope", scope="override:visits")


def test_a_patient_never_overrules_whatever_their_token_says(practice: Practice) -> None:
    practice.visit_type("follow_up", booked_by="staff")
    ((subject,),) = practice.clinic.world.sql(
        "SELECT subject FROM booking.patient WHERE patient_id = %s", practice.patient.patient_id
    )
    token = practice.clinic.token(
        "patient",
        str(subject),
        brand_id=practice.brand_id,
        scopes=["manage:visits", "override:visits", "admin:booking"],
    )

    answer = practice.book(practice.slot(), token=token, override_reason="please")

    refused(answer, 403, "insufficient_scope", scope="override:visits")


def test_no_reason_overrules_a_licence_or_time_off(practice: Practice) -> None:
    practice.visit_type("follow_up", licence_required=True, notice_minutes=500_000)
    at = practice.clinic.new_time()
    practice.off(at, at + timedelta(hours=1))

    answer = practice.book(practice.slot(at), override_reason="clinical_need")

    body = refused(answer, 409, "rule_broken", rule="time_off", may_be_overruled=False)
    assert body["details"]["rules"] == ["time_off", "licence"]
    assert taken(practice) == []


def test_no_reason_books_somebody_twice(practice: Practice) -> None:
    practice.visit_type("follow_up")
    at = practice.clinic.new_time()
    practice.booked(practice.slot(at))

    answer = practice.book(practice.slot(at + minutes(29)), override_reason="clinical_need")

    refused(answer, 409, "slot_unavailable")


def test_overruled_buffers_are_those_of_the_visit_itself(practice: Practice) -> None:
    practice.visit_type("follow_up", buffer_before_minutes=30)
    at = practice.clinic.new_time()
    practice.booked(practice.slot(at))

    squeezed = practice.booked(practice.slot(at + minutes(40)), override_reason="clinical_need")

    ((taken_from,),) = practice.clinic.world.sql(
        "SELECT taken_from FROM booking.visit WHERE visit_id = %s", squeezed["id"]
    )
    assert taken_from is None
    neighbour = practice.book(practice.slot(at - minutes(40)), override_reason="clinical_need")
    refused(neighbour, 409, "slot_unavailable")


@pytest.mark.parametrize("reason", ["", "Mrs Miller asked", "x" * 65, "1st", 7, None])
def test_a_reason_is_a_code_and_no_text(practice: Practice, reason: object) -> None:
    practice.visit_type("follow_up")

    invalid(practice.book(practice.slot(), override_reason=reason), "override_reason")


def test_an_override_that_is_not_needed_overrules_nothing(practice: Practice) -> None:
    practice.visit_type("follow_up", buffer_after_minutes=20)

    visit = practice.booked(practice.slot(), override_reason="clinical_need")

    ((details, until),) = practice.clinic.world.sql(
        "SELECT a.details, v.taken_until - v.ends_at FROM booking.audit AS a"
        " JOIN booking.visit AS v ON v.visit_id = a.entity_id WHERE entity_id = %s",
        visit["id"],
    )
    assert isinstance(details, dict)
    assert details["override"]["rules"] == []
    assert until == minutes(20)


def test_a_refusal_says_what_may_be_overruled(practice: Practice) -> None:
    practice.visit_type("follow_up", notice_minutes=500_000)

    answer = practice.book(practice.slot())

    refused(answer, 409, "rule_broken", rule="notice", may_be_overruled=True)


def test_only_policy_may_be_overruled() -> None:
    assert {
        Rule.BOOKER, Rule.NOTICE, Rule.HORIZON, Rule.PATIENT_CAP, Rule.PROVIDER_CAP, Rule.BUFFERS
    } == OVERRULABLE  # fmt: skip


# ---------------------------------------------------------------------------------- frozen terms


def test_a_visit_keeps_the_terms_it_was_booked_under(practice: Practice) -> None:
    practice.visit_type("follow_up", cancel_late_minutes=60)
    visit = practice.booked(practice.slot())
    changed = practice.clinic.call(
        "PATCH",
        "/v1/visit-types/follow_up",
        {"cancel_late_minutes": 9_999},
        token=practice.admin,
        query={"brand_id": practice.brand_id},
    )
    ok(changed)

    ((minutes_kept,),) = practice.clinic.world.sql(
        "SELECT t.cancel_late_minutes FROM booking.visit AS v JOIN booking.terms AS t"
        " USING (terms_no) WHERE visit_id = %s",
        visit["id"],
    )
    assert minutes_kept == 60


def test_nobody_writes_of_a_patient_into_the_audit(practice: Practice) -> None:
    practice.visit_type("follow_up", notice_minutes=500_000)
    visit = practice.booked(
        practice.slot(), reason="a rash", notes="on the arm", override_reason="clinical_need"
    )

    rows = practice.clinic.world.sql(
        "SELECT details FROM booking.audit WHERE entity_id = %s", visit["id"]
    )

    assert "rash" not in json.dumps(rows)
    assert "arm" not in json.dumps(rows)
