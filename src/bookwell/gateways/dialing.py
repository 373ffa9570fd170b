"""Connections to public addresses only: looked up by us, checked by us, and then used as checked.

A name is looked up once for a connection and every address it has must be allowed; the connection
goes to one of those very addresses. So a name server that says something else a moment later (DNS
rebinding) changes nothing. TLS is spoken with the name.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore

from bookwell.gateways.addresses import is_loopback, is_public
from bookwell.gateways.single_flight import SingleFlight

CONNECT_SECONDS = 5.0
# Of a name with more addresses the first few are tried.
ADDRESSES_TRIED_MAX = 4
# A name server that hangs holds up one of these for each of its names, and the others go on.
LOOKUPS_AT_ONCE = 32

# Says which addresses a host has, as text.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


class OutboundFailed(Exception):
    """No whole answer came. `cause` is one short word of those in docs/how-to/troubleshoot.md."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


class Lookups:
    """The system's resolver, in threads of its own: the loop's few threads serve others too.

    One looks up a name for all who ask for it meanwhile, and goes on when they have given up: the
    system has no way to stop it.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="lookup")
        self._flights = SingleFlight[tuple[str, int], Sequence[str] | OSError | UnicodeError]()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        found = await self._flights.share((host, port), lambda: self._look_up(host, port))
        if isinstance(found, Exception):
            raise found
        return found

    async def _look_up(self, host: str, port: int) -> Sequence[str] | OSError | UnicodeError:
        # What went wrong is returned, because there may be nobody left to raise it to.
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._threads, _addresses_of, host, port
            )
        except (OSError, UnicodeError) as error:
            return error
        return [str(sockaddr[0]) for *_, sockaddr in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses_of(host: str, port: int) -> list[tuple[Any, ...]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Dialer(httpcore.AsyncNetworkBackend):
    """How httpcore gets its connections here."""

    def __init__(self, resolve: Resolver, *, allow_loopback: bool) -> None:
        self._resolve = resolve
        self._allow_loopback = allow_loopback

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002 - httpcore's; ours is CONNECT_SECONDS
        local_address: str | None = None,  # noqa: ARG002 - the same
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - the same
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._connect(await self._checked_addresses(host, port), port)
        except TimeoutError as error:
            raise OutboundFailed("timeout") from error

    async def _checked_addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = list(dict.fromkeys(await self._resolve(host, port)))
        except (OSError, UnicodeError) as error:
            raise OutboundFailed("dns") from error
        if not addresses:
            raise OutboundFailed("dns")
        if not all(self._is_allowed(address) for address in addresses):
            raise OutboundFailed("private_address")
        return addresses[:ADDRESSES_TRIED_MAX]

    def _is_allowed(self, address: str) -> bool:
        return is_public(address) or (self._allow_loopback and is_loopback(address))

    async def _connect(self, addresses: Sequence[str], port: int) -> "_Stream":
        failure = OutboundFailed("refused")
        for address in addresses:
            try:
                # Each of several gets its part of the time; one may lead nowhere.
                async with asyncio.timeout(CONNECT_SECONDS / len(addresses)):
                    return _Stream(*await asyncio.open_connection(address, port))
            except ConnectionRefusedError:
                failure = OutboundFailed("refused")
            except TimeoutError:
                failure = OutboundFailed("timeout")
            except OSError:
                failure = OutboundFailed("unreachable")
        raise failure


class _Stream(httpcore.AsyncNetworkStream):
    """One connection. All of its waiting is inside the deadline of the whole request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109, ARG002 - httpcore's
        try:
            return await self._reader.read(max_bytes)
        except OSError as error:
            raise OutboundFailed("reset") from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109, ARG002 - httpcore's
        if not buffer:
            return
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as error:
            # Not the end: who hangs up before all is said may have answered already.
            raise httpcore.WriteError from error

    async def aclose(self) -> None:
        # Nothing is said any more, so nothing is waited for: TLS would wait for a farewell.
        self._writer.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002 - httpcore's; ours is CONNECT_SECONDS
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                # A certificate's names, and those that TLS asks for, are without the root's dot.
                name = server_hostname and server_hostname.removesuffix(".")
                await self._writer.start_tls(ssl_context, server_hostname=name)
        except TimeoutError as error:
            await self.aclose()
            raise OutboundFailed("timeout") from error
        except (ssl.SSLError, ssl.CertificateError, OSError) as error:
            await self.aclose()
            raise OutboundFailed("tls") from error
        except BaseException:
            await self.aclose()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's
        if info == "is_readable":
            # Asked of an idle connection: whether the other side has hung up meanwhile.
            return self._reader.at_eof() or self._writer.is_closing()
        if info == "ssl_object":
            return self._writer.get_extra_info("ssl_object")
        return None
