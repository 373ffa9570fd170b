"""Idempotency-Key on tokens: one token, told twice, whose secret is stored nowhere."""

import base64
from datetime import timedelta
from typing import Any

import httpx
import pytest

from at_once import Shot, doors_to
from bookwell.domain.callers import SCOPES
from bookwell.storage import idempotency
from bookwell.storage.database import Database
from clinic import Clinic
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO, World, headers

PATH = "/v1/admin/tokens"
MISMATCH = "idempotency_key_payload_mismatch"
ADMIN = ["admin:booking"]


def issue(clinic: Clinic, body: object, key: str | None = None, **more: Any) -> httpx.Response:
    """Ask for a token, as loop's administrator unless another token is named."""
    named = {"Idempotency-Key": key} if key else {}
    named |= more.pop("headers", {})
    return clinic.post(PATH, body, **{"token": clinic.world.admin, **more, "headers": named})


def staff(clinic: Clinic, **changes: object) -> dict[str, object]:
    """The body that asks for a token of somebody whom nobody else speaks of."""
    return {"role": "staff", "subject": clinic.new_id("somebody"), **changes}


def assert_told_again(first: httpx.Response, second: httpx.Response) -> None:
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (first.status_code, first.content) == (second.status_code, second.content)


def tokens_of(world: World, subject: object) -> int:
    found = world.sql("SELECT token_id FROM booking.token WHERE subject = %s", subject)
    return len(found)


def test_a_repeated_request_is_told_the_same_secret_and_it_works(clinic: Clinic) -> None:
    body, key = staff(clinic), clinic.new_id("key")

    first, second = issue(clinic, body, key), issue(clinic, body, key)

    secret = ok(first, 201)["token"]
    assert_told_again(first, second)
    assert tokens_of(clinic.world, body["subject"]) == 1
    assert secret.startswith("lph_at_")
    assert len(base64.urlsafe_b64decode(secret.removeprefix("lph_at_") + "=")) == 32
    ok(clinic.get("/v1/visits", token=secret, brand_id=LOOP))


def test_without_a_key_every_token_is_another(clinic: Clinic) -> None:
    body = staff(clinic)

    secrets = {ok(issue(clinic, body), 201)["token"] for _ in range(2)}

    assert len(secrets) == tokens_of(clinic.world, body["subject"]) == 2


def test_another_key_is_another_token(clinic: Clinic) -> None:
    body = staff(clinic)

    secrets = {ok(issue(clinic, body, clinic.new_id("key")), 201)["token"] for _ in range(2)}

    assert len(secrets) == tokens_of(clinic.world, body["subject"]) == 2


def test_a_key_is_for_one_token(clinic: Clinic) -> None:
    body, other, key = staff(clinic), staff(clinic), clinic.new_id("key")
    ok(issue(clinic, body, key), 201)

    answer = issue(clinic, other, key)

    refused(answer, 409, MISMATCH)
    assert "Idempotency-Replayed" not in answer.headers
    assert tokens_of(clinic.world, other["subject"]) == 0


def test_the_same_caller_with_another_bearer_token_is_not_told_the_secret(clinic: Clinic) -> None:
    who = clinic.new_id("admin")
    old, new = (clinic.token("staff", who, scopes=ADMIN) for _ in range(2))
    body, key = staff(clinic), clinic.new_id("key")
    first = issue(clinic, body, key, token=old)

    answer = issue(clinic, body, key, token=new)

    told = refused(answer, 409, MISMATCH)
    assert told["message"] == "This idempotency key was used with another bearer token of yours."
    assert ok(first, 201)["token"] not in answer.text
    assert tokens_of(clinic.world, body["subject"]) == 1
    assert_told_again(first, issue(clinic, body, key, token=old))


def test_two_callers_with_one_key_and_one_wish_have_two_secrets(clinic: Clinic) -> None:
    body, key = staff(clinic), clinic.new_id("key")
    callers = [clinic.token("staff", clinic.new_id("admin"), scopes=ADMIN) for _ in range(2)]

    secrets = {ok(issue(clinic, body, key, token=caller), 201)["token"] for caller in callers}

    assert len(secrets) == 2


def test_one_key_in_two_brands_is_two_keys(clinic: Clinic) -> None:
    body, key = staff(clinic), clinic.new_id("key")

    issued = [
        ok(
            issue(clinic, body, key, token=clinic.world.platform, headers={"X-Brand-Id": brand_id}),
            201,
        )
        for brand_id in (LOOP, LOOPBIO)
    ]

    assert [token["brand_id"] for token in issued] == [LOOP, LOOPBIO]
    assert issued[0]["token"] != issued[1]["token"]


