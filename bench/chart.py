"""The chart beside the page: an SVG of our own, readable in the light and in the dark.

Each row is one operation: to the left the rates of pgbench and of the service, to the right how
long the service takes, from p50 (dot) to p99 (bar), on a scale on which each step is tenfold.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby

from bench.fixture import LARGE, SMALL
from bench.measured import Row

NAME = "Rates and latencies beside pgbench"
WIDTH = 900
_LABELS, _RATES_END, _MS_FROM, _MS_END = 190, 560, 640, 880
_TOP, _BAR, _GAP = 74, 11, 12
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: var(--text) }
  .title { font-weight: 600; font-size: 13px }
  .small { font-size: 10px; fill: var(--muted) }
  .grid { stroke: var(--grid); stroke-width: 1 }
  .paper { fill: var(--paper) }
  .p { fill: var(--p); stroke: var(--p) }
  .w0 { fill: var(--w0); stroke: var(--w0) }
  .w1 { fill: var(--w1); stroke: var(--w1) }
  svg { --paper: #ffffff; --text: #1f2328; --muted: #57606a; --grid: #d8dee4;
        --p: #8c959f; --w0: #66b2ff; --w1: #0858b8 }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --text: #e6edf3; --muted: #9aa4ae; --grid: #30363d;
          --p: #7d8590; --w0: #2f81f7; --w1: #a5d6ff }
  }
"""


def chart_of(rows: Sequence[Row]) -> str:
    """The SVG, as text."""
    groups = [
        (label, list(same))
        for label, same in groupby(
            (row for row in rows if row.key.template != SMALL), key=_label_of
        )
    ]
    workers = sorted({row.key.workers for _, same in groups for row in same})[:2]
    height = _TOP + 30 + sum(_height_of(same) for _, same in groups)
    runs = [run for row in rows for run in (row.yardstick, row.service)]
    rate_most = _round_up(max(run.rate for run in runs))
    lowest = min(_tens_of(row.service.latency.p50 for row in rows))
    highest = max(_tens_of(row.service.latency.p99 for row in rows)) + 1

    def rate_x(rate: float) -> float:
        return _LABELS + (_RATES_END - _LABELS) * rate / rate_most

    def ms_x(ms: float) -> float:
        part = (math.log10(ms) - lowest) / (highest - lowest)
        return _MS_FROM + (_MS_END - _MS_FROM) * min(max(part, 0.0), 1.0)

    box = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{NAME}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>',
        *_legend(workers),
        *_axis((rate_x(rate_most * n / 4), f"{rate_most * n / 4:,.0f}") for n in range(5)),
    ]
    marks = [(ms_x(10.0**n), _ms_text(10.0**n)) for n in range(lowest, highest + 1)]
    parts += _axis(marks)
    parts += [
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{height - 22}"/>'
        for x in [rate_x(rate_most * n / 4) for n in range(5)] + [x for x, _ in marks]
    ]
    y = _TOP + _GAP / 2
    for label, same in groups:
        middle = y + (len(same) + 1) * _BAR / 2 + 4
        parts.append(f'<text x="{_LABELS - 10}" y="{middle:.1f}" text-anchor="end">{label}</text>')
        parts += _bar(y, rate_x(same[0].yardstick.rate), same[0].yardstick.rate, "p")
        for at, row in enumerate(same, 1):
            kind = f"w{workers.index(row.key.workers)}" if row.key.workers in workers else "w1"
            parts += _bar(y + at * _BAR, rate_x(row.service.rate), row.service.rate, kind)
            latency = row.service.latency
            parts += _span(y + at * _BAR, ms_x(latency.p50), ms_x(latency.p99), kind)
        y += _height_of(same)
    return "\n".join([*parts, "</svg>", ""])


def _label_of(row: Row) -> str:
    if row.key.template == LARGE:
        return escape(row.key.title)
    return f"{escape(row.key.title)}, {row.key.connections} conn."


def _height_of(same: Sequence[Row]) -> int:
    return (len(same) + 1) * _BAR + _GAP


def _legend(workers: Sequence[int]) -> Iterator[str]:
    yield f'<text class="title" x="{_LABELS}" y="24">Right answers a second</text>'
    yield f'<text class="title" x="{_MS_FROM}" y="24">Latency over HTTP, p50 to p99</text>'
    x = _LABELS
    names = [f"HTTP, {n} worker{'s' if n > 1 else ''}" for n in workers]
    for kind, name in zip(["p", "w0", "w1"], ["pgbench", *names], strict=False):
        yield f'<rect class="{kind}" x="{x}" y="36" width="10" height="8"/>'
        yield f'<text x="{x + 16}" y="44">{name}</text>'
        x += 40 + 7 * len(name)


def _axis(marks: Iterable[tuple[float, str]]) -> Iterator[str]:
    for x, text in marks:
        yield f'<text class="small" x="{x:.1f}" y="{_TOP - 6}" text-anchor="middle">{text}</text>'


def _bar(y: float, x: float, rate: float, kind: str) -> Iterator[str]:
    width = max(x - _LABELS, 0.5)
    yield (
        f'<rect class="{kind}" stroke="none" x="{_LABELS}" y="{y:.1f}" width="{width:.1f}"'
        f' height="{_BAR - 1}"/>'
    )
    yield f'<text class="small" x="{x + 5:.1f}" y="{y + _BAR - 1:.1f}">{rate:,.0f}</text>'


def _span(y: float, from_x: float, to_x: float, kind: str) -> Iterator[str]:
    middle = y + _BAR / 2
    yield (
        f'<line class="{kind}" stroke-width="2" x1="{from_x:.1f}" x2="{to_x:.1f}"'
        f' y1="{middle:.1f}" y2="{middle:.1f}"/>'
    )
    yield f'<circle class="{kind}" cx="{from_x:.1f}" cy="{middle:.1f}" r="3"/>'
    yield (
        f'<line class="{kind}" stroke-width="2" x1="{to_x:.1f}" x2="{to_x:.1f}"'
        f' y1="{middle - 4:.1f}" y2="{middle + 4:.1f}"/>'
    )


def _ms_text(ms: float) -> str:
    return f"{ms:g} ms" if ms < 1000 else f"{ms / 1000:g} s"


def _tens_of(durations: Iterable[float]) -> list[int]:
    return [math.floor(math.log10(ms)) for ms in durations if ms > 0] or [0]


def _round_up(rate: float) -> float:
    """The next of 1, 2, 4 or 8 times a power of ten, which has round quarters."""
    power = 10.0 ** math.floor(math.log10(max(rate, 1)))
    return next(power * step for step in (1, 2, 4, 6, 8, 10, 20) if power * step >= rate)
