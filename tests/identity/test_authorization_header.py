"""The Authorization header, and the challenges of RFC 6750."""

import pytest

from clinic import Clinic

NOBODY = (401, "unauthenticated", 'Bearer realm="bookwell"')
UNKNOWN = (401, "invalid_token", 'Bearer realm="bookwell", error="invalid_token"')


def told(clinic: Clinic, *authorization: bytes, query: str = "") -> tuple[int, str, str]:
    """What a call with these Authorization headers is told: status, code, challenge."""
    named = [(b"Authorization", value) for value in authorization]
    response = clinic.http.get(f"/v1/visits?brand_id=loop{query}", headers=named)
    return (
        response.status_code,
        response.json().get("error", ""),
        response.headers.get("WWW-Authenticate", ""),
    )


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER"])
def test_the_scheme_is_read_in_any_case(clinic: Clinic, scheme: bytes) -> None:
    assert told(clinic, scheme + b" tok-staff-loop") == (200, "", "")


def test_no_header_is_told_to_bring_a_token_and_nothing_else(clinic: Clinic) -> None:
    assert told(clinic) == NOBODY


@pytest.mark.parametrize(
    "header",
    [b"", b"Bearer", b"Basic dG9rOg==", b"tok-staff-loop", b"Bearertok-staff-loop"],
)
def test_a_header_that_is_no_bearers_counts_as_none(clinic: Clinic, header: bytes) -> None:
    assert told(clinic, header) == NOBODY


@pytest.mark.parametrize(
    "header",
    [
        b"Bearer unknown",
        b"Bearer tok-staff-loop x",
        b"Bearer tok-staff-loop,tok-staff-loop",
        b'Bearer "tok-staff-loop"',
        b"Bearer \xff\xfe",
        b"Bearer t\xc3\xb6k",
        b"Bearer tok\tstaff",
        b"Bearer =",
        b"Bearer ' OR 1=1 --",
        b"Bearer " + b"x" * 4097,
        b"Bearer " + b"x" * 4096,
    ],
    ids=lambda header: header[:24].decode("latin-1"),
)
def test_a_bearer_of_nonsense_is_an_invalid_token(clinic: Clinic, header: bytes) -> None:
    assert told(clinic, header) == UNKNOWN


def test_two_headers_are_not_believed(clinic: Clinic) -> None:
    for pair in (
        (b"Bearer tok-staff-loop", b"Bearer unknown"),
        (b"Bearer unknown", b"Bearer tok-staff-loop"),
    ):
        assert told(clinic, *pair) == UNKNOWN


def test_a_token_in_the_url_is_no_token(clinic: Clinic) -> None:
    assert told(clinic, query="&access_token=tok-staff-loop") == NOBODY


def test_a_token_in_a_form_is_no_token(clinic: Clinic) -> None:
    response = clinic.http.post("/v1/visits", data={"access_token": "tok-staff-loop"})

    assert (response.status_code, response.json()["error"]) == (401, "unauthenticated")


def test_a_token_without_the_scope_hears_which_one_it_lacks(clinic: Clinic) -> None:
    assert told(clinic, b"Bearer tok-unscoped") == (
        403,
        "insufficient_scope",
        'Bearer realm="bookwell", error="insufficient_scope", scope="read:visits"',
    )


def test_a_stranger_learns_nothing_of_bodies_and_ids(clinic: Clinic) -> None:
    answers = [
        clinic.http.post("/v1/visits", content=b"{"),
        clinic.http.get("/v1/visits/vis_never"),
        clinic.http.get("/v1/visits/%00"),
        clinic.http.post("/v1/visits/vis_never/cancel", headers={"Idempotency-Key": "k k"}),
    ]

    assert {(a.status_code, a.json()["error"]) for a in answers} == {(401, "unauthenticated")}
