"""How the processes of a service leave with their supervisor.

The supervisor holds the other end of a pipe. When that closes, the supervisor is gone, however it
went, and whoever waits at this end stops too, so that no orphan holds the port or works on.
"""

import os
import signal
import threading


def leave_with(lifeline: int) -> None:
    """From now on, stop as if told to (SIGTERM) when nobody holds the other end any more."""
    threading.Thread(target=_wait_and_stop, args=[lifeline], daemon=True).start()


def _wait_and_stop(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
