"""Holding a slot: who may, and what it takes (docs/decisions/0016-holds.md)."""

from datetime import timedelta

import pytest

from books import changes_audited
from bookwell.settings import Settings
from clinic import Clinic, later, said
from envelope import invalid, ok, refused
from holding import confirm, hold, read
from world import LOOP, LOOPBIO

MINUTES, MAX = Settings().hold_minutes, Settings().holds_max
ELSEWHERE = {"reschedule": "visit_not_reschedulable", "check-in": "visit_not_ready_for_check_in"}
ELSEWHERE |= {"complete": "visit_not_completable", "no-show": "visit_not_missed"}


# --------------------------------------------------------------------------------------- holding


def test_a_held_visit_says_all_of_itself(clinic: Clinic) -> None:
    starts_at, ada = clinic.new_time(), clinic.patient()
    slot_id = clinic.slot(starts_at, minutes=45)

    answer = hold(clinic, slot_id, ada.patient_id, reason="a cough", notes="since Monday")

    visit = ok(answer, 201)
    assert visit["id"].startswith("vis_")
    assert visit == {
        "id": visit["id"],
        "brand_id": LOOP,
        "patient_id": ada.patient_id,
        "provider_id": "prv_kim",
        "slot_id": slot_id,
        "status": "held",
        "visit_type": "unspecified",
        "reason": "a cough",
        "notes": "since Monday",
        "cancelled_at": None,
        "cancel_reason": None,
        "created_at": visit["created_at"],
        "updated_at": visit["created_at"],
        "start_time": said(starts_at),
        "end_time": said(starts_at + timedelta(minutes=45)),
        "hold_expires_at": later(visit["created_at"], minutes=MINUTES),
        "late_cancel": None,
        "version": 1,
    }
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert read(clinic, visit) == visit


def test_what_is_said_when_holding_stays(clinic: Clinic) -> None:
    person, ada = clinic.provider(), clinic.patient()
    more = {"brand_id": LOOP, "visit_type": "first", "provider_id": person}

    visit = ok(hold(clinic, clinic.slot(provider_id=person), ada.patient_id, **more), 201)

    assert (visit["visit_type"], visit["provider_id"]) == ("first", person)
    assert ok(confirm(clinic, visit))["visit_type"] == "first"


def test_a_hold_ends_when_its_slot_begins_at_the_latest(clinic: Clinic) -> None:
    """A slot that has begun is booked by nobody (CONTRACT.md section 2, decision 6)."""
    starts_at = clinic.new_time()
    slot_id, patient_id = clinic.slot(starts_at), clinic.patient().patient_id

    with clinic.clock_at(starts_at - timedelta(minutes=1)):
        visit = ok(hold(clinic, slot_id, patient_id), 201)
    assert visit["hold_expires_at"] == visit["start_time"]
    with clinic.clock_at(starts_at + timedelta(seconds=1)):
        refused(confirm(clinic, visit), 410, "hold_expired")


def test_a_slot_that_has_begun_is_not_held(clinic: Clinic) -> None:
    starts_at = clinic.new_time()
    slot_id = clinic.slot(starts_at)

    with clinic.clock_at(starts_at + timedelta(seconds=1)):
        refused(hold(clinic, slot_id), 409, "slot_unavailable", slot_id=slot_id)


@pytest.mark.parametrize("whose", ["patient", "service"])
def test_a_token_of_one_brand_needs_to_name_none(clinic: Clinic, whose: str) -> None:
    ada = clinic.patient()
    token = {"patient": ada.token, "service": clinic.world.service}[whose]

    visit = ok(hold(clinic, clinic.slot(), ada.patient_id, token=token), 201)

    assert ok(confirm(clinic, visit, token=token))["status"] == "booked"


@pytest.mark.parametrize("how", ["header", "body"])
def test_a_service_of_every_brand_names_the_one_it_holds_for(clinic: Clinic, how: str) -> None:
    eve = clinic.patient(LOOPBIO).patient_id
    slot_id = clinic.slot(provider_id="prv_sam", brand_id=LOOPBIO)
    named = {"headers": {"X-Brand-Id": LOOPBIO}} if how == "header" else {"brand_id": LOOPBIO}

    nameless = hold(clinic, slot_id, eve, token=clinic.world.platform)
    visit = ok(hold(clinic, slot_id, eve, token=clinic.world.platform, **named), 201)

    invalid(nameless, "X-Brand-Id")
    assert visit["brand_id"] == LOOPBIO


