"""Issue, list and revoke the tokens of our own."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
from msgspec import Struct

from bookwell.domain.callers import ADMIN_SCOPE, EVENTS_SCOPE, SCOPES, Call, Role
from bookwell.domain.errors import IdempotencyKeyMismatch, InvalidInput, NotFound
from bookwell.storage import catalog, idempotency, journal, tokens
from bookwell.storage.database import Database
from bookwell.storage.idempotency import Replayed
from bookwell.storage.journal import Entry
from bookwell.storage.tokens import EVERY_BRAND, Token
from bookwell.storage.told_once import hash_of
from bookwell.usecases.paging import Page

# What a role's token may do when nobody says otherwise.
DEFAULT_SCOPES: dict[Role, tuple[str, ...]] = {
    Role.PATIENT: ("manage:visits", "read:slots", "manage:bookings", EVENTS_SCOPE),
    Role.STAFF: ("manage:visits", "manage:slots", "manage:bookings", EVENTS_SCOPE),
    Role.SERVICE: ("manage:visits", "manage:slots", "manage:bookings", EVENTS_SCOPE),
}


class IssuedToken(Struct, frozen=True, kw_only=True):
    """A token and the secret itself; `is_replay` where its key had issued it before."""

    token: Token
    secret: str
    is_replay: bool = False


class KeptToken(Struct, frozen=True, kw_only=True):
    """What is remembered for an idempotency key: the token, and of its secret only the hash."""

    token: Token
    token_hash: str


class RevokedToken(Struct, frozen=True, kw_only=True):
    """A token that ended."""

    token_id: str
    brand_id: str


async def create_token(
    database: Database,
    call: Call,
    *,
    role: Role,
    subject: str,
    scopes: Sequence[str] | None,
    expires_in: float | None,
    bearer: str | None = None,
) -> IssuedToken:
    """Issue a token for the call's brand ('*': a service of every brand).

    The secret is never stored. Under an idempotency key it is derived from `bearer`, the caller's
    own token, and derived again to answer a repeated call; without a key it is random.

    Raises:
        InvalidInput: A scope does not exist or is not for this role, none is left of them, or '*'
            is not for this role.
        NotFound: There is no such brand.
        IdempotencyKeyMismatch: The key was used with another token of this caller, or for another
            request.
        AlreadyExists: The key issued a token so long ago that its answer is forgotten.
    """
    allowed = _checked_scopes(scopes, role)
    if call.brand_id == EVERY_BRAND and role is not Role.SERVICE:
        raise InvalidInput("Only a service acts for every brand.", field="brand_id")
    if call.key is None:
        secret = tokens.new_secret()
    else:
        assert bearer is not None, "only a caller with a token of their own sends a key"
        secret = tokens.derived_secret(call, bearer=bearer)
    try:
        token = await _issue(
            database,
            call,
            secret,
            role=role,
            subject=subject,
            scopes=allowed,
            expires_in=expires_in,
        )
    except Replayed as before:
        kept = msgspec.json.decode(before.answer, type=KeptToken)
        if kept.token_hash != hash_of(secret).hex():
            raise IdempotencyKeyMismatch(
                "This idempotency key was used with another bearer token of yours."
            ) from before
        return IssuedToken(token=kept.token, secret=secret, is_replay=True)
    return IssuedToken(token=token, secret=secret)


def _checked_scopes(scopes: Sequence[str] | None, role: Role) -> tuple[str, ...]:
    """The scopes named, each once; the role's usual ones only where nobody named any."""
    if scopes is None:
        return DEFAULT_SCOPES[role]
    if not scopes:
        raise InvalidInput("scopes must name at least one scope, or be left out.", field="scopes")
    for scope in scopes:
        if scope not in SCOPES:
            raise InvalidInput(f"scope must be one of {', '.join(SCOPES)}.", field="scope")
    if role is Role.PATIENT and ADMIN_SCOPE in scopes:
        raise InvalidInput(f"{ADMIN_SCOPE} is never a patient's.", field="scope")
    return tuple(dict.fromkeys(scopes))


async def _issue(
    database: Database,
    call: Call,
    secret: str,
    *,
    role: Role,
    subject: str,
    scopes: tuple[str, ...],
    expires_in: float | None,
) -> Token:
    async with database.transaction(call) as connection:
        if call.brand_id != EVERY_BRAND:
            await catalog.get_brand(connection, call.brand_id)
        token = await tokens.add(
            connection,
            secret,
            brand_id=call.brand_id,
            role=role,
            subject=subject,
            scopes=scopes,
            expires_in=expires_in,
        )
        await journal.record(
            connection,
            call,
            Entry(
                event_type="token.created",
                entity_type="token",
                entity_id=token.token_id,
                details={"role": str(role), "scopes": list(scopes)},
            ),
            answer=KeptToken(token=token, token_hash=hash_of(secret).hex()),
        )
    return token


async def revoke_token(database: Database, call: Call, *, secret_or_id: str) -> RevokedToken:
    """End a token of the call's brand at once, on every worker.

    Raises:
        NotFound: The brand has no such live token.
    """
    brand_id = None if call.brand_id == EVERY_BRAND else call.brand_id
    async with database.transaction(call) as connection:
        revoked = await tokens.revoke(connection, secret_or_id=secret_or_id, brand_id=brand_id)
        if revoked is None:
            raise NotFound("There is no such live token.")
        token_id, token_brand_id = revoked
        ended = RevokedToken(token_id=token_id, brand_id=token_brand_id)
        await journal.record(
            connection,
            # The row belongs to the token's brand, whoever of the platform ended it; the key
            # belongs to the brand the call named, where a repeated call looks for it.
            replace(call, brand_id=token_brand_id).without_key(),
            Entry(event_type="token.revoked", entity_type="token", entity_id=token_id),
            answer=None,
        )
        await idempotency.remember(connection, call, ended)
    return ended


async def list_tokens(
    database: Database, call: Call, *, after_id: str | None, limit: int
) -> Page[Token]:
    """A page of the brand's tokens, oldest first, without their secrets."""
    async with database.reading() as connection:
        found = await tokens.list_tokens(
            connection, brand_id=call.brand_id, after_id=after_id or "", row_limit=limit + 1
        )
    return Page.cut(found, limit, lambda token: (token.token_id,))
