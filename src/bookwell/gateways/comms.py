"""Hands messages to the platform's message service: `POST /v1/messages/send`.

The address is the operator's own. Whoever sends a message again sends the same `dedup_key`, by
which the service knows it; it is the `Idempotency-Key` too.
"""

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple

import httpx
from msgspec import Struct, json

SEND_PATH = "/v1/messages/send"
# Try again: it took too long, came too early, or there were too many.
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the service is told; whom `person_id` is, and in what words, it knows itself."""

    channel: str
    template_key: str
    brand_id: str
    person_id: str
    dedup_key: str
    recipient: str | None = None


class Sent(NamedTuple):
    """What came of a try: `cause` is None where the service took the message.

    With `is_final` it never will; `retry_after` is in seconds, where the service named them.
    """

    cause: str | None
    is_final: bool = False
    retry_after: float | None = None


class Comms:
    """The message service at `url`, with a bearer token where one is given.

    `timeout_seconds` bounds a try as a whole. Belongs to one event loop; `close` it there.
    """

    def __init__(self, *, url: str, token: str | None, timeout_seconds: float) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "bookwell"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._url = httpx.URL(url.rstrip("/") + SEND_PATH)
        self._timeout_seconds = timeout_seconds
        self._client = httpx.AsyncClient(
            headers=headers,
            follow_redirects=False,
            trust_env=False,
            timeout=None,  # noqa: S113 - `send` has one deadline for all; this is one for each read
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, message: Message) -> Sent:
        """Try once; whatever goes wrong is in what is returned, and never what the service said."""
        request = self._client.build_request(
            "POST",
            self._url,
            content=json.encode(message),
            headers={"Idempotency-Key": message.dedup_key},
        )
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.send(request, stream=True)
                # Its body is nobody's business here, and may be of any length.
                await response.aclose()
        except TimeoutError:
            return Sent("timeout")
        except (OSError, httpx.HTTPError) as error:
            return Sent("connect" if isinstance(error, httpx.ConnectError) else "connection")
        return _judged(response)


def _judged(response: httpx.Response) -> Sent:
    status = response.status_code
    if response.is_success:
        return Sent(None)
    is_final = response.is_client_error and status not in _LATER
    retry_after = _seconds(response.headers.get("Retry-After"))
    return Sent(f"http_{status}", is_final=is_final, retry_after=retry_after)


def _seconds(header: str | None) -> float | None:
    """Retry-After as seconds from now (RFC 9110 section 10.2.3); None where it says nothing."""
    if header is None:
        return None
    if header.strip().isdecimal() and header.isascii():
        return float(header[:12])
    try:
        at = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
