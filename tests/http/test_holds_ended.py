"""What becomes of a hold: it is confirmed or expires, and what it leaves (docs/decisions/0016-holds.md)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from books import changes_audited, events_of
from bookwell.settings import Settings
from clinic import Clinic
from envelope import invalid, ok, refused
from holding import book_held, confirm, hold, read, row, run_out
from waiting import until
from world import LOOP

MAX = Settings().holds_max
ELSEWHERE = {"reschedule": "visit_not_reschedulable", "check-in": "visit_not_ready_for_check_in"}
ELSEWHERE |= {"complete": "visit_not_completable", "no-show": "visit_not_missed"}


# ------------------------------------------------------------------------------------- confirming


@pytest.mark.parametrize("raw", [None, b"", b"{}", b"null", b'{"other": 1}'])
def test_a_hold_is_confirmed_with_or_without_a_body(clinic: Clinic, raw: bytes | None) -> None:
    visit = clinic.hold(reason="a cough", notes="since Monday", visit_type="first")

    answer = confirm(clinic, visit, raw=raw)

    booked = ok(answer)
    changed = {"status": "booked", "version": 2, "hold_expires_at": None}
    assert booked == {**visit, **changed, "updated_at": booked["updated_at"]}
    assert booked["updated_at"] > visit["updated_at"]
    assert answer.headers["ETag"] == '"2"'
    assert read(clinic, visit) == booked


def test_confirming_may_say_what_holding_did_not(clinic: Clinic) -> None:
    visit = clinic.hold(reason="a cough", notes="since Monday")

    booked = ok(confirm(clinic, visit, {"visit_type": "first", "notes": "since Sunday"}))

    said_now = (booked["visit_type"], booked["reason"], booked["notes"])
    assert said_now == ("first", "a cough", "since Sunday")


@pytest.mark.parametrize(
    ("field", "value"), [("visit_type", ""), ("reason", 7), ("notes", "x" * 10_001)]
)
def test_what_confirming_says_must_fit(clinic: Clinic, field: str, value: object) -> None:
    visit = clinic.hold()

    invalid(confirm(clinic, visit, {field: value}), field)
    assert read(clinic, visit) == visit


def test_a_booked_visit_is_not_confirmed_again(clinic: Clinic) -> None:
    visit = clinic.hold()
    ok(confirm(clinic, visit))

    refused(confirm(clinic, visit), 412, "visit_not_confirmable", status="booked")
    refused(book_held(clinic, visit), 412, "visit_not_confirmable", status="booked")


def test_booking_with_a_hold_makes_it_the_booked_visit(clinic: Clinic) -> None:
    visit = clinic.hold(reason="a cough", notes="since Monday")

    answer = book_held(clinic, visit, notes="since Sunday", provider_id="prv_kim")

    booked = ok(answer, 201)
    assert (booked["id"], booked["status"], booked["version"]) == (visit["id"], "booked", 2)
    assert (booked["visit_type"], booked["reason"]) == ("follow_up", "a cough")
    assert booked["notes"] == "since Sunday"
    assert answer.headers["ETag"] == '"2"'


def test_a_hold_of_another_patient_slot_or_provider_is_not_there(clinic: Clinic) -> None:
    visit = clinic.hold()
    before = row(clinic, visit)
    same = {"headers": {"X-Request-Id": "the-same"}}

    answers = [
        book_held(clinic, visit, **change, **same)
        for change in (
            {"hold_id": "vis_never"},
            {"patient_id": "pat_ada"},
            {"patient_id": "pat_never"},
            {"slot_id": clinic.slot()},
            {"slot_id": "slt_never"},
            {"provider_id": "prv_both"},
        )
    ]

    for answer in answers:
        refused(answer, 404, "not_found")
        assert answer.content == answers[0].content
    assert row(clinic, visit) == before


def test_a_patient_confirms_their_own_hold_only(clinic: Clinic) -> None:
    ada, bob = clinic.patient(), clinic.patient()
    visit = clinic.hold(patient_id=ada.patient_id)

    refused(confirm(clinic, visit, token=bob.token), 404, "not_found")
    refused(book_held(clinic, visit, token=bob.token), 404, "not_found")
    ok(book_held(clinic, visit, token=ada.token), 201)


@pytest.mark.parametrize("way", [confirm, book_held])
def test_a_hold_is_confirmed_as_it_was_seen(clinic: Clinic, way: Any) -> None:
    visit = clinic.hold()

    stale = way(clinic, visit, headers={"If-Match": '"7"'})
    seen = way(clinic, visit, headers={"If-Match": '"1"'})

    refused(stale, 412, "version_mismatch", version=1)
    assert seen.json()["status"] == "booked"


# --------------------------------------------------------------------------------------- expiring


def test_a_hold_is_confirmed_until_its_last_second_and_not_after(clinic: Clinic) -> None:
    starts_at = clinic.new_time()
    in_time, late, booked_late = (
        clinic.hold(clinic.slot(starts_at + timedelta(hours=n))) for n in range(3)
    )
    ends_at = datetime.fromisoformat(in_time["hold_expires_at"])

    with clinic.clock_at(ends_at - timedelta(seconds=5)):
        ok(confirm(clinic, in_time))
    with clinic.clock_at(ends_at + timedelta(seconds=5)):
        expired_at = {"expired_at": late["hold_expires_at"]}
        refused(confirm(clinic, late), 410, "hold_expired", **expired_at)
        expired_at = {"expired_at": booked_late["hold_expires_at"]}
        refused(book_held(clinic, booked_late), 410, "hold_expired", **expired_at)


@contextmanager
def locked(clinic: Clinic, provider_id: str) -> Iterator[None]:
    """Keep the provider's lock, so that no sweeper ends their holds meanwhile."""
    with psycopg.connect(clinic.world.database_url) as session:
        session.execute(
            "SELECT FROM booking.provider WHERE provider_id = %s FOR UPDATE", [provider_id]
        )
        yield


