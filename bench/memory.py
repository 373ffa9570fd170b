"""How much memory the workers of a service have, sampled while they work (Linux)."""

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from bench.soaked import Memory

SAMPLE_SECONDS = 5
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Growth in the first tenth is a start, not a leak.
_START_SHARE = 0.1


class Sampler:
    """The resident memory of each child of a process, again and again."""

    def __init__(self, parent_pid: int) -> None:
        self._parent_pid = parent_pid
        self._began = time.monotonic()
        # By process: seconds since we began, MB.
        self.samples: dict[int, list[tuple[float, float]]] = {}

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(SAMPLE_SECONDS)

    def sample(self) -> None:
        at = time.monotonic() - self._began
        for pid in _children_of(self._parent_pid):
            try:
                resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
            except OSError:  # it ended meanwhile
                continue
            self.samples.setdefault(pid, []).append((at, resident / 1e6))

    def memories(self) -> list[Memory]:
        """What each came to, in the order in which they were seen first."""
        return [_memory_of(samples) for samples in self.samples.values()]


def _memory_of(samples: Sequence[tuple[float, float]]) -> Memory:
    begins = samples[-1][0] * _START_SHARE
    counted = [sample for sample in samples if sample[0] >= begins]
    sizes = [mb for _, mb in counted]
    per_second = 0.0
    if len(counted) > 1:
        per_second = statistics.linear_regression([at for at, _ in counted], sizes).slope
    return Memory(
        first=sizes[0],
        last=sizes[-1],
        most=max(mb for _, mb in samples),
        per_hour=per_second * 3600,
    )


def _children_of(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []
