"""Issue, list and revoke the tokens of our own."""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import Struct

from bookwell.domain.callers import ADMIN_SCOPE, SCOPES, Call, Role
from bookwell.domain.errors import InvalidInput, NotFound
from bookwell.storage import catalog, journal, tokens
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.storage.tokens import EVERY_BRAND, Token
from bookwell.usecases.paging import Page

# What a role's token may do when nobody says otherwise.
DEFAULT_SCOPES: dict[Role, tuple[str, ...]] = {
    Role.PATIENT: ("manage:visits", "read:slots", "manage:bookings"),
    Role.STAFF: ("manage:visits", "manage:slots", "manage:bookings"),
    Role.SERVICE: ("manage:visits", "manage:slots", "manage:bookings"),
}


class IssuedToken(Struct, frozen=True, kw_only=True):
    """A token and, this once, the secret itself."""

    token: Token
    secret: str


async def create_token(
    database: Database,
    call: Call,
    *,
    role: Role,
    subject: str,
    scopes: Sequence[str] | None,
    expires_in: float | None,
) -> IssuedToken:
    """Issue a token for the call's brand ('*': a service of every brand).

    The secret is never stored, so this operation does not honour idempotency keys.

    Raises:
        InvalidInput: A scope does not exist or is not for this role, or '*' is not for this role.
        NotFound: There is no such brand.
    """
    scopes = tuple(scopes or DEFAULT_SCOPES[role])
    for scope in scopes:
        if scope not in SCOPES:
            raise InvalidInput(f"scope must be one of {', '.join(SCOPES)}.", field="scope")
    if role is Role.PATIENT and ADMIN_SCOPE in scopes:
        raise InvalidInput(f"{ADMIN_SCOPE} is never a patient's.", field="scope")
    if call.brand_id == EVERY_BRAND and role is not Role.SERVICE:
        raise InvalidInput("Only a service acts for every brand.", field="brand_id")
    secret = tokens.new_secret()
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
            answer=None,
        )
    return IssuedToken(token=token, secret=secret)


async def revoke_token(database: Database, call: Call, *, secret_or_id: str) -> str:
    """End a token of the call's brand at once, on every worker; returns its id.

    Raises:
        NotFound: The brand has no such live token.
    """
    brand_id = None if call.brand_id == EVERY_BRAND else call.brand_id
    async with database.transaction(call) as connection:
        revoked = await tokens.revoke(connection, secret_or_id=secret_or_id, brand_id=brand_id)
        if revoked is None:
            raise NotFound("There is no such live token.")
        token_id, token_brand_id = revoked
        await journal.record(
            connection,
            # The row belongs to the token's brand, whoever of the platform ended it.
            replace(call, brand_id=token_brand_id),
            Entry(event_type="token.revoked", entity_type="token", entity_id=token_id),
            answer=token_id,
        )
    return token_id


async def list_tokens(
    database: Database, call: Call, *, after_id: str | None, limit: int
) -> Page[Token]:
    """A page of the brand's tokens, oldest first, without their secrets."""
    async with database.reading() as connection:
        found = await tokens.list_tokens(
            connection, brand_id=call.brand_id, after_id=after_id or "", row_limit=limit + 1
        )
    return Page.cut(found, limit, lambda token: (token.token_id,))
