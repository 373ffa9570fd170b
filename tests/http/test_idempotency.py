"""Idempotency-Key: a change that is asked for twice happens once (CONTRACT.md, decision 10)."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bookwell.storage import idempotency
from bookwell.storage.database import Database
from clinic import Clinic
from envelope import invalid, ok, refused
from operations import OPERATIONS, PREPARE, make
from world import LOOP, LOOPBIO

KEYED = sorted(name for name, operation in OPERATIONS.items() if operation.is_change)


def keyed(clinic: Clinic, key: str, body: object, **more: Any) -> httpx.Response:
    """Book with this key."""
    return clinic.post("/v1/visits", body, **{**more, "headers": {"Idempotency-Key": key}})


def alike(first: httpx.Response, second: httpx.Response) -> bool:
    """Whether both say the same, byte for byte; the second says that it is a replay."""
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.headers.get("ETag") == second.headers.get("ETag")
    return (first.status_code, first.content) == (second.status_code, second.content)


@pytest.mark.parametrize("operation_id", KEYED)
def test_a_change_asked_for_twice_happens_once_and_answers_alike(
    clinic: Clinic, operation_id: str
) -> None:
    call = PREPARE[operation_id](clinic)
    counted = "SELECT (SELECT count(*) FROM booking.audit), (SELECT count(*) FROM booking.event)"

    first = make(clinic, operation_id, call, idempotency_key="k1")
    before = clinic.world.sql(counted)
    second = make(clinic, operation_id, call, idempotency_key="k1")

    assert first.status_code < 300, first.text
    assert alike(first, second)
    assert clinic.world.sql(counted) == before


def test_a_replay_is_what_was_answered_then_and_not_what_is_so_now(clinic: Clinic) -> None:
    body = clinic.world.book(clinic.slot(), reason="a cough ü", notes="")
    key = clinic.new_id("key")
    first = keyed(clinic, key, body)
    ok(clinic.post(f"/v1/visits/{first.json()['id']}/cancel"))

    second = keyed(clinic, key, body)

    assert alike(first, second)
    assert second.json()["status"] == "booked"


def test_a_refusal_is_replayed_too(clinic: Clinic) -> None:
    """Otherwise a late twin could do what its caller was told did not happen."""
    slot_id = clinic.slot()
    visit = clinic.visit(slot_id, patient_id="pat_bob")
    key, body = clinic.new_id("key"), clinic.world.book(slot_id)
    rid = {"X-Request-Id": "the-same", "Idempotency-Key": key}

    first = clinic.post("/v1/visits", body, headers=rid)
    ok(clinic.post(f"/v1/visits/{visit['id']}/cancel"))
    second = clinic.post("/v1/visits", body, headers=rid)

    refused(first, 409, "slot_unavailable", slot_id=slot_id)
    assert alike(first, second)


def test_a_key_may_be_quoted_or_bare(clinic: Clinic) -> None:
    key, body = clinic.new_id("key"), clinic.world.book(clinic.slot())

    assert alike(keyed(clinic, key, body), keyed(clinic, f'"{key}"', body))


def test_a_key_may_have_128_characters_and_a_quoted_one_spaces(clinic: Clinic) -> None:
    ok(keyed(clinic, "k" * 128, clinic.world.book(clinic.slot())), 201)
    ok(keyed(clinic, '"two words"', clinic.world.book(clinic.slot())), 201)


@pytest.mark.parametrize("key", ["", '""', "two words", "k" * 129, '"k', 'k"k', '"k" "k"', "ü"])
def test_a_key_that_is_none_is_refused_by_name_and_nothing_happens(
    clinic: Clinic, key: str
) -> None:
    slot_id = clinic.slot()
    headers = {
        b"Authorization": f"Bearer {clinic.world.staff}".encode(),
        b"Idempotency-Key": key.encode(),
    }

    answer = clinic.http.post("/v1/visits", json=clinic.world.book(slot_id), headers=headers)

    invalid(answer, "Idempotency-Key")
    assert clinic.visit(slot_id)["version"] == 1


def test_a_key_is_for_one_request(clinic: Clinic) -> None:
    key, slot_id = clinic.new_id("key"), clinic.slot()
    ok(keyed(clinic, key, clinic.world.book(slot_id)), 201)

    other = keyed(clinic, key, clinic.world.book(slot_id, reason="another"))

    refused(other, 409, "idempotency_key_payload_mismatch")
    assert "Idempotency-Replayed" not in other.headers


def test_a_key_is_for_one_thing(clinic: Clinic) -> None:
    first, second = clinic.visit(), clinic.visit()
    headers = {"Idempotency-Key": clinic.new_id("key")}
    ok(clinic.post(f"/v1/visits/{first['id']}/cancel", headers=headers))

    answer = clinic.post(f"/v1/visits/{second['id']}/cancel", headers=headers)

    refused(answer, 409, "idempotency_key_payload_mismatch")
    assert ok(clinic.get(f"/v1/visits/{second['id']}"))["status"] == "booked"


def test_every_caller_has_keys_of_their_own(clinic: Clinic) -> None:
    key = clinic.new_id("key")
    ada, bob = clinic.patient(), clinic.patient()

    hers = keyed(
        clinic, key, clinic.world.book(clinic.slot(), patient_id=ada.patient_id), token=ada.token
    )
    his = keyed(
        clinic, key, clinic.world.book(clinic.slot(), patient_id=bob.patient_id), token=bob.token
    )

    assert ok(hers, 201)["id"] != ok(his, 201)["id"]


def test_every_route_has_keys_of_its_own(clinic: Clinic) -> None:
    headers = {"Idempotency-Key": clinic.new_id("key")}
    visit = clinic.visit()

    ok(clinic.post(f"/v1/visits/{visit['id']}/check-in", headers=headers))
    ok(clinic.post(f"/v1/visits/{visit['id']}/complete", headers=headers))


def test_every_brand_of_a_service_has_keys_of_its_own(clinic: Clinic) -> None:
    key, platform = clinic.new_id("key"), clinic.world.platform
    theirs = clinic.world.book(
        clinic.slot(provider_id="prv_sam", brand_id=LOOPBIO),
        brand_id=LOOPBIO,
        patient_id="pat_eve",
    )

    ours = ok(keyed(clinic, key, clinic.world.book(clinic.slot()), token=platform), 201)
    foreign = ok(keyed(clinic, key, theirs, token=platform), 201)

    assert (ours["brand_id"], foreign["brand_id"]) == (LOOP, LOOPBIO)


def test_an_invalid_request_uses_no_key_up(clinic: Clinic) -> None:
    key, slot_id = clinic.new_id("key"), clinic.slot()

    invalid(keyed(clinic, key, clinic.world.book(slot_id, patient_id="")), "patient_id")
    ok(keyed(clinic, key, clinic.world.book(slot_id)), 201)


def test_a_caller_who_is_not_let_in_uses_no_key_up(clinic: Clinic) -> None:
    key, body = clinic.new_id("key"), clinic.world.book(clinic.slot())

    refused(keyed(clinic, key, body, token="tok-never"), 401, "invalid_token")
    ok(keyed(clinic, key, body), 201)


def test_reading_minds_no_key(clinic: Clinic) -> None:
    for _ in range(2):
        answer = clinic.call(
            "GET", "/v1/visits", query={"brand_id": LOOP}, headers={"Idempotency-Key": "two words"}
        )
        ok(answer)
        assert "Idempotency-Replayed" not in answer.headers


def test_a_failure_of_ours_uses_no_key_up(clinic: Clinic) -> None:
    key, body = clinic.new_id("key"), clinic.world.book(clinic.slot(), reason="break")
    clinic.world.sql(
        "CREATE FUNCTION booking.break() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'broken'; END $$;"
        "CREATE TRIGGER broken BEFORE INSERT ON booking.visit FOR EACH ROW"
        " WHEN (NEW.reason = 'break') EXECUTE FUNCTION booking.break()"
    )
    failed = keyed(clinic, key, body)
    clinic.world.sql("DROP TRIGGER broken ON booking.visit; DROP FUNCTION booking.break")

    refused(failed, 500, "internal_error")
    again = keyed(clinic, key, body)
    ok(again, 201)
    assert "Idempotency-Replayed" not in again.headers


async def test_a_key_is_kept_for_24_hours_and_then_swept(clinic: Clinic) -> None:
    key, body = clinic.new_id("key"), clinic.world.book(clinic.slot())
    first = keyed(clinic, key, body)
    kept_at = first.json()["created_at"]
    database = await Database.connect(clinic.world.database_url, pool_size=1)

    async def sweep_after(age: timedelta) -> None:
        with clinic.clock_at(datetime.fromisoformat(kept_at) + age):
            async with database.reading() as connection:
                await idempotency.sweep(connection)

    try:
        await sweep_after(timedelta(hours=23, minutes=59))
        assert alike(first, keyed(clinic, key, body))
        await sweep_after(timedelta(hours=24, minutes=1))
    finally:
        await database.close()

    refused(keyed(clinic, key, body), 409, "slot_unavailable")