async def test_a_past_hold_reads_the_same_before_and_after_it_is_written_down(
    clinic: Clinic,
) -> None:
    person, patient = clinic.provider(), clinic.patient()
    visit = clinic.hold(clinic.slot(provider_id=person), patient_id=patient.patient_id)

    def written() -> str:
        ((status,),) = clinic.world.sql(
            "SELECT status FROM booking.visit WHERE visit_id = %s", visit["id"]
        )
        return str(status)

    def seen() -> list[tuple[bytes, str | None]]:
        of_brand = {"brand_id": LOOP}
        of_patient = {**of_brand, "patient_id": patient.patient_id}
        answers = [
            clinic.get(f"/v1/visits/{visit['id']}"),
            clinic.get("/v1/visits", **of_patient),
            clinic.get(f"/v1/providers/{person}/slots", **of_brand),
        ]
        return [(answer.content, answer.headers.get("ETag")) for answer in answers]

    with locked(clinic, person):
        run_out(clinic, visit)
        shown, before = read(clinic, visit), seen()
        assert written() == "held"
    await until(lambda: written() == "expired")

    assert seen() == before
    assert (shown["status"], shown["version"]) == ("expired", 2)
    assert shown["updated_at"] == shown["hold_expires_at"]
    assert events_of(clinic.world, visit["id"]) == [
        (1, "booking.visit.held.v1"),
        (2, "booking.visit.expired.v1"),
    ]


def test_an_expired_visit_goes_nowhere(clinic: Clinic) -> None:
    visit = clinic.hold()
    run_out(clinic, visit)
    expired = read(clinic, visit)

    answers = {
        verb: clinic.post(
            f"/v1/visits/{visit['id']}/{verb}",
            {"new_slot_id": clinic.slot()} if verb == "reschedule" else None,
        )
        for verb in (*ELSEWHERE, "cancel")
    }

    for verb, code in {**ELSEWHERE, "cancel": "visit_not_cancellable"}.items():
        refused(answers[verb], 412, code, status="expired")
    stale = confirm(clinic, visit, headers={"If-Match": '"1"'})
    refused(stale, 412, "version_mismatch", version=2)
    refused(confirm(clinic, visit, headers={"If-Match": '"2"'}), 410, "hold_expired")
    assert read(clinic, visit) == expired


# ---------------------------------------------------------------------------- keys and what it leaves


