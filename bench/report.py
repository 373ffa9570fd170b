"""All that was measured, as tables of text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.derivation import Derivation
from bench.fixture import FREE, LARGE, SMALL
from bench.machine import Machine
from bench.measured import Row, Run
from bench.scale import Scale
from bench.tables import plain
from bench.targets import Verdict, derivation_verdict, size_ratio, verdicts_of

TARGETS_HEAD = ("target", "measured", "")
RATES_HEAD = (
    *("operation", "conn.", "workers", "pgbench", "HTTP", "ratio", "rounds"),
    *("p50", "p99", "max", "p99 of pgbench", "bad"),
)
RATES_CAPTION = (
    "Right answers a second, the ratio of the round in the middle and of all rounds, the latencies\n"
    "of HTTP in milliseconds. In a race both the booking and the refusal are right answers. Bad are\n"
    "all others."
)
SEARCH_HEAD = (
    *("search", "workers", "pgbench", "HTTP", "ratio", "rounds", "p50", "p99"),
    *("p99 of pgbench", "small book", "large / small"),
)
SEARCH_CAPTION = (
    "At 16 connections, in the large book; beside it the rate over HTTP in the small one."
)
CPU_HEAD = (
    *("operation", "conn.", "workers", "service", "postgres", "load"),
    *("bare postgres", "bare pgbench", "ratio", "load's cores", "others"),
)
CPU_CAPTION = (
    "Processor time of each right answer in microseconds: of the service, PostgreSQL and the load\n"
    "generator over HTTP, and of PostgreSQL and pgbench alone. The ratio of the two sums depends\n"
    "little on what else the machine does. Load's cores: how many processors the load generator\n"
    "kept busy; near 1 a thread, it would be what was measured. Others: the share of the machine\n"
    "that other programs had during pgbench / HTTP; above a few percent, rates and latencies are\n"
    "noise."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    machine: Machine
    how: str
    scales: Mapping[str, Scale]
    rows: Sequence[Row]
    derivation: Derivation | None = None

    @property
    def verdicts(self) -> list[Verdict]:
        return [*verdicts_of(self.rows), derivation_verdict(self.derivation)]

    @property
    def elsewhere(self) -> float:
        """The share of the machine that other programs had, over all runs."""
        runs = [
            run for row in self.rows for one in row.rounds for run in (one.yardstick, one.service)
        ]
        known = [(run.elsewhere, run.seconds) for run in runs if run.elsewhere is not None]
        seconds = sum(lasted for _, lasted in known)
        return sum(share * lasted for share, lasted in known) / seconds if seconds else 0.0

    @property
    def writes(self) -> list[Row]:
        return [row for row in self.rows if row.key.template not in (LARGE, SMALL)]

    @property
    def searches(self) -> list[Row]:
        return [row for row in self.rows if row.key.template == LARGE]

    @property
    def books(self) -> list[str]:
        """How large the fixtures are."""
        names = {FREE: "Bookings", LARGE: "The large book", SMALL: "The small book"}
        return [
            f"{names[name]}: {self.scales[name].line}." for name in names if name in self.scales
        ]


def text_of(report: Report) -> str:
    """All there is to say, for a terminal."""
    parts = [report.machine.line, report.how, *report.books]
    targets = [verdict.cells for verdict in report.verdicts]
    parts += ["", plain(TARGETS_HEAD, targets, left=3)]
    if report.writes:
        parts += ["", RATES_CAPTION, "", plain(RATES_HEAD, rate_cells(report))]
    if report.searches:
        parts += ["", SEARCH_CAPTION, "", plain(SEARCH_HEAD, search_cells(report))]
    if report.derivation:
        parts += ["", f"Slots out of schedules: {report.derivation.line}"]
    if cpu := cpu_cells(report):
        parts += ["", CPU_CAPTION, "", plain(CPU_HEAD, cpu)]
    parts += ["", f"Other programs had {report.elsewhere:.0%} of the machine."]
    return "\n".join(parts)


def rate_cells(report: Report) -> list[list[str]]:
    return [
        [
            row.key.title,
            str(row.key.connections),
            str(row.key.workers),
            *_rates(row),
            *(f"{ms:.1f}" for ms in (row.service.latency.p50, row.service.latency.p99)),
            f"{row.service.latency.longest:.0f}",
            f"{row.yardstick.latency.p99:.1f}",
            str(row.failures),
        ]
        for row in report.writes
    ]


def search_cells(report: Report) -> list[list[str]]:
    small = {
        (row.key.scenario, row.key.workers): row for row in report.rows if row.key.template == SMALL
    }
    cells = []
    for row in report.searches:
        twin = small.get((f"{row.key.scenario}-small", row.key.workers))
        ratio = size_ratio(row, report.rows)
        cells.append(
            [
                row.key.title,
                str(row.key.workers),
                *_rates(row),
                *(f"{ms:.1f}" for ms in (row.service.latency.p50, row.service.latency.p99)),
                f"{row.yardstick.latency.p99:.1f}",
                f"{twin.rate:,.0f}" if twin else "",
                f"{ratio:.2f}" if ratio else "",
            ]
        )
    return cells


def cpu_cells(report: Report) -> list[list[str]]:
    """Empty where the machine does not tell."""
    cells = []
    for row in report.rows:
        over_http, bare = row.service.cpu, row.yardstick.cpu
        if not over_http or not bare:
            return []
        small = " (small)" if row.key.template == SMALL else ""
        cells.append(
            [
                f"{row.key.title}{small}",
                str(row.key.connections),
                str(row.key.workers),
                *(f"{over_http[who]:.0f}" for who in ("service", "PostgreSQL", "load")),
                *(f"{bare[who]:.0f}" for who in ("PostgreSQL", "load")),
                f"{sum(bare.values()) / sum(over_http.values()):.2f}",
                f"{row.service.load_cores:.2f}",
                f"{_share(row.yardstick)} / {_share(row.service)}",
            ]
        )
    return cells


def _rates(row: Row) -> list[str]:
    least, most = row.spread
    return [
        f"{row.yardstick.rate:,.0f}",
        f"{row.service.rate:,.0f}",
        f"{row.ratio:.2f}",
        f"{least:.2f} to {most:.2f}",
    ]


def _share(run: Run) -> str:
    return "?" if run.elsewhere is None else f"{run.elsewhere:.0%}"
