"""The report as a person reads it in a terminal."""

from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bookwell.prove.report import Check, Latency, Left, Report, Tally

_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("?", "yellow")}
_BARS = "▁▂▃▄▅▆▇█"
# Below this, a figure of milliseconds has a digit after its point.
_WHOLE_MS_FROM = 100
# So much of a brand's id tells it from the other one.
BRAND_WIDTH = 11
_EDGE = (0, 0, 0, 2)


def show_report(report: Report, console: Console) -> None:
    """Print it."""
    parts: list[RenderableType] = [_head(report), _operations(report), _losers(report)]
    parts += [_seconds(report), *_faults(report)]
    if report.left is not None:
        parts.append(_sent(report.left))
    parts.append(_checks(report.checks))
    if report.named_calls:
        parts.append(_calls(report))
    parts.append(_verdict(report))
    console.print()
    for part in parts:
        console.print(Padding(part, _EDGE, expand=False))
        console.print()


def _head(report: Report) -> RenderableType:
    target, machine = report.target, report.machine
    where = [f"{target.base_url}"]
    if target.is_embedded:
        where = [f"a fresh service of {target.workers} workers"]
    if target.database_version:
        where.append(f"PostgreSQL {target.database_version}")
    where += [f"{machine.processors} processors", f"bookwell {machine.bookwell}"]
    return Group(
        Text.assemble(
            ("bookwell prove", "bold"),
            f"   {_changes(report)}{report.clients} clients, {report.seconds:g} seconds, "
            f"seed {report.seed}",
        ),
        Text(" · ".join(where), style="dim"),
        Text(f"brand {target.brand_id}", style="dim"),
    )


def _changes(report: Report) -> str:
    return f"{report.left.changes:,} changes, " if report.left else ""


def _operations(report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("operation")
    for name in ("attempts", "won", "refused", "unanswered"):
        table.add_column(name, justify="right")
    for name in ("p50 ms", "p90 ms", "p99 ms", "longest"):
        table.add_column(name, justify="right", style="cyan", header_style="dim")
    for tally in report.tallies:
        table.add_row(*_row(tally))
    table.add_row(*_row(report.total), style="bold")
    return table


def _row(tally: Tally) -> Iterable[str]:
    lost = f"{tally.unanswered:,}" if tally.unanswered else "0"
    if tally.resolved:
        lost += f" (+{tally.resolved:,} by key)"
    return (
        tally.operation.replace("_", " "),
        f"{tally.attempts:,}",
        f"{tally.winners:,}",
        f"{sum(tally.losers.values()):,}",
        lost,
        *_latency(tally.latency),
    )


def _latency(latency: Latency | None) -> Iterable[str]:
    if latency is None:
        return ("", "", "", "")
    values = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.longest_ms)
    return (f"{v:,.0f}" if v >= _WHOLE_MS_FROM else f"{v:.1f}" for v in values)


def _sent(left: Left) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("endpoint")
    for name in ("events", "requests", "taken"):
        table.add_column(name, justify="right")
    table.add_column("what its receiver did", style="dim", ratio=1, overflow="fold")
    for sent in left.sent:
        counts = (sent.events, sent.requests, sent.taken)
        conducts = " · ".join(f"{count:,} {name}" for name, count in sent.conducts.items())
        name = f"{sent.name}, {sent.brand_id[:BRAND_WIDTH]}…"
        table.add_row(name, *(f"{count:,}" for count in counts), conducts)
    return table


def _losers(report: Report) -> Text:
    reasons = [f"{count:,} {code}" for code, count in report.total.losers.items()]
    return Text.assemble(("refused  ", "dim"), " · ".join(reasons) or "nobody")


def _seconds(report: Report) -> Text:
    """The race as one bar a second."""
    counts = [second.attempts for second in report.timeline]
    most = max(*counts, 1)
    bars = "".join(_BARS[min(7, count * 8 // (most + 1))] for count in counts)
    rate = report.total.attempts / max(report.seconds, 1e-9)
    return Text.assemble(("each second  ", "dim"), (bars, "cyan"), f"  {rate:,.0f} calls a second")


def _faults(report: Report) -> Iterable[RenderableType]:
    if not report.faults:
        return ()
    kinds = dict.fromkeys(fault.what for fault in report.faults)
    said = [f"{what} ({sum(f.what == what for f in report.faults)})" for what in kinds]
    return (Text.assemble(("faults  ", "dim"), " · ".join(said)),)


def _checks(checks: Iterable[Check]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    table.add_column(ratio=1, overflow="fold")
    for check in checks:
        mark, style = _MARKS[check.holds]
        found = "" if check.found is None else f"{check.found:,}"
        is_wrong = check.holds is False
        table.add_row(
            Text(mark, style=style),
            Text(check.name, style="bold red" if is_wrong else "bold"),
            Text(found, style="bold red" if is_wrong else ""),
            Text(check.sentence, style="" if is_wrong else "dim"),
        )
    return table


def _calls(report: Report) -> RenderableType:
    lines = [Text("The calls that show it", style="bold")]
    for number, sentence in report.named_calls.items():
        lines.append(Text.assemble((f"{number:>7}  ", "bold red"), sentence))
    return Group(*lines)


def _verdict(report: Report) -> Text:
    if report.is_proven:
        left_open = sum(check.holds is None for check in report.checks)
        said = f"Nothing was found wrong in {report.total.attempts:,} calls."
        if left_open:
            said += f" {left_open} of {len(report.checks)} checks stayed open."
        return Text(said, style="bold green")
    wrong = [check.name for check in report.checks if check.holds is False]
    return Text(f"Wrong: {', '.join(wrong)}.", style="bold red")
