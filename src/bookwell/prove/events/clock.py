"""The one clock of a run: seconds since it began; negative before that."""

import time


class Clock:
    """Until it is started, the run begins now."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def start(self) -> None:
        """The run begins now."""
        self.began = time.monotonic()

    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self.began

    def since(self, instant: float) -> float:
        """An instant of `time.monotonic`, in seconds since the run began."""
        return instant - self.began