def test_no_slot_and_no_patient_are_404_whoever_they_are_of(clinic: Clinic) -> None:
    foreign_slot = clinic.slot(provider_id="prv_sam", brand_id=LOOPBIO)
    same = {"headers": {"X-Request-Id": "the-same"}}

    slots = [hold(clinic, slot_id, **same) for slot_id in (foreign_slot, "slt_never")]
    patients = [hold(clinic, clinic.slot(), who, **same) for who in ("pat_eve", "pat_never")]

    for foreign, unknown in (slots, patients):
        refused(foreign, 404, "not_found")
        assert foreign.content == unknown.content


def test_a_patient_holds_for_nobody_else(clinic: Clinic) -> None:
    slot_id, ada = clinic.slot(), clinic.patient()

    refused(hold(clinic, slot_id, "pat_bob", token=ada.token), 404, "not_found")
    ok(hold(clinic, slot_id, ada.patient_id, token=ada.token), 201)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patient_id", ""),
        ("patient_id", None),
        ("visit_type", ""),
        ("visit_type", None),
        ("provider_id", 7),
        ("reason", "x" * 2_001),
        ("notes", "a\x00b"),
        ("brand_id", []),
    ],
)
def test_a_field_that_does_not_fit_is_named(clinic: Clinic, field: str, value: object) -> None:
    slot_id = clinic.slot()

    invalid(hold(clinic, slot_id, **{field: value}), field)
    invalid(clinic.post("/v1/visits", {**clinic.world.book(slot_id), "hold_id": None}), "hold_id")
    clinic.visit(slot_id)


# ------------------------------------------------------------------------------- it takes the time


def test_held_time_is_neither_held_booked_nor_moved_to(clinic: Clinic) -> None:
    slot_id = clinic.hold()["slot_id"]
    booked = clinic.visit()

    second = hold(clinic, slot_id)
    booking = clinic.post("/v1/visits", clinic.world.book(slot_id))
    move = clinic.post(f"/v1/visits/{booked['id']}/reschedule", {"new_slot_id": slot_id})

    for answer in (second, booking, move):
        refused(answer, 409, "slot_unavailable", slot_id=slot_id)


def test_held_time_is_taken_in_every_brand_and_nothing_else_shows(clinic: Clinic) -> None:
    person, starts_at = clinic.provider(LOOP, LOOPBIO), clinic.new_time()
    clinic.hold(clinic.slot(starts_at, minutes=60, provider_id=person))
    half = clinic.slot(
        starts_at + timedelta(minutes=30), minutes=60, provider_id=person, brand_id=LOOPBIO
    )
    staff = {"token": clinic.world.foreign_staff}

    wanted = clinic.world.book(half, brand_id=LOOPBIO, patient_id="pat_eve")
    booking = clinic.post("/v1/visits", wanted, **staff)
    (slot,) = ok(clinic.get(f"/v1/providers/{person}/slots", brand_id=LOOPBIO, **staff))["slots"]

    refused(booking, 409, "slot_unavailable", slot_id=half)
    assert slot["booked"] is True
    assert "held" not in str(slot)


def test_held_time_is_free_again_once_it_is_cancelled(clinic: Clinic) -> None:
    visit = clinic.hold(reason="a cough")

    cancelled = ok(clinic.post(f"/v1/visits/{visit['id']}/cancel", {"reason": "other plans"}))

    assert (cancelled["status"], cancelled["version"]) == ("cancelled", 2)
    assert cancelled["hold_expires_at"] is None
    assert (cancelled["reason"], cancelled["cancel_reason"]) == ("a cough", "other plans")
    assert clinic.visit(visit["slot_id"])["id"] != visit["id"]
    assert changes_audited(clinic.world, visit["id"]) == ["visit.held", "visit.cancelled"]
    refused(confirm(clinic, visit), 412, "visit_not_confirmable", status="cancelled")


@pytest.mark.parametrize("verb", ELSEWHERE)
def test_a_held_visit_goes_no_other_way(clinic: Clinic, verb: str) -> None:
    visit = clinic.hold()
    body = {"new_slot_id": clinic.slot()} if verb == "reschedule" else None

    answer = clinic.post(f"/v1/visits/{visit['id']}/{verb}", body)

    refused(answer, 412, ELSEWHERE[verb], status="held")
    assert read(clinic, visit) == visit


def test_a_patient_holds_so_many_slots_at_once_and_no_more(clinic: Clinic) -> None:
    ada, bob = clinic.patient().patient_id, clinic.patient().patient_id
    first, *_ = [clinic.hold(patient_id=ada) for _ in range(MAX)]
    slot_id = clinic.slot()

    refused(hold(clinic, slot_id, ada), 409, "too_many_holds", holds_max=MAX)
    ok(hold(clinic, clinic.slot(), bob), 201)
    clinic.visit(clinic.slot(), patient_id=ada)
    ok(confirm(clinic, first))
    ok(hold(clinic, slot_id, ada), 201)
    refused(hold(clinic, clinic.slot(), ada), 409, "too_many_holds")
