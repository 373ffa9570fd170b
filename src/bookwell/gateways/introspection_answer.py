"""Reads what an identity service says of a token (RFC 7662 section 2.2).

Strict on purpose: a claim of the wrong type may be the one that would have kept somebody out, so
one broken claim breaks the answer. A claim that is null counts as not made.
"""

from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from bookwell.domain.callers import Claims

# No id of ours is longer, and each ends up in rows, audit lines and log lines.
TEXT_CHARACTERS_MAX = 256

# A caller has nine scopes of ours and perhaps some dozens elsewhere; the cache keeps them all.
SCOPE_CHARACTERS_MAX = 4096
SCOPES_MAX = 256

# The end of the year 9999. An identity service that counts in milliseconds is beyond it, and is
# found out here and not by tokens that never expire.
EPOCH_SECONDS_MAX = 253_402_300_799

_PRINTABLE = r"\A[^\x00-\x1f\x7f-\x9f]*\Z"
_Text = Annotated[str, Meta(min_length=1, max_length=TEXT_CHARACTERS_MAX, pattern=_PRINTABLE)]
_Scope = Annotated[str, Meta(max_length=SCOPE_CHARACTERS_MAX, pattern=_PRINTABLE)]
_Seconds = Annotated[float, Meta(le=EPOCH_SECONDS_MAX)]


class BrokenAnswer(Exception):
    """The identity service said something that is not an answer.

    `reason` names the fault and never quotes the answer, so it may be logged.
    """

    def __init__(self, reason: str, *, status: int = HTTPStatus.OK) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = int(status)


class _Answer(Struct):
    active: bool
    sub: _Text | None = None
    client_id: _Text | None = None
    scope: _Scope | Annotated[list[_Text], Meta(max_length=SCOPES_MAX)] | None = None
    exp: _Seconds | None = None
    nbf: _Seconds | None = None
    iat: _Seconds | None = None
    brand: _Text | None = None
    brand_id: _Text | None = None
    token_type: _Text | None = None


_decoder = msgspec.json.Decoder(_Answer)


def read_answer(body: bytes, *, wall: float) -> Claims | None:
    """The claims of a token that is active at `wall` (seconds since the epoch), or None.

    Raises BrokenAnswer for whatever is not a JSON object of well-formed claims.
    """
    try:
        answer = _decoder.decode(body)
    except msgspec.DecodeError as error:
        # The messages of msgspec name the place and the type it wanted, never the value.
        raise BrokenAnswer(str(error)) from None
    except (UnicodeDecodeError, RecursionError):
        raise BrokenAnswer("not UTF-8, or nested too deeply") from None
    claims = Claims(
        subject=_stripped(answer.sub),
        client_id=_stripped(answer.client_id),
        scopes=_scopes(answer.scope),
        expires_at=answer.exp,
        brand_id=_brand(_stripped(answer.brand), _stripped(answer.brand_id)),
        token_type=_stripped(answer.token_type),
    )
    expired = answer.exp is not None and answer.exp <= wall
    too_early = answer.nbf is not None and answer.nbf > wall
    return claims if answer.active and not expired and not too_early else None


def _stripped(text: str | None) -> str | None:
    if text is None:
        return None
    stripped = text.strip()
    if not stripped:
        # To read a blank as "none" could widen a caller: a service without a brand may name any.
        raise BrokenAnswer("a claim is blank")
    return stripped


def _scopes(scope: str | list[str] | None) -> frozenset[str]:
    if scope is None:
        return frozenset()
    text = scope if isinstance(scope, str) else " ".join(scope)
    scopes = frozenset(text.split(" ")) - {""}
    if any(len(name) > TEXT_CHARACTERS_MAX for name in scopes):
        raise BrokenAnswer("a scope is too long")
    return scopes


def _brand(brand: str | None, brand_id: str | None) -> str | None:
    if brand is not None and brand_id is not None and brand != brand_id:
        raise BrokenAnswer("brand and brand_id name two brands")
    return brand if brand is not None else brand_id
