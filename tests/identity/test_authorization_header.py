"""The Authorization header, and the challenges of RFC 6750."""

from collections.abc import AsyncIterator

import httpx
import pytest

from conftest import serving, settings_for
from world import World

NOBODY = (401, "unauthenticated", 'Bearer realm="bookwell"')
UNKNOWN = (401, "invalid_token", 'Bearer realm="bookwell", error="invalid_token"')


@pytest.fixture
async def base_url(world: World) -> AsyncIterator[str]:
    async with serving(settings_for(world.database_url)) as url:
        yield url


async def told(base_url: str, *authorization: bytes, query: str = "") -> tuple[int, str, str]:
    """What a call with these Authorization headers is told: status, code, challenge."""
    named = [(b"Authorization", value) for value in authorization]
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"{base_url}/v1/visits?brand_id=loop{query}", headers=named)
    return (
        response.status_code,
        response.json().get("error", ""),
        response.headers.get("WWW-Authenticate", ""),
    )


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER"])
async def test_the_scheme_is_read_in_any_case(base_url: str, scheme: bytes) -> None:
    assert await told(base_url, scheme + b" tok-staff-loop") == (200, "", "")


async def test_no_header_is_told_to_bring_a_token_and_nothing_else(base_url: str) -> None:
    assert await told(base_url) == NOBODY


@pytest.mark.parametrize(
    "header",
    [b"", b"Bearer", b"Basic dG9rOg==", b"tok-staff-loop", b"Bearertok-staff-loop"],
)
async def test_a_header_that_is_no_bearers_counts_as_none(base_url: str, header: bytes) -> None:
    assert await told(base_url, header) == NOBODY


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
async def test_a_bearer_of_nonsense_is_an_invalid_token(base_url: str, header: bytes) -> None:
    assert await told(base_url, header) == UNKNOWN


async def test_two_headers_are_not_believed(base_url: str) -> None:
    for pair in (
        (b"Bearer tok-staff-loop", b"Bearer unknown"),
        (b"Bearer unknown", b"Bearer tok-staff-loop"),
    ):
        assert await told(base_url, *pair) == UNKNOWN


async def test_a_token_in_the_url_is_no_token(base_url: str) -> None:
    assert await told(base_url, query="&access_token=tok-staff-loop") == NOBODY


async def test_a_token_in_a_form_is_no_token(base_url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.post(
            f"{base_url}/v1/visits", data={"access_token": "tok-staff-loop"}
        )

    assert (response.status_code, response.json()["error"]) == (401, "unauthenticated")


async def test_a_token_without_the_scope_hears_which_one_it_lacks(base_url: str) -> None:
    assert await told(base_url, b"Bearer tok-unscoped") == (
        403,
        "insufficient_scope",
        'Bearer realm="bookwell", error="insufficient_scope", scope="read:visits"',
    )


async def test_a_stranger_learns_nothing_of_bodies_and_ids(base_url: str) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=base_url) as client:
        answers = [
            await client.post("/v1/visits", content=b"{"),
            await client.get("/v1/visits/vis_never"),
            await client.get("/v1/visits/%00"),
            await client.post("/v1/visits/vis_never/cancel", headers={"Idempotency-Key": "k k"}),
        ]

    assert {(a.status_code, a.json()["error"]) for a in answers} == {(401, "unauthenticated")}
