"""The routes of our own tokens, for `admin:booking`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from litestar import Response, get, post
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.callers import ADMIN_SCOPE, SCOPES, Role
from bookwell.http.admin import BrandOf
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.fields import Id, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_id_cursor, write_cursor
from bookwell.http.plugged import plugged_into
from bookwell.http.routes import PathId, operation, refusals
from bookwell.storage.tokens import Token
from bookwell.usecases import tokens
from bookwell.usecases.tokens import RevokedToken

# A year; a token that must live longer is issued without an end.
EXPIRES_IN_MAX = 366 * 24 * 3600


class TokenBody(Struct, kw_only=True):
    """A token; the secret itself is told only to whoever issues it."""

    id: str
    brand_id: str
    role: Role
    subject: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    token: str | UnsetType = UNSET


class TokenList(Struct, kw_only=True):
    """A page of tokens."""

    tokens: list[TokenBody]
    next_cursor: str | UnsetType = UNSET


class CreateToken(Struct, kw_only=True):
    """Whom the token stands for. Without scopes, the role's usual ones."""

    role: Role
    subject: Id
    scopes: Annotated[list[str], Meta(min_length=1, max_length=len(SCOPES))] | UnsetType = UNSET
    expires_in: Annotated[int, Meta(ge=1, le=EXPIRES_IN_MAX)] | UnsetType = UNSET
    brand_id: Id | UnsetType = UNSET


class RevokedBody(Struct, kw_only=True):
    """The token that ended."""

    id: str


def token_body(token: Token, secret: str | UnsetType = UNSET) -> TokenBody:
    return TokenBody(
        id=token.token_id,
        brand_id=token.brand_id,
        role=token.role,
        subject=token.subject,
        scopes=token.scopes,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        token=secret,
    )


def revoked_body(revoked: RevokedToken) -> RevokedBody:
    return RevokedBody(id=revoked.token_id)


@post(
    "/v1/admin/tokens",
    **operation("create_token", "Issue a token", tag="admin", scope=ADMIN_SCOPE),
    response_description="Token issued",
    responses=refusals({404: "Brand not found"}),
)
async def create_token(request: AnyRequest, data: JSONBody[CreateToken]) -> Response[TokenBody]:
    """Issue a token of our own. The secret is in this answer only.

    Under a key, a repeated request with the same bearer token is told the same secret again.
    """
    issued = await tokens.create_token(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        role=data.role,
        subject=data.subject,
        scopes=None if data.scopes is UNSET else data.scopes,
        expires_in=data.expires_in or None,
        # The guard let nothing but one well-formed `Bearer …` through.
        bearer=request.headers["Authorization"].split()[1],
    )
    headers = {"Idempotency-Replayed": "true"} if issued.is_replay else {}
    return Response(token_body(issued.token, issued.secret), status_code=201, headers=headers)


@get(
    "/v1/admin/tokens",
    **operation("list_tokens", "List tokens", tag="admin", scope=ADMIN_SCOPE),
    response_description="List of tokens",
    responses=refusals({404: "Brand not found"}),
)
async def list_tokens(
    request: AnyRequest,
    brand_id: BrandOf = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> TokenList:
    """The brand's tokens, without their secrets."""
    page = await tokens.list_tokens(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return TokenList(
        tokens=[token_body(token) for token in page.items], next_cursor=write_cursor(page.next_key)
    )


@post(
    "/v1/admin/tokens/{id:str}/revoke",
    **operation("revoke_token", "Revoke a token", tag="admin", scope=ADMIN_SCOPE),
    status_code=200,
    response_description="Token revoked",
    responses=refusals({404: "Not found"}),
)
async def revoke_token(request: AnyRequest, token_id: PathId) -> Response[RevokedBody]:
    """End a token at once, on every worker."""
    revoked = tokens.revoke_token(
        database_of(request), await call_of(request), secret_or_id=token_id
    )
    response = await answer(revoked, RevokedToken, revoked_body)
    # The announcement may reach this worker a moment after our answer has reached its caller.
    plugged_into(request.app).authenticator.forget_all()
    return response


ROUTES = [create_token, list_tokens, revoke_token]
