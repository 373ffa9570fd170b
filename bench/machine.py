"""Where it was measured, as far as it matters and betrays nothing."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    processor: str
    cores: int
    memory_bytes: int
    filesystem: str
    postgres: str

    @classmethod
    def here(cls, folder: Path, postgres: str) -> "Machine":
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1,
            memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            filesystem=_filesystem_of(folder),
            postgres=postgres,
        )

    @property
    def line(self) -> str:
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_bytes / 1024**3:.0f} GiB; "
            f"Python {platform.python_version()}; PostgreSQL {self.postgres}, data on "
            f"{self.filesystem}; {datetime.now(UTC):%Y-%m-%d}"
        )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _filesystem_of(folder: Path) -> str:
    """Its kind; on tmpfs a commit waits for no disk, which flatters both sides."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "an unknown filesystem"
    # The later of two mounts at one place is on top.
    place = {Path(fields[1]): fields[2] for fields in mounts}
    return next((place[at] for at in (folder, *folder.parents) if at in place), "?")
