"""Posts to addresses that others chose: with a fence, with limits, and with nothing believed.

The fence is in `dialing`: no request reaches a private network, whatever a name resolves to. The
limits: one deadline for the whole attempt, headers of 100 KiB at most (httpcore's), and of the body
not more is read than it takes to keep the connection. No redirect is followed, no proxy of the
environment is used, no cookie is kept.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import httpcore

from bookwell.domain.errors import InvalidInput
from bookwell.domain.retries import read_retry_after
from bookwell.gateways.addresses import is_loopback, is_public, literal_of
from bookwell.gateways.dialing import Dialer, Lookups, OutboundFailed, Resolver
from bookwell.gateways.host_names import is_host, is_localhost

# From looking up the name to the head of the answer.
ATTEMPT_SECONDS = 10.0
# What comes after the head is read for the connection's sake, so long and so far.
BODY_SECONDS = 1.0
BODY_BYTES_MAX = 64 * 1024
# Shorter than the 5 s after which common servers (uvicorn, Node) hang up, so that we hang up first.
KEEP_ALIVE_SECONDS = 4.0
URL_LENGTH_MAX = 2048
# The cause where it was our own doing.
INTERRUPTED = "interrupted"


class Answer(NamedTuple):
    """What a receiver said, without its words; `retry_after` is what it asked us to wait."""

    status: int
    retry_after: timedelta | None
    duration_ms: int


class _Post(NamedTuple):
    """What is to be sent, unless `is_wanted` says in the last moment that it is not."""

    url: str
    headers: dict[str, str]
    body: bytes
    is_wanted: Callable[[], bool]


class Outbound:
    """Posts for one event loop; `close` it there.

    `resolve` and `tls` are the system's unless a test has its own. `attempt_seconds` bounds each
    post as a whole.
    """

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        attempt_seconds: float = ATTEMPT_SECONDS,
        resolve: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_loopback = allow_loopback
        self._attempt_seconds = attempt_seconds
        self._lookups = Lookups()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or _trusted_by_default(),
            # How many are open at once is bounded by whoever posts.
            max_connections=None,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=Dialer(resolve or self._lookups, allow_loopback=allow_loopback),
        )

    @property
    def post_takes_at_most(self) -> timedelta:
        """From the beginning of a post to its end, whatever the receiver does."""
        return timedelta(seconds=self._attempt_seconds + BODY_SECONDS)

    async def close(self) -> None:
        await self._pool.aclose()
        self._lookups.close()

    def check(self, url: str) -> None:
        """`check_url` by this way out's own rule."""
        check_url(url, allow_loopback=self._allow_loopback)

    async def post(
        self,
        url: str,
        *,
        headers: dict[str, str],
        body: bytes,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Answer:
        """Post once.

        `is_wanted` is asked when there is a connection, right before the body is sent.

        Raises:
            OutboundFailed: There is no answer, for the reason in its `cause`: `interrupted` where
                it was wanted no more.
        """
        began = time.monotonic()
        try:
            self.check(url)
            async with asyncio.timeout(self._attempt_seconds):
                response = await self._pool.handle_async_request(
                    _request(_Post(url, headers, body, is_wanted))
                )
        except InvalidInput as error:
            raise OutboundFailed("private_address") from error
        except TimeoutError as error:
            raise OutboundFailed("timeout") from error
        except httpcore.RemoteProtocolError as error:
            # h11 is in order but for the other side hanging up without a word.
            is_silent = "disconnected without" in str(error)
            raise OutboundFailed("reset" if is_silent else "protocol_error") from error
        except httpcore.LocalProtocolError as error:
            raise OutboundFailed("protocol_error") from error
        answer = Answer(
            status=response.status,
            retry_after=_retry_after(response),
            duration_ms=round((time.monotonic() - began) * 1000),
        )
        await _leave_behind(response)
        return answer


def check_url(url: str, *, allow_loopback: bool) -> None:
    """Refuse an address that may not be posted to, as far as can be said without looking it up.

    Raises:
        InvalidInput: It is not https, names a private address or what can be no host's name, or
            carries a password.
    """
    parts = _split(url)
    host = parts.hostname
    if not host or len(url) > URL_LENGTH_MAX or not url.isascii() or not url.isprintable():
        raise _refused("url must be an https address of at most 2,048 ASCII characters.")
    if " " in url or "\\" in url:
        raise _refused("url must have no spaces and no backslashes in it.")
    if "@" in parts.netloc:
        raise _refused("url must not have a user name or a password in it.")
    if parts.fragment:
        raise _refused("url must not have a fragment (#) in it.")
    literal = literal_of(host)
    if not is_host(host) or (literal is None and parts.netloc.startswith("[")):
        raise _refused("url must name a host by its name, or by an address in the usual form.")
    is_own = is_localhost(host) or (literal is not None and is_loopback(literal))
    if allow_loopback and is_own and parts.scheme in ("http", "https"):
        return
    if parts.scheme != "https":
        raise _refused("url must begin with https://.")
    if is_own or (literal is not None and not is_public(literal)):
        raise _refused("url must not lead to a private address.")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            raise _refused("url must not name port 0.")
    except ValueError as error:
        raise _refused("url must be a valid https address.") from error
    return parts


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, field="url")


@lru_cache(maxsize=1024)
def _url_parts(url: str) -> tuple[httpcore.URL, bytes]:
    """The address as httpcore has it, and the Host header."""
    parts = urlsplit(url)
    assert parts.hostname is not None, "see check_url"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    address = httpcore.URL(
        scheme=parts.scheme.encode(),
        host=parts.hostname.encode(),
        port=parts.port or (443 if parts.scheme == "https" else 80),
        target=target.encode(),
    )
    return address, parts.netloc.encode()


def _request(post: _Post) -> httpcore.Request:
    address, host = _url_parts(post.url)
    raw = [(name.encode(), value.encode()) for name, value in post.headers.items()]
    return httpcore.Request(
        method=b"POST",
        url=address,
        headers=[(b"host", host), (b"content-length", b"%d" % len(post.body)), *raw],
        content=_body_of(post),
    )


async def _body_of(post: _Post) -> AsyncIterator[bytes]:
    """The body, by then at the latest: nobody acts on a request without it."""
    if not post.is_wanted():
        raise OutboundFailed(INTERRUPTED)
    yield post.body


def _retry_after(response: httpcore.Response) -> timedelta | None:
    for name, value in response.headers:
        if name.lower() == b"retry-after":
            return read_retry_after(value.decode("latin-1"), now=datetime.now(UTC))
    return None


async def _leave_behind(response: httpcore.Response) -> None:
    """Let the rest of the answer pass, if it is short; else the connection is closed with it.

    The receiver has answered already: nothing that comes now, nor that it fails to come, counts.
    """
    try:
        with suppress(TimeoutError, OutboundFailed, httpcore.ProtocolError):
            async with asyncio.timeout(BODY_SECONDS):
                size = 0
                async for part in response.aiter_stream():
                    size += len(part)
                    if size > BODY_BYTES_MAX:
                        break
    finally:
        await response.aclose()


def _trusted_by_default() -> ssl.SSLContext:
    """Who may vouch for a receiver: Mozilla's list, and what this machine trusts besides."""
    context: ssl.SSLContext = httpcore.default_ssl_context()
    context.load_default_certs()
    return context
