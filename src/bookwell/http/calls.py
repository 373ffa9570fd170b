"""From a request to a `Call`, and from what a use case returns to an answer."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from msgspec import Struct

from bookwell.domain.callers import Call, IdempotencyKey
from bookwell.domain.errors import InvalidInput
from bookwell.http.auth import brand_of, caller_of
from bookwell.http.facts import facts_of
from bookwell.http.plugged import plugged_into
from bookwell.storage.database import Database
from bookwell.storage.idempotency import Replayed

IDEMPOTENCY_HEADER = "Idempotency-Key"
# Visible ASCII, as a structured-field string may hold it; quoted (RFC 8941) or bare.
_KEY = re.compile(r'"([!#-~ ]{1,128})"|([!#-~]{1,128})')

AnyRequest = Request[Any, Any, Any]
Value = TypeVar("Value", bound=Struct)
Body = TypeVar("Body", bound=Struct)


def database_of(request: AnyRequest) -> Database:
    return plugged_into(request.app).database


async def call_of(request: AnyRequest, *, brand_id: str | None = None) -> Call:
    """Who calls, for the brand the request names if it does, with its idempotency key."""
    caller = caller_of(request)
    return Call(
        caller=caller,
        brand_id=brand_of(caller, brand_id),
        request_id=facts_of(request).request_id,
        key=await _key_of(request),
    )


async def answer(
    work: Awaitable[Value],
    value_type: type[Value],
    render: Callable[[Value], Body],
    *,
    status_code: int = 200,
) -> Response[Body]:
    """The answer to a change: the use case's value, or what its idempotency key led to before."""
    headers = {}
    try:
        value = await work
    except Replayed as before:
        value = msgspec.json.decode(before.answer, type=value_type)
        headers["Idempotency-Replayed"] = "true"
    version = getattr(value, "version", None)
    if version is not None:
        headers["ETag"] = etag(version)
    return Response(render(value), status_code=status_code, headers=headers)


def etag(version: int) -> str:
    """A strong entity tag (RFC 9110 section 8.8.3): the version in quotes."""
    return f'"{version}"'


def versions_wanted(request: AnyRequest) -> list[int] | None:
    """The versions If-Match names; None where it is absent or `*` (RFC 9110 section 13.1.1).

    A weak or foreign tag names no version, so it never matches.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    tags = (tag.strip() for tag in header.split(","))
    return [int(tag[1:-1]) for tag in tags if re.fullmatch(r'"[1-9][0-9]{0,8}"', tag)]


async def _key_of(request: AnyRequest) -> IdempotencyKey | None:
    header = request.headers.get(IDEMPOTENCY_HEADER)
    if header is None or request.method == "GET":
        return None
    key = _KEY.fullmatch(header)
    if key is None:
        raise InvalidInput(
            f"{IDEMPOTENCY_HEADER} must be 1 to 128 visible characters, quoted or bare.",
            field=IDEMPOTENCY_HEADER,
        )
    seal = hashlib.sha256(f"{request.method} {request.url.path}\n".encode())
    seal.update(await request.body())
    return IdempotencyKey(
        key=key[1] or key[2],
        route=f"{request.method} {request.scope['path_template']}",
        fingerprint=seal.digest(),
    )
