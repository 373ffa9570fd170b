"""Errors that no use case makes: no such path, no such method, and our own mistakes."""

import json

import pytest

from clinic import Clinic
from envelope import ok, refused
from operations import OPERATIONS, PREPARE, make
from world import LOOP


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("POST", "/v1/never"),
        ("GET", "/v1/visits/a/b"),
        ("GET", "/v1/visits/../../etc/passwd"),
        ("GET", "/schema"),
        ("GET", "/schema/openapi.json"),
        ("GET", "/docs/ui/never.js"),
        ("GET", "/docs/ui/..%2f..%2fpyproject.toml"),
        ("GET", "/metric"),
    ],
)
def test_a_path_that_is_none_is_not_there(clinic: Clinic, method: str, path: str) -> None:
    answer = clinic.http.request(method, path)

    assert refused(answer, 404, "not_found")["message"] == "There is no such operation."


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/visits", {"GET", "POST"}),
        ("PUT", "/v1/visits/x", {"GET"}),
        ("PATCH", "/v1/visits/x/cancel", {"POST"}),
        ("GET", "/v1/visits/x/cancel", {"POST"}),
        ("POST", "/v1/bookings/x", {"DELETE"}),
        ("POST", "/v1/bookings/me", {"GET"}),
        ("POST", "/openapi.json", {"GET"}),
        ("PUT", "/healthz", {"GET"}),
    ],
)
def test_a_method_that_is_none_is_refused_and_the_others_are_named(
    clinic: Clinic, method: str, path: str, allowed: set[str]
) -> None:
    answer = clinic.http.request(method, path)

    refused(answer, 405, "method_not_allowed")
    assert {each.strip() for each in answer.headers["Allow"].split(",")} - {"OPTIONS"} == allowed


@pytest.mark.parametrize("path", ["/v1/visits/%00", "/v1/visits/%20", "/v1/visits/" + "x" * 129])
def test_an_id_that_no_id_can_be_is_nobodys(clinic: Clinic, path: str) -> None:
    refused(clinic.get(path), 404, "not_found")


@pytest.mark.parametrize("path", ["/v1/visits/%ff", "/v1/visits/%F0%9F%A9%BA", "/v1/visits/%25"])
def test_an_id_of_odd_characters_is_looked_for(clinic: Clinic, path: str) -> None:
    assert refused(clinic.get(path), 404, "not_found")["message"] == "There is no such visit."


@pytest.mark.parametrize(
    "query",
    ["brand_id=loop&patient_id=%00", "brand_id=loop&patient_id=", "brand_id=loop&patient_id=a%20b"],
)
def test_a_patient_that_no_id_can_be_is_refused_by_name(clinic: Clinic, query: str) -> None:
    answer = clinic.get(f"/v1/visits?{query}")

    refused(answer, 400, "validation_error", field="patient_id")


@pytest.mark.parametrize("brand_id", ["loopbio", "never", "", "%00", "%ff"])
def test_the_visits_of_a_brand_that_is_not_the_callers_are_forbidden(
    clinic: Clinic, brand_id: str
) -> None:
    answer = clinic.get(f"/v1/visits?brand_id={brand_id}")

    assert refused(answer, 403, "forbidden")["message"] == "The brand is not the caller's."


def test_a_brand_must_be_named_for_a_list_of_visits(clinic: Clinic) -> None:
    refused(clinic.get("/v1/visits"), 400, "validation_error", field="brand_id")


def test_a_question_nobody_knows_is_ignored(clinic: Clinic) -> None:
    ok(clinic.get("/v1/visits", brand_id=LOOP, colour="blue"))


@pytest.mark.parametrize("brand", ["loopbio", "never"])
def test_a_token_of_a_brand_is_good_for_that_brand_only(clinic: Clinic, brand: str) -> None:
    answer = clinic.call(
        "GET", "/v1/visits", query={"brand_id": LOOP}, headers={"X-Brand-Id": brand}
    )

    refused(answer, 403, "forbidden")


def test_a_service_of_every_brand_says_which_it_means(clinic: Clinic) -> None:
    platform, visit = clinic.world.platform, clinic.visit()
    path = f"/v1/visits/{visit['id']}"

    unnamed = clinic.get(path, token=platform)
    named = clinic.call("GET", path, token=platform, headers={"X-Brand-Id": LOOP})
    bad = clinic.call("GET", path, token=platform, headers={"X-Brand-Id": "a b"})

    refused(unnamed, 400, "validation_error", field="X-Brand-Id")
    assert ok(named) == visit
    refused(bad, 400, "validation_error", field="X-Brand-Id")


# CONTRACT.md section 2, decision 1.
CHALLENGES = {
    "": ("unauthenticated", 'Bearer realm="bookwell"'),
    "Basic dXNlcjpwYXNz": ("unauthenticated", 'Bearer realm="bookwell"'),
    "Bearer": ("unauthenticated", 'Bearer realm="bookwell"'),
    "tok-staff-loop": ("unauthenticated", 'Bearer realm="bookwell"'),
    "Bearer tok-never": ("invalid_token", 'Bearer realm="bookwell", error="invalid_token"'),
    "Bearer two words": ("invalid_token", 'Bearer realm="bookwell", error="invalid_token"'),
    "Bearer " + "x" * 5_000: ("invalid_token", 'Bearer realm="bookwell", error="invalid_token"'),
    'Bearer "tok"': ("invalid_token", 'Bearer realm="bookwell", error="invalid_token"'),
}


@pytest.mark.parametrize("header", CHALLENGES, ids=lambda header: header[:20])
def test_whoever_is_nobody_is_challenged(clinic: Clinic, header: str) -> None:
    code, challenge = CHALLENGES[header]

    answer = clinic.http.get(
        "/v1/visits", params={"brand_id": LOOP}, headers={"Authorization": header}
    )

    refused(answer, 401, code)
    assert answer.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_a_bearer_may_be_written_in_any_case(clinic: Clinic, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {clinic.world.staff}"}

    ok(clinic.http.get("/v1/visits", params={"brand_id": LOOP}, headers=headers))


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_no_answer_under_v1_may_be_kept_by_a_cache(clinic: Clinic, operation_id: str) -> None:
    answer = make(clinic, operation_id, PREPARE[operation_id](clinic))

    is_ours = OPERATIONS[operation_id].path.startswith("/v1/")
    assert (answer.headers.get("Cache-Control") == "no-store") == is_ours


@pytest.mark.parametrize("path", ["/v1/visits", "/v1/never", "/v1/visits/vis_never"])
def test_no_refusal_under_v1_may_be_kept_by_a_cache(clinic: Clinic, path: str) -> None:
    for token in (clinic.world.staff, "tok-never"):
        answer = clinic.get(path, token=token)

        assert answer.status_code >= 400
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_mistake_of_ours_says_nothing_of_itself(clinic: Clinic) -> None:
    slot_id = clinic.slot()
    clinic.world.sql(
        "CREATE FUNCTION booking.break() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'broken %', NEW; END $$;"
        "CREATE TRIGGER broken BEFORE INSERT ON booking.visit FOR EACH ROW"
        " WHEN (NEW.reason = 'break') EXECUTE FUNCTION booking.break()"
    )
    try:
        answer = clinic.post("/v1/visits", clinic.world.book(slot_id, reason="break"))
    finally:
        clinic.world.sql("DROP TRIGGER broken ON booking.visit; DROP FUNCTION booking.break")

    body = refused(answer, 500, "internal_error")
    assert "broken" not in json.dumps(body)
    assert "details" not in body
    ok(clinic.post("/v1/visits", clinic.world.book(slot_id)), 201)
