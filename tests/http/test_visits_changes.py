"""Cancel, reschedule, check in, complete, no-show: a visit's way through its statuses."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from clinic import Clinic
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO

STATUSES = ("held", "booked", "checked_in", "completed", "cancelled", "no_show", "expired")
# CONTRACT.md section 2, decision 4: from where, where to, and how it is refused elsewhere.
CHANGES = {
    "confirm": ({"held"}, "booked", "visit_not_confirmable"),
    "cancel": ({"held", "booked"}, "cancelled", "visit_not_cancellable"),
    "reschedule": ({"booked"}, "booked", "visit_not_reschedulable"),
    "check-in": ({"booked"}, "checked_in", "visit_not_ready_for_check_in"),
    "complete": ({"booked", "checked_in"}, "completed", "visit_not_completable"),
    "no-show": ({"booked"}, "no_show", "visit_not_missed"),
}


def change(
    clinic: Clinic, visit: dict[str, Any], verb: str, body: object = None, **more: Any
) -> httpx.Response:
    return clinic.post(f"/v1/visits/{visit['id']}/{verb}", body, **more)


def row(clinic: Clinic, visit: dict[str, Any]) -> tuple[object, ...]:
    """All that the database knows of the visit."""
    (found,) = clinic.world.sql("SELECT v.* FROM booking.visit v WHERE visit_id = %s", visit["id"])
    return found


def put_into(clinic: Clinic, visit: dict[str, Any], status: str) -> None:
    clinic.world.sql(
        "UPDATE booking.visit SET status = into_status,"
        " cancelled_at = CASE WHEN into_status = 'cancelled' THEN now() END,"
        " hold_expires_at = CASE WHEN into_status IN ('held', 'expired') THEN ends_at END,"
        " hold_place = CASE WHEN into_status = 'held' THEN 1 END"
        " FROM (SELECT %s::text AS into_status) AS change WHERE visit_id = %s",
        status,
        visit["id"],
    )


# ------------------------------------------------------------------------------ the state machine


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("verb", CHANGES)
def test_a_change_is_possible_from_the_statuses_of_the_contract_and_no_other(
    clinic: Clinic, verb: str, status: str
) -> None:
    may_start, leads_to, code = CHANGES[verb]
    starts_at = clinic.new_time()
    visit = clinic.visit(clinic.slot(starts_at), patient_id=clinic.patient().patient_id)
    body = {"new_slot_id": clinic.slot()} if verb == "reschedule" else None
    put_into(clinic, visit, status)
    before = row(clinic, visit)
    moment = starts_at + timedelta(minutes=1 if verb == "no-show" else -1)

    with clinic.clock_at(moment):
        answer = change(clinic, visit, verb, body)

    if status in may_start:
        assert ok(answer)["status"] == leads_to
    elif (verb, status) == ("confirm", "expired"):
        refused(answer, 410, "hold_expired")
        assert row(clinic, visit) == before
    else:
        refused(answer, 412, code, status=status)
        assert row(clinic, visit) == before


@pytest.mark.parametrize("verb", CHANGES)
def test_nobody_changes_a_visit_that_never_was(clinic: Clinic, verb: str) -> None:
    body = {"new_slot_id": "slt_never"} if verb == "reschedule" else None

    answer = clinic.post(f"/v1/visits/vis_never/{verb}", body)

    assert refused(answer, 404, "not_found")["message"] == "There is no such visit."


@pytest.mark.parametrize("verb", [verb for verb in CHANGES if "booked" in CHANGES[verb][0]])
def test_a_change_is_the_visits_next_version(clinic: Clinic, verb: str) -> None:
    starts_at = clinic.new_time()
    visit = clinic.visit(clinic.slot(starts_at))
    body = {"new_slot_id": clinic.slot()} if verb == "reschedule" else None

    with clinic.clock_at(starts_at + timedelta(minutes=1)):
        answer = change(clinic, visit, verb, body)

    changed = ok(answer)
    assert changed["version"] == 2
    assert answer.headers["ETag"] == '"2"'
    assert changed["updated_at"] > visit["updated_at"]
    assert changed["created_at"] == visit["created_at"]


# ----------------------------------------------------------------------------------------- cancel


@pytest.mark.parametrize("raw", [None, b"", b"{}", b"null", b'{"other": 1}'])
def test_a_visit_is_cancelled_with_or_without_a_body(clinic: Clinic, raw: bytes | None) -> None:
    visit = clinic.visit()

    cancelled = ok(change(clinic, visit, "cancel", raw=raw))

    assert cancelled["status"] == "cancelled"
    assert cancelled["cancel_reason"] is None
    assert cancelled["cancelled_at"] == cancelled["updated_at"]


def test_cancelling_keeps_its_reason_apart_from_the_visits_own(clinic: Clinic) -> None:
    visit = clinic.visit(reason="a cough", notes="since Monday")

    cancelled = ok(change(clinic, visit, "cancel", {"reason": "feeling better"}))

    assert cancelled["cancel_reason"] == "feeling better"
    assert cancelled["reason"] == "a cough"
    assert cancelled["notes"] == "since Monday"
    assert ok(clinic.get(f"/v1/visits/{visit['id']}")) == cancelled


@pytest.mark.parametrize(
    "reason", [None, 7, [], {}, "x" * 2_001, "a\x00b"], ids=lambda value: repr(value)[:12]
)
def test_a_cancel_reason_that_is_none_is_refused_by_name(clinic: Clinic, reason: object) -> None:
    visit = clinic.visit()

    invalid(change(clinic, visit, "cancel", {"reason": reason}), "reason")
    assert ok(clinic.get(f"/v1/visits/{visit['id']}"))["status"] == "booked"


def test_cancelling_twice_is_refused_and_keeps_the_first_reason(clinic: Clinic) -> None:
    visit = clinic.visit()
    first = ok(change(clinic, visit, "cancel", {"reason": "ill"}))

    answer = change(clinic, visit, "cancel", {"reason": "again"})

    refused(answer, 412, "visit_not_cancellable", status="cancelled")
    assert ok(clinic.get(f"/v1/visits/{visit['id']}")) == first


def test_the_time_of_a_cancelled_visit_is_bookable_at_once(clinic: Clinic) -> None:
    starts_at = clinic.new_time()
    person = clinic.provider()
    slot_id = clinic.slot(starts_at, provider_id=person)
    visit = clinic.visit(slot_id)

    ok(change(clinic, visit, "cancel"))

    (slot,) = ok(clinic.get(f"/v1/providers/{person}/slots", brand_id=LOOP))["slots"]
    assert slot["booked"] is False
    again = clinic.visit(slot_id, patient_id="pat_bob")
    assert again["id"] != visit["id"]


def test_a_visit_can_be_cancelled_after_it_began(clinic: Clinic) -> None:
    """The contract asks for its status only."""
    starts_at = clinic.new_time()
    visit = clinic.visit(clinic.slot(starts_at))

    with clinic.clock_at(starts_at + timedelta(days=1)):
        assert ok(change(clinic, visit, "cancel"))["status"] == "cancelled"


# ------------------------------------------------------------------------------------- reschedule


def test_a_moved_visit_keeps_its_id_and_all_but_its_time(clinic: Clinic) -> None:
    old_slot, new_slot = clinic.slot(), clinic.slot(minutes=60)
    visit = clinic.visit(old_slot, reason="a cough")

    moved = ok(change(clinic, visit, "reschedule", {"new_slot_id": new_slot}))

    changed = {"slot_id", "start_time", "end_time", "updated_at", "version"}
    assert {name for name in visit if visit[name] != moved[name]} == changed
    assert moved["slot_id"] == new_slot
    length = datetime.fromisoformat(moved["end_time"]) - datetime.fromisoformat(moved["start_time"])
    assert length == timedelta(hours=1)


def test_a_move_frees_the_old_time_and_takes_the_new(clinic: Clinic) -> None:
    old_slot, new_slot = clinic.slot(), clinic.slot()
    visit = clinic.visit(old_slot)

    ok(change(clinic, visit, "reschedule", {"new_slot_id": new_slot}))

    refused(clinic.post("/v1/visits", clinic.world.book(new_slot)), 409, "slot_unavailable")
    clinic.visit(old_slot)


def test_a_visit_moves_to_another_provider_of_the_brand(clinic: Clinic) -> None:
    visit = clinic.visit()
    other = clinic.slot(provider_id="prv_both")

    moved = ok(change(clinic, visit, "reschedule", {"new_slot_id": other}))

    assert moved["provider_id"] == "prv_both"


def test_a_visit_never_blocks_its_own_move(clinic: Clinic) -> None:
    starts_at = clinic.new_time()
    visit = clinic.visit(clinic.slot(starts_at, minutes=60))
    overlapping = clinic.slot(starts_at + timedelta(minutes=30), minutes=60)

    moved = ok(change(clinic, visit, "reschedule", {"new_slot_id": overlapping}))

    assert moved["slot_id"] == overlapping


def test_a_visit_moves_there_and_back(clinic: Clinic) -> None:
    first, second = clinic.slot(), clinic.slot()
    visit = clinic.visit(first)

    ok(change(clinic, visit, "reschedule", {"new_slot_id": second}))
    back = ok(change(clinic, visit, "reschedule", {"new_slot_id": first}))

    assert (back["slot_id"], back["version"]) == (first, 3)
    assert back["start_time"] == visit["start_time"]


def taken(clinic: Clinic) -> str:
    slot_id = clinic.slot()
    clinic.visit(slot_id, patient_id="pat_bob")
    return slot_id


def deleted(clinic: Clinic) -> str:
    slot_id = clinic.slot()
    ok(clinic.call("DELETE", f"/v1/providers/prv_kim/slots/{slot_id}"))
    return slot_id


def foreign(clinic: Clinic) -> str:
    return clinic.slot(provider_id="prv_both", brand_id=LOOPBIO)


def never(_clinic: Clinic) -> str:
    return "slt_never"


@pytest.mark.parametrize(
    ("where", "status", "code"),
    [
        (taken, 409, "slot_unavailable"),
        (deleted, 404, "not_found"),
        (foreign, 404, "not_found"),
        (never, 404, "not_found"),
    ],
)
def test_a_move_that_fails_changes_nothing(
    clinic: Clinic, where: Any, status: int, code: str
) -> None:
    visit = clinic.visit()
    new_slot = where(clinic)
    before = row(clinic, visit)

    answer = change(clinic, visit, "reschedule", {"new_slot_id": new_slot})

    refused(answer, status, code)
    assert row(clinic, visit) == before


def test_a_lost_move_says_which_slot_was_taken(clinic: Clinic) -> None:
    slot_id = taken(clinic)

    answer = change(clinic, clinic.visit(), "reschedule", {"new_slot_id": slot_id})

    refused(answer, 409, "slot_unavailable", slot_id=slot_id)


def test_a_visit_moves_to_no_slot_that_has_begun(clinic: Clinic) -> None:
    starts_at = clinic.new_time()
    new_slot = clinic.slot(starts_at)
    visit = clinic.visit()

    with clinic.clock_at(starts_at + timedelta(seconds=1)):
        answer = change(clinic, visit, "reschedule", {"new_slot_id": new_slot})

    refused(answer, 409, "slot_unavailable", slot_id=new_slot)


def test_a_visit_moves_to_no_slot_it_has_already(clinic: Clinic) -> None:
    visit = clinic.visit()

    answer = change(clinic, visit, "reschedule", {"new_slot_id": visit["slot_id"]})

    refused(answer, 409, "slot_unavailable", slot_id=visit["slot_id"])


@pytest.mark.parametrize("raw", [None, b"", b"null"])
def test_a_move_needs_a_body(clinic: Clinic, raw: bytes | None) -> None:
    invalid(change(clinic, clinic.visit(), "reschedule", raw=raw), "body")


@pytest.mark.parametrize("body", [{}, {"new_slot_id": None}, {"new_slot_id": ""}, {"slot_id": "x"}])
def test_a_move_names_its_slot(clinic: Clinic, body: dict[str, object]) -> None:
    invalid(change(clinic, clinic.visit(), "reschedule", body), "new_slot_id")


# ---------------------------------------------------------------- check-in, completion, no-show


def test_a_checked_in_visit_still_holds_its_time(clinic: Clinic) -> None:
    visit = clinic.visit()

    ok(change(clinic, visit, "check-in"))

    again = clinic.post("/v1/visits", clinic.world.book(visit["slot_id"]))
    refused(again, 409, "slot_unavailable")


def test_completing_leaves_notes_or_replaces_them(clinic: Clinic) -> None:
    kept, replaced = clinic.visit(notes="before"), clinic.visit(notes="before")

    assert ok(change(clinic, kept, "complete"))["notes"] == "before"
    assert ok(change(clinic, replaced, "complete", {"notes": "after"}))["notes"] == "after"


@pytest.mark.parametrize("notes", [7, "x" * 10_001, "\x00"], ids=lambda value: repr(value)[:12])
def test_notes_that_are_none_are_refused_by_name(clinic: Clinic, notes: object) -> None:
    invalid(change(clinic, clinic.visit(), "complete", {"notes": notes}), "notes")


def test_a_visit_is_missed_only_once_it_has_begun(clinic: Clinic) -> None:
    starts_at = clinic.new_time()
    visit = clinic.visit(clinic.slot(starts_at))

    with clinic.clock_at(starts_at - timedelta(minutes=1)):
        refused(change(clinic, visit, "no-show"), 412, "visit_not_missed", status="booked")
    with clinic.clock_at(starts_at + timedelta(seconds=1)):
        assert ok(change(clinic, visit, "no-show"))["status"] == "no_show"


@pytest.mark.parametrize("verb", ["complete", "no-show"])
def test_a_patient_does_not_judge_their_own_visit(clinic: Clinic, verb: str) -> None:
    ada = clinic.patient()
    visit = clinic.visit(patient_id=ada.patient_id)

    refused(change(clinic, visit, verb, token=ada.token), 403, "forbidden")


@pytest.mark.parametrize("verb", ["cancel", "check-in"])
def test_a_patient_changes_their_own_visit(clinic: Clinic, verb: str) -> None:
    ada = clinic.patient()
    visit = clinic.visit(patient_id=ada.patient_id)

    assert ok(change(clinic, visit, verb, token=ada.token))["status"] == CHANGES[verb][1]


@pytest.mark.parametrize("verb", ["cancel", "reschedule", "check-in"])
def test_another_patients_visit_is_not_there(clinic: Clinic, verb: str) -> None:
    visit = clinic.visit(patient_id=clinic.patient().patient_id)
    body = {"new_slot_id": clinic.slot()} if verb == "reschedule" else None
    before = row(clinic, visit)

    refused(change(clinic, visit, verb, body, token=clinic.patient().token), 404, "not_found")
    assert row(clinic, visit) == before


@pytest.mark.parametrize("verb", ["cancel", "check-in", "complete", "no-show"])
@pytest.mark.parametrize("raw", [b"{", b"[]", b'"x"', b"\xff"])
def test_a_body_that_is_no_object_is_refused_where_one_is_read(
    clinic: Clinic, verb: str, raw: bytes
) -> None:
    """Check-in and no-show read no body, so they mind none."""
    starts_at = clinic.new_time()
    visit = clinic.visit(clinic.slot(starts_at))

    with clinic.clock_at(starts_at + timedelta(minutes=1)):
        answer = change(clinic, visit, verb, raw=raw)

    if verb in ("cancel", "complete"):
        invalid(answer, "body")
    else:
        ok(answer)
