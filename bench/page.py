"""docs/benchmarks.md and its chart. What the last soak came to is kept beside it, and told too."""

from pathlib import Path

from bench import soaked
from bench.chart import NAME, chart_of
from bench.report import (
    CPU_CAPTION,
    CPU_HEAD,
    RATES_CAPTION,
    RATES_HEAD,
    SEARCH_CAPTION,
    SEARCH_HEAD,
    TARGETS_HEAD,
    Report,
    cpu_cells,
    rate_cells,
    search_cells,
)
from bench.tables import markdown, plain

PAGE = Path("docs/benchmarks.md")
CHART = PAGE.with_suffix(".svg")
_SOAK_BEGINS, _SOAK_ENDS = "<!-- soak -->\n", "<!-- end of soak -->\n"

_ABOUT = """\
Everything is on: bearer tokens, audit rows, events, an idempotency key for every change, the overlap
constraint, a log line a request at level info; fsync and synchronous_commit are on. Rate limits are
off. Slots are unique and taken in random order; in the two races all want the same few. The
yardstick is pgbench with the service's own statement for one row, prepared, in a session set up as
the service's, on a clone of the same database, at the same number of clients, in turns with the
service. After every run that writes the database is asked: as many visits, events, audit and
idempotency rows as successful answers, no overlap, and in a race as many winners as slots."""

_DIFFERENCES = """\
What differs: ids made by pgbench have 19 characters, the service's 30; pgbench sends a value again
for each place where the statement names it; it opens a connection to PostgreSQL for each client,
a worker of the service at most 16; it does not read the answers it is given; in a race it forgets
the losers, while the service remembers each refusal under the caller's key. The two books of the
searches differ a hundredfold in everything, so their answers have the same length: 98 slots of a
week, 100 visits of a brand, 30 of a patient, and half of those from a cursor."""


def write_page(report: Report, *, representative: bool) -> None:
    """Write both, with the soak that the page told of before, if any."""
    soak = soaked.section() if soaked.RESULT.exists() else soaked.NO_SECTION
    CHART.write_text(chart_of(report.rows))
    PAGE.write_text(_page_of(report, soak, representative=representative))


def rewrite_soak() -> None:
    """Tell of a new soak on the page as it is."""
    text = PAGE.read_text()
    before, _, rest = text.partition(_SOAK_BEGINS)
    after = rest.partition(_SOAK_ENDS)[2]
    PAGE.write_text(before + _SOAK_BEGINS + soaked.section() + _SOAK_ENDS + after)


def _page_of(report: Report, soak: str, *, representative: bool) -> str:
    verdicts = [verdict.cells for verdict in report.verdicts]
    parts = ["# Benchmarks\n", "Written by `make bench`.\n"]
    if not representative:
        parts.append(
            f"**Not representative:** other programs had {report.elsewhere:.0%} of the machine "
            "meanwhile. Rates and latencies are worse than they would be alone.\n"
        )
    others = f"Other programs had {report.elsewhere:.0%} of the machine."
    parts += [
        f"{report.machine.line}. {report.how}. {others} {' '.join(report.books)}\n",
        f"![{NAME}]({CHART.name})\n",
        "## Targets\n\nOn two cores; of several numbers of workers the better one counts.\n",
        markdown(TARGETS_HEAD, verdicts, left=3) + "\n",
        f"## Changes\n\n{RATES_CAPTION}\n",
        markdown(RATES_HEAD, rate_cells(report)) + "\n",
        f"## Searches\n\n{SEARCH_CAPTION}\n",
        markdown(SEARCH_HEAD, search_cells(report)) + "\n",
        *(
            [f"## Slots out of schedules\n\n{report.derivation.line}\n"]
            if report.derivation
            else []
        ),
        _SOAK_BEGINS + soak + _SOAK_ENDS,
        f"## Conditions\n\n{_ABOUT}\n\n{_DIFFERENCES}\n",
    ]
    if cpu := cpu_cells(report):
        parts.append(f"## Processor time\n\n{CPU_CAPTION}\n")
        parts.append(f"```text\n{plain(CPU_HEAD, cpu)}\n```\n")
    return "\n".join(parts)
