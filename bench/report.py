"""The tables, for a terminal and for docs/benchmarks.md."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.measured import Row

_HEAD = (
    *("operation", "workers", "conn.", "pgbench", "HTTP", "ratio"),
    *("p50", "p90", "p99", "max", "bad"),
)
_CAPTION = (
    "Successes a second; the latencies of HTTP in milliseconds; answers that were no success."
)
_CPU_HEAD = (
    *("operation", "workers", "conn.", "service", "postgres", "load", "|"),
    *("postgres", "pgbench", "| ratio", "others"),
)
_CPU_CAPTION = """\
Processor time of each success in microseconds: of the service, PostgreSQL and the load generator
over HTTP, and of PostgreSQL and pgbench. The ratio of the two sums depends little on what else the
machine does. Others: the share of the machine that other programs had during pgbench / HTTP; above
a few percent, the rates and latencies above are noise."""

_ABOUT = """\
Everything is on: bearer tokens, audit rows, events, the overlap constraint, a log line a request at
level info; fsync and synchronous_commit are on. Rate limits are off. Slots are unique and taken in
random order. The yardstick is pgbench with the service's own statement, prepared, on a clone of the
same database, at the same number of clients, just before. After every run the database is asked:
as many visits, events and audit rows as successful answers, and no overlap.

What differs: ids made by pgbench have 19 characters, the service's 30; pgbench sends a value again
for each place where the statement names it; it opens a connection to PostgreSQL for each client,
a worker of the service at most 16; and it does not read the answers it is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where it was measured, as far as it matters and betrays nothing."""

    processor: str
    cores: int
    filesystem: str
    postgres: str

    @classmethod
    def here(cls, folder: Path, postgres: str) -> "Machine":
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
            filesystem=_filesystem_of(folder),
            postgres=postgres,
        )

    @property
    def line(self) -> str:
        return (
            f"{self.processor}, {self.cores or os.cpu_count()} cores; "
            f"Python {platform.python_version()}; PostgreSQL {self.postgres}, data on "
            f"{self.filesystem}; {datetime.now(UTC):%Y-%m-%d}"
        )


def text_of(rows: Sequence[Row], machine: Machine, *, how: str) -> str:
    """All there is to say, as plain text."""
    medians = _medians(rows)
    parts = [machine.line, how, "", _CAPTION, ""]
    parts.append(_table(_HEAD, [_cells(row, rows) for row in medians]))
    if all(row.service.elsewhere is not None for row in rows):
        parts += ["", _CPU_CAPTION, ""]
        parts.append(_table(_CPU_HEAD, [_cpu_cells(row) for row in medians]))
    return "\n".join(parts)


def page_of(rows: Sequence[Row], machine: Machine, *, how: str) -> str:
    """docs/benchmarks.md."""
    return (
        "# Benchmarks\n\nWritten by `make bench BENCH_OPTIONS=--write`.\n\n"
        f"{_ABOUT}\n\n```text\n{text_of(rows, machine, how=how)}\n```\n"
    )


def _medians(rows: Sequence[Row]) -> list[Row]:
    """Of the rounds of each row, the one whose ratio is in the middle."""
    rounds: dict[tuple[str, int, int], list[Row]] = {}
    for row in rows:
        rounds.setdefault((row.title, row.workers, row.connections), []).append(row)
    return [
        next(row for row in same if row.ratio == statistics.median_low(r.ratio for r in same))
        for same in rounds.values()
    ]


def _cells(row: Row, rows: Sequence[Row]) -> list[str]:
    same = [
        other.ratio
        for other in rows
        if (other.title, other.workers, other.connections)
        == (row.title, row.workers, row.connections)
    ]
    spread = f" ({min(same):.2f} to {max(same):.2f})" if len(same) > 1 else ""
    latency = row.service.latency
    return [
        row.title,
        str(row.workers),
        str(row.connections),
        f"{row.yardstick.rate:,.0f}",
        f"{row.service.rate:,.0f}",
        f"{row.ratio:.2f}{spread}",
        *(f"{ms:.1f}" for ms in (latency.p50, latency.p90, latency.p99, latency.longest)),
        str(row.service.failures + row.yardstick.failures),
    ]


def _elsewhere(row: Row) -> str:
    """How much of the machine other programs had during the two runs."""
    shares = (row.yardstick.elsewhere, row.service.elsewhere)
    return " / ".join("?" if share is None else f"{share:.0%}" for share in shares)


def _cpu_cells(row: Row) -> list[str]:
    over_http, bare = row.service.cpu, row.yardstick.cpu
    return [
        *(row.title, str(row.workers), str(row.connections)),
        *(f"{over_http[who]:.0f}" for who in ("service", "PostgreSQL", "load")),
        "|",
        *(f"{bare[who]:.0f}" for who in ("PostgreSQL", "load")),
        f"| {sum(bare.values()) / sum(over_http.values()):.2f}",
        _elsewhere(row),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, numbers to the right."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = []
    for row in (head, ["-" * width for width in widths], *rows):
        first, *others = (
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *others]).rstrip())
    return "\n".join(lines)


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
