import msgspec
import pytest

from bookwell.domain.callers import Claims
from bookwell.gateways.introspection_answer import BrokenAnswer, read_answer

NOW = 1_790_000_000.0


def answer(**claims: object) -> bytes:
    return msgspec.json.encode({"active": True, **claims})


def read(**claims: object) -> Claims:
    active = read_answer(answer(**claims), wall=NOW)
    assert active is not None
    return active


def test_every_claim_is_read() -> None:
    claims = read(
        sub=" pat_1 ",
        client_id="app",
        scope="read:visits  write:visits",
        exp=NOW + 60,
        nbf=NOW,
        iat=NOW - 60,
        brand="acme",
        token_type="Bearer",
        username="is not our business",
    )

    assert claims == Claims(
        subject="pat_1",
        client_id="app",
        scopes=frozenset({"read:visits", "write:visits"}),
        expires_at=NOW + 60,
        brand_id="acme",
        token_type="Bearer",
    )


def test_a_token_may_be_active_and_say_nothing_else() -> None:
    nothing = Claims(
        subject=None,
        client_id=None,
        scopes=frozenset(),
        expires_at=None,
        brand_id=None,
        token_type=None,
    )

    assert read() == nothing
    assert read(sub=None, scope=None, exp=None, brand=None) == nothing


def test_scopes_may_come_as_a_list() -> None:
    assert read(scope=["read:visits", "write:slots"]).scopes == {"read:visits", "write:slots"}


def test_brand_id_is_accepted_for_brand() -> None:
    assert read(brand_id="acme").brand_id == "acme"
    assert read(brand="acme", brand_id="acme").brand_id == "acme"


@pytest.mark.parametrize(
    "claims",
    [{"active": False}, {"exp": NOW - 1}, {"exp": NOW}, {"exp": -1}, {"nbf": NOW + 1}],
    ids=str,
)
def test_a_token_outside_its_time_or_revoked_is_not_active(claims: dict[str, object]) -> None:
    assert read_answer(answer(**claims), wall=NOW) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"active": "true"},
        {"active": 1},
        {"active": None},
        {"sub": 7},
        {"sub": ""},
        {"sub": "  "},
        {"sub": "a\0b"},
        {"sub": "a\n"},
        {"sub": "a\x85b"},
        {"sub": "a" * 257},
        {"client_id": ["app"]},
        {"scope": {"read:visits": True}},
        {"scope": ["read:visits", 7]},
        {"scope": "read:visits\twrite:visits"},
        {"scope": "a" * 257},
        {"scope": "a " * 4096},
        {"scope": ["a"] * 257},
        {"exp": "1790000060"},
        {"exp": True},
        {"exp": 1_790_000_060_000},
        {"nbf": "soon"},
        {"iat": []},
        {"brand": 1},
        {"brand": ""},
        {"brand_id": {}},
        {"brand": "acme", "brand_id": "other"},
        {"token_type": 1},
    ],
    ids=lambda claims: str(claims)[:40],
)
def test_a_claim_of_the_wrong_shape_breaks_the_answer(claims: dict[str, object]) -> None:
    with pytest.raises(BrokenAnswer):
        read_answer(answer(**claims), wall=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"<html>sign in</html>",
        b'{"active": true',
        b'{"active": true} {"active": true}',
        b'{"active": true, "exp": NaN}',
        b'{"active": true, "exp": 1e999}',
        b'{"active": true, "sub": "\xff"}',
        b'{"active": true, "sub": "\\ud800 is half a character"}',
        b'{"active": true, "sub": "\\udc00"}',
        b'{"active": true, "more": ' + b"[" * 60_000,
    ],
    ids=lambda body: repr(body)[:40],
)
def test_what_is_not_an_object_in_json_breaks_the_answer(body: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        read_answer(body, wall=NOW)


def test_the_reason_of_a_broken_answer_does_not_quote_it() -> None:
    with pytest.raises(BrokenAnswer) as caught:
        read_answer(answer(sub="Erika Mustermann\0"), wall=NOW)

    assert "$.sub" in caught.value.reason
    assert "Erika" not in caught.value.reason
