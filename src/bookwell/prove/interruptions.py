"""How a run ends before its time: by Ctrl-C, or as if by one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

# What a service manager, a closed terminal or a time limit sends.
ENDS = (signal.SIGTERM, signal.SIGHUP)


def interrupted_by_any_end() -> AbstractContextManager[None]:
    """Within the block whoever ends us ends us as Ctrl-C does, so that blocks clear away."""
    return _handling(_interrupt, *ENDS)


def uninterrupted() -> AbstractContextManager[None]:
    """Within the block nothing but SIGKILL ends us; for the clearing away itself."""
    return _handling(signal.SIG_IGN, signal.SIGINT, *ENDS)


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], object] | signal.Handlers, *numbers: signal.Signals
) -> Iterator[None]:
    """Handle these signals so within the block. Only a main thread hears of signals at all."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    # An event loop has a way of its own to be interrupted.
    interrupt = signal.getsignal(signal.SIGINT)
    if callable(interrupt):
        interrupt(signal.SIGINT, frame)
    else:
        # Started in the background of a shell, we would ignore a Ctrl-C.
        raise KeyboardInterrupt
