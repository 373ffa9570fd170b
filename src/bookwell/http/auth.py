"""Who calls, for which brand, and may they (CONTRACT.md section 2, decisions 7 to 9; RFC 6750)."""

import re

from litestar.handlers import BaseRouteHandler

from bookwell.domain.callers import Caller, Role
from bookwell.domain.errors import (
    Forbidden,
    InsufficientScope,
    InvalidInput,
    InvalidToken,
    NotFound,
    Unauthenticated,
)
from bookwell.domain.ids import VISIBLE, VISIT_TYPE
from bookwell.http.facts import AnyConnection, facts_of
from bookwell.http.paths import slashes_restored
from bookwell.http.plugged import plugged_into

BRAND_HEADER = "X-Brand-Id"
# RFC 6750 section 2.1, b64token; longer than any token we know of is no token.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)
TOKEN_LENGTH_MAX = 4096
_VISIBLE = re.compile(VISIBLE)
# What may stand in a path: an id, and where a visit type does, a clinic's own words.
_IN_PATH = {"visit_type": re.compile(VISIT_TYPE)}


async def admit(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Let the caller of a route in: a live token, its rate, its scope. A guard of Litestar's.

    Raises:
        Unauthenticated, InvalidToken, InsufficientScope, RateLimited: As they say.
        Unavailable: It cannot be said now who is calling.
    """
    plugged = plugged_into(connection.app)
    holder = await plugged.authenticator.caller_of(_token_of(connection))
    if holder is None:
        raise InvalidToken
    plugged.rates.count(holder, kind=handler.opt["rate"])
    caller = _with_named_brand(holder, connection.headers.get(BRAND_HEADER))
    facts_of(connection).caller = caller
    scope = handler.opt["scope"]
    if not caller.may(scope):
        raise InsufficientScope(scope=scope)
    for name, value in connection.path_params.items():
        connection.path_params[name] = slashes_restored(value)
        # An id that no id can be is nobody's; PostgreSQL need not be asked.
        if not _IN_PATH.get(name, _VISIBLE).fullmatch(connection.path_params[name]):
            raise NotFound


async def is_still_admitted(connection: AnyConnection) -> bool:
    """Whether the token still stands for the caller that `admit` let in, with the same rights.

    Raises:
        Unavailable: It cannot be said now.
    """
    holder = await plugged_into(connection.app).authenticator.caller_of(_token_of(connection))
    if holder is None:
        return False
    return _with_named_brand(holder, connection.headers.get(BRAND_HEADER)) == caller_of(connection)


def caller_of(connection: AnyConnection) -> Caller:
    """The caller that `admit` let in."""
    caller = facts_of(connection).caller
    assert caller is not None, "a guarded route has a caller"
    return caller


def brand_of(caller: Caller, named: str | None) -> str:
    """The brand to act for: the token's, or else the one a service names.

    Raises:
        NotFound: The request names another brand than the token's; it does not exist for them.
        Forbidden: A person's token that belongs to no brand.
        InvalidInput: A service that names no brand where one is needed.
    """
    if caller.brand_id is not None:
        if named is not None and named != caller.brand_id:
            raise NotFound("There is no such brand.")
        return caller.brand_id
    if caller.role is not Role.SERVICE:
        raise Forbidden("This token belongs to no brand.")
    if named is None:
        raise InvalidInput(f"{BRAND_HEADER} must name the brand to act for.", field=BRAND_HEADER)
    return named


def _token_of(connection: AnyConnection) -> str:
    named = connection.headers.getall("Authorization", [])
    if not named:
        raise Unauthenticated
    if len(named) > 1:
        # Somebody on the way may have looked at the other one.
        raise InvalidToken
    header = named[0]
    bearer = _BEARER.fullmatch(header)
    if bearer is None:
        scheme = header.partition(" ")[0].lower()
        if scheme == "bearer" and header.strip().lower() != "bearer":
            raise InvalidToken
        raise Unauthenticated
    token = bearer[1]
    if len(token) > TOKEN_LENGTH_MAX:
        raise InvalidToken
    return token


def _with_named_brand(caller: Caller, named: str | None) -> Caller:
    """The caller, acting for the brand named in X-Brand-Id if the token leaves that open."""
    if named is None:
        return caller
    if caller.brand_id is not None:
        if named != caller.brand_id:
            raise Forbidden("This token belongs to another brand.")
        return caller
    if caller.role is not Role.SERVICE:
        return caller
    if not _VISIBLE.fullmatch(named):
        raise InvalidInput(f"{BRAND_HEADER} is not the id of a brand.", field=BRAND_HEADER)
    return caller.acting_for(named)
