"""The one clock of a run: seconds since it began."""

import time


class Clock:
    """Counts from when it is made, or started anew."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def start(self) -> None:
        """The run begins now."""
        self.began = time.monotonic()

    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self.began
