"""Is it alive, is it ready. No token; nothing in the answers that a stranger could use."""

import asyncio
import time
from typing import Any

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from bookwell.domain.errors import BookwellError
from bookwell.http.calls import database_of
from bookwell.storage import journal

# A load balancer asks every few seconds and waits no longer than this.
CHECK_SECONDS_MAX = 2.0

_STARTED_AT = time.monotonic()


class DatabaseCheck(Struct, kw_only=True):
    """Whether PostgreSQL answers, and how fast."""

    ok: bool
    latency_ms: float


class Checks(Struct, kw_only=True):
    """What the service needs."""

    db: DatabaseCheck


class HealthBody(Struct, kw_only=True):
    """`ready`, or `not_ready`; the database is asked each time."""

    status: str
    uptime_seconds: float
    checks: Checks


_ABOUT: dict[str, Any] = {
    "tags": ["health"],
    "security": [],
    "response_description": "Ready",
    "responses": {503: ResponseSpec(HealthBody, description="Not ready", generate_examples=False)},
}


async def _check(request: Request[Any, Any, Any]) -> Response[HealthBody]:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX), database_of(request).reading() as connection:
            await journal.now(connection)
        ok = True
    except (BookwellError, TimeoutError):
        ok = False
    check = DatabaseCheck(ok=ok, latency_ms=round((time.perf_counter() - began) * 1000, 3))
    body = HealthBody(
        status="ready" if ok else "not_ready",
        uptime_seconds=round(time.monotonic() - _STARTED_AT, 3),
        checks=Checks(db=check),
    )
    return Response(body, status_code=200 if ok else 503)


@get("/healthz", operation_id="healthz", summary="Health", **_ABOUT)
async def healthz(request: Request[Any, Any, Any]) -> Response[HealthBody]:
    """Whether the service and its database work."""
    return await _check(request)


@get("/readyz", operation_id="readyz", summary="Readiness", **_ABOUT)
async def readyz(request: Request[Any, Any, Any]) -> Response[HealthBody]:
    """Whether this worker should get requests."""
    return await _check(request)


ROUTES = [healthz, readyz]
