"""What a soak came to: kept as JSON beside the page, so that `make bench` can tell it again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.tables import markdown

RESULT = Path("docs/benchmarks-soak.json")
MEMORY_MAX_MB = 150
# Growth in an hour, as a share of what a worker has; and what is the noise of an allocator.
FLAT_SHARE, NOISE_MB = 0.05, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The resident memory of one worker in MB (10⁶ bytes), and how it grew after the first tenth."""

    first: float
    last: float
    most: float
    per_hour: float

    @property
    def is_flat(self) -> bool:
        return self.per_hour <= FLAT_SHARE * self.last or self.last - self.first <= NOISE_MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """An hour or so of steady load."""

    on: str
    minutes: float
    rate_wanted: float
    calls: Mapping[str, int]
    unexpected: Mapping[str, int]
    p50_ms: float
    p99_ms: float
    slowest_ms: float
    workers: list[Memory]
    # Rows at the end by table, and how many MB the database and the log grew by.
    rows: Mapping[str, int] = field(default_factory=dict)
    database_mb: float = 0.0
    log_mb: float = 0.0

    @property
    def rate(self) -> float:
        return sum(self.calls.values()) / (self.minutes * 60)

    @property
    def passed(self) -> bool:
        """Small and flat, and every call answered as it should be."""
        return not self.unexpected and all(
            memory.most < MEMORY_MAX_MB and memory.is_flat for memory in self.workers
        )

    @property
    def table(self) -> list[list[str]]:
        return [
            [
                str(number),
                *(f"{mb:.1f}" for mb in (memory.first, memory.last, memory.most)),
                f"{memory.per_hour:+.2f}",
                "flat" if memory.is_flat else "grows",
            ]
            for number, memory in enumerate(self.workers, 1)
        ]


NO_SECTION = "## Soak\n\nNone yet: `python -m bench soak --write` makes one in an hour.\n\n"
SOAK_HEAD = ("worker", "after a tenth", "at the end", "at the most", "growth an hour", "")


def write(soak: Soak) -> None:
    RESULT.write_text(json.dumps(asdict(soak), indent=1) + "\n")


def read() -> Soak:
    kept = json.loads(RESULT.read_text())
    return Soak(**{**kept, "workers": [Memory(**memory) for memory in kept["workers"]]})


def lines_of(soak: Soak) -> str:
    """All but the table."""
    calls = ", ".join(f"{count:,} {name}" for name, count in soak.calls.items())
    unexpected = ", ".join(f"{count:,} {what}" for what, count in soak.unexpected.items()) or "none"
    rows = ", ".join(f"{count:,} in {table}" for table, count in soak.rows.items())
    return (
        f"{soak.on}. {soak.minutes:g} minutes of {soak.rate_wanted:g} calls a second, of which "
        f"{soak.rate:.0f} were made: {calls}. Unexpected answers: {unexpected}. "
        f"p50 {soak.p50_ms:.1f} ms, p99 {soak.p99_ms:.1f} ms, the slowest {soak.slowest_ms:.0f} ms. "
        f"Rows at the end: {rows}; the database grew by {soak.database_mb:.0f} MB, the log by "
        f"{soak.log_mb:.0f} MB."
    )


def section() -> str:
    """The last soak, for the page."""
    soak = read()
    verdict = "reached" if soak.passed else "missed"
    return (
        f"## Soak\n\nTarget: a worker stays under {MEMORY_MAX_MB} MB, and its memory is flat "
        f"(grows by less than {FLAT_SHARE:.0%} an hour): **{verdict}**. Resident memory in MB:\n\n"
        f"{markdown(SOAK_HEAD, soak.table)}\n\n{lines_of(soak)}\n\n"
        "Made by `python -m bench soak --write`.\n\n"
    )