def twice(call: Callable[[dict[str, str]], httpx.Response], key: str) -> httpx.Response:
    """Call with this key, and again; the second answer, which must be the first's replay."""
    first, second = (call({"Idempotency-Key": key, "X-Request-Id": "the-same"}) for _ in range(2))
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.headers.get("ETag") == second.headers.get("ETag")
    return second


def test_a_hold_asked_for_twice_is_one_and_is_told_alike_also_when_it_is_over(
    clinic: Clinic,
) -> None:
    key, slot_id, ada = clinic.new_id("key"), clinic.slot(), clinic.patient().patient_id

    visit = ok(twice(lambda headers: hold(clinic, slot_id, ada, headers=headers), key), 201)
    ok(confirm(clinic, visit))

    again = hold(clinic, slot_id, ada, headers={"Idempotency-Key": key})
    assert ok(again, 201) == visit
    assert len(events_of(clinic.world, visit["id"])) == 2


@pytest.mark.parametrize(("way", "status"), [(confirm, 200), (book_held, 201)])
def test_a_confirmation_asked_for_twice_happens_once(clinic: Clinic, way: Any, status: int) -> None:
    visit = clinic.hold()

    again = twice(lambda headers: way(clinic, visit, headers=headers), clinic.new_id("key"))

    assert ok(again, status)["version"] == 2
    assert changes_audited(clinic.world, visit["id"]) == ["visit.held", "visit.confirmed"]


@pytest.mark.parametrize("way", [confirm, book_held])
def test_a_refusal_for_lateness_is_told_again(clinic: Clinic, way: Any) -> None:
    visit = clinic.hold()
    run_out(clinic, visit)
    expired_at = read(clinic, visit)["hold_expires_at"]

    again = twice(lambda headers: way(clinic, visit, headers=headers), clinic.new_id("key"))

    refused(again, 410, "hold_expired", expired_at=expired_at)


def test_too_many_holds_are_told_again(clinic: Clinic) -> None:
    slot_id, ada = clinic.slot(), clinic.patient().patient_id
    held = [clinic.hold(patient_id=ada) for _ in range(MAX)]
    key = clinic.new_id("key")

    twice(lambda headers: hold(clinic, slot_id, ada, headers=headers), key)
    ok(clinic.post(f"/v1/visits/{held[0]['id']}/cancel"))

    again = hold(clinic, slot_id, ada, headers={"Idempotency-Key": key})
    refused(again, 409, "too_many_holds")
    ok(hold(clinic, slot_id, ada), 201)


def test_a_key_of_a_hold_is_for_one_slot(clinic: Clinic) -> None:
    headers, ada = {"Idempotency-Key": clinic.new_id("key")}, clinic.patient().patient_id
    ok(hold(clinic, clinic.slot(), ada, headers=headers), 201)

    other = hold(clinic, clinic.slot(), ada, headers=headers)

    refused(other, 409, "idempotency_key_payload_mismatch")


def test_a_hold_and_its_confirmation_leave_their_events_and_audit_rows(clinic: Clinic) -> None:
    visit = clinic.hold(reason="a cough", notes="since Monday")
    booked = ok(confirm(clinic, visit, {"visit_type": "first", "reason": "a cold"}))

    told = clinic.world.sql(
        "SELECT sequence, event_type, data FROM booking.event WHERE entity_id = %s"
        " ORDER BY sequence",
        visit["id"],
    )

    shared = {name: visit[name] for name in ("patient_id", "provider_id", "brand_id")}
    shared |= {"visit_id": visit["id"], "slot_start": visit["start_time"]}
    shared |= {"slot_end": visit["end_time"]}
    held = {"visit_type": "unspecified", "hold_expires_at": visit["hold_expires_at"]}
    created = {"visit_type": "first", "created_at": booked["updated_at"]}
    assert told == [
        (1, "booking.visit.held.v1", {**shared, **held}),
        (2, "booking.visit.created.v1", {**shared, **created}),
    ]
    audited = clinic.world.sql(
        "SELECT event_type, details FROM booking.audit WHERE entity_id = %s ORDER BY id",
        visit["id"],
    )
    assert audited == [
        ("visit.held", {"slot_id": visit["slot_id"], "status": "held", "version": 1}),
        ("visit.confirmed", {"status": "booked", "version": 2}),
    ]
