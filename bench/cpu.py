"""Who spends how much processor time, where /proc tells (Linux)."""

import os
from pathlib import Path

_PROC = Path("/proc")


def seconds_of(root_pid: int) -> float:
    """What this process and its descendants have used so far."""
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        # The name stands in brackets and may hold anything, brackets too.
        fields = text.rpartition(")")[2].split()
        pid = int(entry.name)
        parents[pid] = int(fields[1])
        used[pid] = sum(int(ticks) for ticks in fields[11:15])
    ticks = sum(spent for pid, spent in used.items() if _descends(pid, root_pid, parents))
    return ticks / os.sysconf("SC_CLK_TCK")


def machine_seconds() -> tuple[float, float] | None:
    """What all processors have been busy for, and what they could have been; None where unknown."""
    try:
        first_line = (_PROC / "stat").read_text().split("\n", 1)[0]
    except OSError:
        return None
    user, nice, system, idle, waiting, *interrupts = (int(n) for n in first_line.split()[1:9])
    busy = user + nice + system + sum(interrupts)
    per_second = os.sysconf("SC_CLK_TCK")
    return busy / per_second, (busy + idle + waiting) / per_second


def _descends(pid: int, root_pid: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        if pid == root_pid:
            return True
        pid = parents[pid]
    return False
