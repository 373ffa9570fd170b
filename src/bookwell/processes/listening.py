"""The socket that all workers share. The supervisor opens it, before anything else is started."""

import errno
import socket
import time

# Connections the kernel keeps for us while every worker is busy, or being replaced.
BACKLOG = 2048
# The workers of a service that was killed notice within milliseconds, and then leave the port.
PORT_PATIENCE_SECONDS = 1.0
_POLL_SECONDS = 0.05


class CannotServe(RuntimeError):
    """The service cannot start, or cannot go on; the message is a sentence that says why."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on; they wait for a worker.

    Raises:
        CannotServe: The port is taken, or there is no such address here.
    """
    deadline = time.monotonic() + PORT_PATIENCE_SECONDS
    while True:
        try:
            return _open(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                reason = error.strerror or str(error)
                raise CannotServe(f"Cannot listen on {host} port {port}: {reason}.") from error
            if time.monotonic() > deadline:
                raise CannotServe(
                    f"Port {port} of {host} is in use: stop what uses it, or choose another port "
                    "with --port."
                ) from error
        time.sleep(_POLL_SECONDS)


def url_of(listening: socket.socket) -> str:
    """Where a program on this machine reaches the socket: `http://127.0.0.1:8000`."""
    host, port = listening.getsockname()[:2]
    # Whoever listens on every address listens on the loopback's too.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _open(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)
