"""Tokens this service issued itself. Only a SHA-256 is kept; a revocation is announced at once."""

import secrets
from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from bookwell.domain.callers import Call, Caller, Role
from bookwell.domain.ids import TOKEN, new_id
from bookwell.storage.statements import AnyConnection, statement
from bookwell.storage.told_once import derived, hash_of

# The platform's own user tokens begin like this (CONTRACT.md section 2, decision 7).
TOKEN_PREFIX = "lph_at_"  # noqa: S105 - a prefix, no secret
EVERY_BRAND = "*"
REVOCATION_CHANNEL = "booking_token_revoked"

_add_token = statement("add_token")
_find_token = statement("find_token")
_revoke_token = statement("revoke_token")
_announce_revocation = statement("announce_revocation")
_list_tokens = statement("list_tokens")


class Token(Struct, frozen=True, kw_only=True):
    """What is known of a token; never the token itself."""

    token_id: str
    brand_id: str
    role: Role
    subject: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KnownToken(Struct, frozen=True, kw_only=True):
    """A live token's caller, and for how many seconds it lives on (None: for good)."""

    caller: Caller
    expires_in: float | None


def new_secret() -> str:
    """A fresh bearer token with 256 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def derived_secret(call: Call, *, bearer: str) -> str:
    """The bearer token that this call's idempotency key stands for, the same each time.

    So it can be told again without being stored. Whoever holds the bearer token could issue tokens
    anyway. What an old bearer token has issued outlives it, as it does without a key: revoke both.
    """
    return TOKEN_PREFIX + derived(call, bearer=bearer, purpose="token")


async def add(
    connection: AnyConnection,
    secret: str,
    *,
    brand_id: str,
    role: Role,
    subject: str,
    scopes: Sequence[str],
    expires_in: float | None,
) -> Token:
    row = await _add_token.row(
        connection,
        token_hash=hash_of(secret),
        token_id=new_id(TOKEN),
        brand_id=brand_id,
        role=role,
        subject=subject,
        scopes=list(scopes),
        expires_in=expires_in,
    )
    assert row is not None, "INSERT RETURNING answers a row"
    return msgspec.convert(dict(row), Token)


async def find(connection: AnyConnection, token_hash: bytes) -> KnownToken | None:
    """The live token with this hash, its patient looked up."""
    row = await _find_token.row(connection, token_hash=token_hash)
    if row is None:
        return None
    caller = Caller(
        role=Role(row["role"]),
        subject=row["subject"],
        brand_id=None if row["brand_id"] == EVERY_BRAND else row["brand_id"],
        scopes=frozenset(row["scopes"]),
        patient_id=row["patient_id"],
    )
    return KnownToken(caller=caller, expires_in=row["expires_in"])


async def revoke(
    connection: AnyConnection, *, secret_or_id: str, brand_id: str | None
) -> tuple[str, str] | None:
    """End a token, named by itself or its id, and tell every worker: (token_id, brand_id)."""
    row = await _revoke_token.row(
        connection,
        token_hash=hash_of(secret_or_id),
        token_id=secret_or_id,
        brand_id=brand_id,
    )
    if row is None:
        return None
    await _announce_revocation.value(connection, token_hash_hex=row["token_hash_hex"])
    return row["token_id"], row["brand_id"]


async def list_tokens(
    connection: AnyConnection, *, brand_id: str, after_id: str, row_limit: int
) -> list[Token]:
    rows = await _list_tokens.rows(
        connection, brand_id=brand_id, after_id=after_id, row_limit=row_limit
    )
    return [msgspec.convert(dict(row), Token) for row in rows]
