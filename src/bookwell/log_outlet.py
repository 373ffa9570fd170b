"""Where the lines of the log leave: by a thread, so that a reader who is slow keeps nobody waiting.

Lines that are gathered are written together, `GATHER_SECONDS` later at most. All others are written
at once: who logs one waits until it is out, but no longer than `PATIENCE_SECONDS`. If nobody reads,
`LINES_MAX` lines wait; further ones are dropped and counted, and the count is logged when there is
a reader again. A log that cannot be written to at all stops no request.

When the process ends, what waits is written: at the end of a service (`settle`) and of the
interpreter. A process that is killed outright takes along what was gathered in its last
`GATHER_SECONDS`, which are lines of requests and nothing else.
"""

import atexit
from collections import deque
from contextlib import suppress
from threading import Event, Lock, Thread, current_thread
from typing import TextIO

import structlog

GATHER_SECONDS = 0.03
PATIENCE_SECONDS = 0.1
# At the end there is nobody to keep waiting but the process itself.
LAST_PATIENCE_SECONDS = 2.0
# A few seconds of a busy worker's lines, some 5 MB.
LINES_MAX = 20_000

_log = structlog.get_logger("bookwell.logs")


class Outlet:
    """Writes to `stream`, as far as `logging` and structlog can tell like a file."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        # Texts to write, and events to set when all before them is written.
        self._waiting: deque[str | Event] = deque()
        self._dropped = 0
        self._writing = Lock()
        self._has_waiting = Event()
        self._hurry = Event()
        self._is_settled = False
        # Somebody's patience ended; until the reader reads again, nobody else's is tried.
        self._is_stuck = False
        self._thread: Thread | None = None

    def gather(self, line: str) -> None:
        """Write this line soon, with others."""
        self.write(line)
        if self._is_settled:
            self.flush()
        elif not self._has_waiting.is_set():
            self._has_waiting.set()
            self._start()

    def write(self, text: str) -> int:
        """Write this text with the next `flush`."""
        if len(self._waiting) < LINES_MAX:
            self._waiting.append(text)
        else:
            self._dropped += 1
        return len(text)

    def flush(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Write what waits, now; return when it is written or patience ends."""
        if self._thread is None:
            self._write_waiting()
            return
        written = Event()
        self._waiting.append(written)
        self._hurry.set()
        self._has_waiting.set()
        # What the thread itself logs, it writes next.
        if current_thread() is not self._thread and (self._is_settled or not self._is_stuck):
            self._is_stuck = not written.wait(patience_seconds)

    def settle(self) -> None:
        """Write what waits, and gather no more: whoever logs now may be about to end."""
        self._is_settled = True
        self.flush(patience_seconds=LAST_PATIENCE_SECONDS)

    def _start(self) -> None:
        """Only with the first line that is gathered: most commands never log one."""
        if self._thread is None:
            self._thread = Thread(target=self._write_forever, name="log", daemon=True)
            self._thread.start()
            atexit.register(self.settle)

    def _write_forever(self) -> None:
        while True:
            self._has_waiting.wait()
            self._hurry.wait(GATHER_SECONDS)
            # In this order: what comes from now on wakes us again.
            self._has_waiting.clear()
            self._hurry.clear()
            self._write_waiting()

    def _write_waiting(self) -> None:
        texts, written = [], []
        with self._writing:
            for _ in range(len(self._waiting)):
                item = self._waiting.popleft()
                if isinstance(item, str):
                    texts.append(item)
                else:
                    written.append(item)
            with suppress(OSError, ValueError):
                self._stream.write("".join(texts))
                self._stream.flush()
        self._is_stuck = False
        if self._dropped:
            count, self._dropped = self._dropped, 0
            _log.warning("log_lines_dropped", count=count)
        for event in written:
            event.set()
