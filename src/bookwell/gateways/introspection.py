"""Asks the identity service whom a token stands for: RFC 7662, fail closed.

What an answer may say is in `introspection_answer`, how long it is believed in
`introspection_cache`. Here is the call: one for each token at a time, a bounded number at once,
one deadline over waiting, connecting, sending and reading. Whatever is not a clear answer is
`IdentityUnavailable`; it admits nobody and is not remembered.
"""

import asyncio
import time
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from urllib.parse import quote_plus

import httpx
import structlog

from bookwell.domain.callers import Claims
from bookwell.domain.errors import IdentityUnavailable
from bookwell.gateways.introspection_answer import BrokenAnswer, read_answer
from bookwell.gateways.introspection_cache import NO_ANSWER, IntrospectionCache, NoAnswer
from bookwell.gateways.single_flight import SingleFlight

# A hundred times what an identity service says of one token; more is no answer to the question.
ANSWER_BYTES_MAX = 64 * 1024

# Shorter than the 5 s after which common servers (uvicorn, Node) hang up, so that we hang up first.
KEEP_ALIVE_SECONDS = 4.0

# A kept-alive connection that the server has just closed shows itself in one of these.
_CONNECTION_LOST = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)

_log = structlog.get_logger("bookwell.identity")


class Introspection:
    """The identity service behind `url`, asked as `client_id` with HTTP Basic where one is given.

    `timeout_seconds` bounds a question as a whole, with the wait for one of `concurrent_max`
    places. `cache_seconds` beyond 5 count as 5. Belongs to one event loop; `close` it there.
    Raises httpx.InvalidURL for a `url` that is none.
    """

    def __init__(
        self,
        *,
        url: str,
        client_id: str | None,
        client_secret: str | None,
        cache_seconds: float = 5.0,
        timeout_seconds: float = 2.0,
        concurrent_max: int = 32,
    ) -> None:
        self._url = httpx.URL(url)
        self._timeout_seconds = timeout_seconds
        self._cache = IntrospectionCache(seconds=cache_seconds)
        self._flights: SingleFlight[bytes, Claims | NoAnswer | None] = SingleFlight()
        self._places = asyncio.Semaphore(concurrent_max)
        self._closing = False
        self._client = httpx.AsyncClient(
            auth=_client_authentication(client_id, client_secret),
            # Compression would let a small answer grow large after its size was checked.
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "bookwell",
            },
            follow_redirects=False,
            trust_env=False,
            timeout=None,  # noqa: S113 - `_ask` has one deadline for all; this is one for each read
            # `_places` bounds them: the queue of httpx is walked as a whole for each request.
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=concurrent_max,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
            ),
        )

    async def introspect(self, token: str) -> Claims | None:
        """What the token allows, or None where it is not active: unknown, revoked, expired.

        Raises IdentityUnavailable when the identity service gives no clear answer in time.
        """
        key = sha256(token.encode()).digest()
        answer = self._cache.find(key, now=time.monotonic(), wall=time.time())
        if answer is NO_ANSWER and not self._closing:
            answer = await self._flights.share(key, lambda: self._ask(token, key))
        if answer is NO_ANSWER:
            raise IdentityUnavailable
        return answer

    async def close(self) -> None:
        """Let the questions on their way finish, within `timeout_seconds`, and hang up."""
        self._closing = True
        await self._flights.landed()
        await self._client.aclose()

    async def _ask(self, token: str, key: bytes) -> Claims | NoAnswer | None:
        # A failure is a value here: each of the callers who share it raises an error of its own,
        # and none of those drags along an httpx error, which holds the request and so the token.
        try:
            async with asyncio.timeout(self._timeout_seconds), self._places:
                asked_at = time.monotonic()
                body = await self._read(await self._post(token))
            claims = read_answer(body, wall=time.time())
        except BrokenAnswer as error:
            _log.warning(
                "introspection_failed",
                cause=type(error).__name__,
                status=error.status,
                reason=error.reason,
            )
            return NO_ANSWER
        except (OSError, httpx.HTTPError) as error:  # a timeout is an OSError
            _log.warning("introspection_failed", cause=type(error).__name__, status=None)
            return NO_ANSWER
        self._cache.remember(key, claims, asked_at=asked_at)
        return claims

    async def _post(self, token: str) -> httpx.Response:
        connected = False

        async def notice(event: str, _facts: Mapping[str, object]) -> None:
            nonlocal connected
            connected = connected or event.startswith("connection.connect")

        request = self._client.build_request(
            "POST",
            self._url,
            data={"token": token, "token_type_hint": "access_token"},
            extensions={"trace": notice},
        )
        try:
            return await self._client.send(request, stream=True)
        except _CONNECTION_LOST:
            # Only a kept-alive connection can have been closed before the question reached
            # anybody. On a new one, the server heard us and did not answer.
            if connected:
                raise
            return await self._client.send(request, stream=True)

    async def _read(self, response: httpx.Response) -> bytes:
        try:
            if response.status_code != HTTPStatus.OK:
                raise BrokenAnswer("the status is not 200", status=response.status_code)
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise BrokenAnswer("the answer is too long", status=response.status_code)
            return bytes(body)
        finally:
            await response.aclose()


def _client_authentication(client_id: str | None, secret: str | None) -> httpx.BasicAuth | None:
    if client_id is None:
        return None
    # RFC 6749 section 2.3.1: both are form-urlencoded first, so that a colon can be part of an id.
    return httpx.BasicAuth(quote_plus(client_id), quote_plus(secret or ""))