def test_a_refused_wish_for_a_token_is_refused_again(clinic: Clinic) -> None:
    body, key = staff(clinic, brand_id="never"), clinic.new_id("key")

    first, second = (issue(clinic, body, key, token=clinic.world.platform) for _ in range(2))

    refused(first, 404, "not_found")
    refused(second, 404, "not_found")
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_a_key_that_was_forgotten_issues_no_second_token(clinic: Clinic) -> None:
    body, key = staff(clinic), clinic.new_id("key")
    first = ok(issue(clinic, body, key), 201)
    database = await Database.connect(clinic.world.database_url, pool_size=1)
    clinic.world.shift_clock(timedelta(hours=25))
    try:
        async with database.reading() as connection:
            await idempotency.sweep(connection)
    finally:
        clinic.world.shift_clock(timedelta(0))
        await database.close()

    answer = issue(clinic, body, key)

    refused(answer, 409, "already_exists")
    assert tokens_of(clinic.world, body["subject"]) == 1
    ok(clinic.get("/v1/visits", token=first["token"], brand_id=LOOP))


def test_a_revoked_token_is_told_again_but_opens_nothing(clinic: Clinic) -> None:
    body, key = staff(clinic), clinic.new_id("key")
    first = issue(clinic, body, key)
    ok(clinic.post(f"{PATH}/{first.json()['id']}/revoke", token=clinic.world.admin))

    second = issue(clinic, body, key)

    assert_told_again(first, second)
    answer = clinic.get("/v1/visits", token=second.json()["token"], brand_id=LOOP)
    refused(answer, 401, "invalid_token")


@pytest.mark.parametrize(
    ("caller", "named"), [("admin", LOOP), ("platform", LOOP), ("platform", "*")]
)
def test_a_token_revoked_twice_under_a_key_is_revoked_once(
    clinic: Clinic, caller: str, named: str
) -> None:
    token_id = ok(issue(clinic, staff(clinic)), 201)["id"]
    revoked = "SELECT id FROM booking.audit WHERE entity_id = %s AND event_type = 'token.revoked'"

    first, second = (
        clinic.post(
            f"{PATH}/{token_id}/revoke",
            token=getattr(clinic.world, caller),
            headers={"Idempotency-Key": token_id, "X-Brand-Id": named},
        )
        for _ in range(2)
    )

    assert ok(first) == {"id": token_id}
    assert_told_again(first, second)
    assert len(clinic.world.sql(revoked, token_id)) == 1


async def test_eight_twins_issue_one_token_and_are_all_told_it(clinic: Clinic) -> None:
    body = staff(clinic)
    named = headers(clinic.world.admin, idempotency_key=clinic.new_id("key"))

    async with doors_to(str(clinic.http.base_url)) as doors:
        answers = await doors.race([Shot(path=PATH, headers=named, body=body)] * 8)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 7
    assert tokens_of(clinic.world, body["subject"]) == 1


async def test_eight_twins_of_a_revocation_are_one(clinic: Clinic) -> None:
    token_id = ok(issue(clinic, staff(clinic)), 201)["id"]
    named = headers(clinic.world.admin, idempotency_key=clinic.new_id("key"))

    async with doors_to(str(clinic.http.base_url)) as doors:
        answers = await doors.race([Shot(path=f"{PATH}/{token_id}/revoke", headers=named)] * 8)

    assert {answer.status_code for answer in answers} == {200}
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 7


def test_a_secret_stands_in_no_table(clinic: Clinic) -> None:
    body, key = staff(clinic), clinic.new_id("key")
    issued = ok(issue(clinic, body, key), 201)
    ok(issue(clinic, body, key), 201)
    bare = issued["token"].removeprefix("lph_at_")
    forms = {bare, bare.encode().hex(), base64.urlsafe_b64decode(bare + "=").hex()}

    tables = clinic.world.sql(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'booking'"
    )
    rows = [
        str(row)
        for (table,) in tables
        for (row,) in clinic.world.sql(f"SELECT t::text FROM booking.{table} AS t")  # noqa: S608 - our own names
    ]

    assert any(issued["id"] in row and key in row for row in rows), "the answer that is kept"
    assert [row for row in rows if any(form in row for form in forms)] == []


def test_an_empty_list_of_scopes_is_not_the_roles_usual_ones(clinic: Clinic) -> None:
    body = staff(clinic, scopes=[])

    invalid(issue(clinic, body), "scopes")

    assert tokens_of(clinic.world, body["subject"]) == 0


def test_a_scope_named_twice_is_one_and_their_order_stays(clinic: Clinic) -> None:
    named = ["read:visits", "read:slots", "read:visits"]

    assert ok(issue(clinic, staff(clinic, scopes=named)), 201)["scopes"] == named[:2]


def test_a_token_may_have_every_scope_but_no_list_is_longer_than_all(clinic: Clinic) -> None:
    every = list(SCOPES)

    assert ok(issue(clinic, staff(clinic, scopes=every)), 201)["scopes"] == every
    invalid(issue(clinic, staff(clinic, scopes=[*every, every[0]])), "scopes")
