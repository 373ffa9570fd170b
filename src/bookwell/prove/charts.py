"""The charts of the HTML page: shapes are SVG, words are HTML beside them.

A shape may be stretched to the width of the screen; a word stays as large as the reader wants it.
Whatever a chart shows also stands in a table of the page, so a chart is hidden from a screen
reader.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bookwell.prove.markup import Html, tag, together
from bookwell.prove.report import Fault, Latency, Second

# A bar narrower than this share of a phone's screen could not be seen.
BARS_MAX = 180
# What an axis ends with: round numbers, whose half can be read too.
ROUND_ENDS = (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10)
# And what the seconds are counted by.
ROUND_STEPS = (1, 2, 5, 10)
AXIS_MS = (1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)
SECOND_MS = 1_000
# A blow that was over at once is still to be seen.
MARK_PERCENT_MIN = 0.5


@dataclass(frozen=True, slots=True)
class Bar:
    """Some seconds of the race, as calls a second."""

    attempts: float
    winners: float
    lost: float


def timeline(seconds: Sequence[Second], faults: Sequence[Fault], length: float) -> Html:
    """Calls a second as bars, and below them a lane for each kind of fault."""
    bars, width = _bars(seconds)
    top = _round_up(max((bar.attempts for bar in bars), default=0.0), ROUND_ENDS)
    # The axis ends with the last bar, or with what came after the race.
    end = max(length, len(bars) * width, *(fault.healed_at or fault.at for fault in faults), 1.0)
    shapes = [_bar(bar, number * width, width, top) for number, bar in enumerate(bars)]
    struck = [_struck(fault) for fault in faults]
    plot = tag(
        "svg",
        *shapes,
        *struck,
        viewBox=f"0 0 {end:g} 100",
        preserveAspectRatio="none",
        class_="plot",
    )
    scale = tag("div", *(tag("span", f"{top * part:,.0f}") for part in (1, 0.5, 0)), class_="scale")
    return tag(
        "div",
        tag("div", scale, plot, class_="plotted"),
        _ticks(end),
        *_lanes(faults, end),
        class_="timeline",
        aria_hidden="true",
    )


def latency_track(latency: Latency, ends: tuple[float, float]) -> Html:
    """From the median to the 99th percentile as a bar, on to the longest as a line; logarithmic."""
    median, high, longest = (
        _share(milliseconds, ends)
        for milliseconds in (latency.p50_ms, latency.p99_ms, latency.longest_ms)
    )
    ninth = _share(latency.p90_ms, ends)
    grid = [tag("i", class_="grid", style=f"left:{_share(at, ends):.2f}%") for at in _between(ends)]
    return tag(
        "div",
        *grid,
        tag("i", class_="longest", style=f"left:{median:.2f}%;width:{longest - median:.2f}%"),
        tag("i", class_="range", style=f"left:{median:.2f}%;width:{max(high - median, 0.8):.2f}%"),
        tag("i", class_="ninth", style=f"left:{ninth:.2f}%"),
        class_="track",
        aria_hidden="true",
    )


def latency_axis(ends: tuple[float, float]) -> Html:
    """The numbers above the tracks."""
    marks = [
        tag("span", _said_ms(at), style=f"left:{_share(at, ends):.2f}%") for at in _between(ends)
    ]
    return tag("div", *marks, class_="axis", aria_hidden="true")


def latency_ends(latencies: Sequence[Latency]) -> tuple[float, float]:
    """Powers of ten, in milliseconds, between which all of them lie."""
    least = min((latency.p50_ms for latency in latencies), default=AXIS_MS[0])
    most = max((latency.longest_ms for latency in latencies), default=AXIS_MS[-1])
    low = max((at for at in AXIS_MS if at <= least), default=AXIS_MS[0] / 10)
    high = min((at for at in AXIS_MS if at >= most), default=AXIS_MS[-1] * 10)
    return low, max(high, low * 10)


def _bars(seconds: Sequence[Second]) -> tuple[list[Bar], int]:
    """The bars and how many seconds each of them is wide."""
    count = max((second.at for second in seconds), default=-1) + 1
    width = max(1, math.ceil(count / BARS_MAX))
    sums = [[0.0, 0.0, 0.0] for _ in range(math.ceil(count / width))]
    for second in seconds:
        for place, value in enumerate((second.attempts, second.winners, second.lost)):
            sums[second.at // width][place] += value / width
    return [Bar(*values) for values in sums], width


def _bar(bar: Bar, left: float, width: float, top: float) -> Html:
    """Attempts behind, winners in front, and on top what remained without an answer."""
    heights = [
        ("attempts", 0.0, bar.attempts),
        ("winners", 0.0, bar.winners),
        ("lost", bar.attempts - bar.lost, bar.lost),
    ]
    return together(
        *(
            tag(
                "rect",
                class_=name,
                x=f"{left + width * 0.06:.2f}",
                width=f"{width * 0.88:.2f}",
                y=f"{100 - (below + height) / top * 100:.2f}",
                height=f"{height / top * 100:.2f}",
            )
            for name, below, height in heights
            if height > 0
        )
    )


def _struck(fault: Fault) -> Html:
    at = f"{fault.at:.2f}"
    return tag("line", class_="struck", x1=at, x2=at, y1=0, y2=100)


def _lanes(faults: Sequence[Fault], end: float) -> list[Html]:
    """For each kind of fault its name, and when it struck until the service was ready again."""
    kinds = list(dict.fromkeys(fault.what for fault in faults))
    return [
        tag(
            "div",
            tag("span", kind),
            tag("div", *(_mark(fault, end) for fault in faults if fault.what == kind)),
            class_="lane",
        )
        for kind in sorted(kinds)
    ]


def _mark(fault: Fault, end: float) -> Html:
    healed_at = fault.at if fault.healed_at is None else fault.healed_at
    width = max((healed_at - fault.at) / end * 100, MARK_PERCENT_MIN)
    return tag("i", style=f"left:{fault.at / end * 100:.2f}%;width:{width:.2f}%")


def _ticks(end: float) -> Html:
    step = _round_up(end / 6, ROUND_STEPS)
    marks = [
        tag("span", f"{at:g} s", style=f"left:{at / end * 100:.2f}%")
        for at in (number * step for number in range(math.floor(end / step) + 1))
        # The last one would stand beyond the edge.
        if at <= end * 0.96
    ]
    return tag("div", *marks, class_="ticks")


def _round_up(value: float, parts: Sequence[float]) -> float:
    if value <= 1:
        return 1.0
    power: float = 10 ** math.floor(math.log10(value))
    return next(part * power for part in parts if part * power >= value * (1 - 1e-9))


def _share(milliseconds: float, ends: tuple[float, float]) -> float:
    """The place on the axis in percent."""
    low, high = (math.log10(end) for end in ends)
    return min(max((math.log10(max(milliseconds, ends[0])) - low) / (high - low), 0.0), 1.0) * 100


def _between(ends: tuple[float, float]) -> list[float]:
    decades = round(math.log10(ends[1] / ends[0]))
    return [ends[0] * 10**number for number in range(decades + 1)]


def _said_ms(milliseconds: float) -> str:
    if milliseconds < SECOND_MS:
        return f"{milliseconds:g} ms"
    return f"{milliseconds / SECOND_MS:g} s"
