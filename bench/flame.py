"""A flame graph of what py-spy saw, without scripts, and without a path of the machine:

    python -m bench.flame STACKS PICTURE

STACKS is what `py-spy record --format raw` writes: a line for each stack, its frames from the
outermost inwards, then how often it was seen. Of the worker only what answers requests is drawn;
the width of a frame is its share of that.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

# Everything the event loop does passes through here; other threads sleep, or write the log.
_OUTERMOST = "Runner.run"
_WIDTH, _ROW, _TOP = 1200, 17, 30
# Narrower ones could not be told apart.
_NARROWEST = 0.6
_CHARACTER = 6.2
_OURS, _DATABASE, _OTHERS = "#e8743b", "#3d7ea6", "#e3c78a"

_FONT = 'font-family="sans-serif" font-size="11"'
_LEGEND = (
    "Orange is ours, blue asyncpg, sand the rest; under no frame: the event loop, its sockets."
)

_PLACE = re.compile(r".*/(site-packages|lib/python3\.\d+|src)/")


@dataclass
class Frame:
    """A function, as called from the frame it stands on."""

    seen: int = 0
    callees: "dict[str, Frame]" = field(default_factory=dict)


def read_stacks(text: str) -> Frame:
    """The stacks, added up."""
    root = Frame()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        names = [_name_of(frame) for frame in stack.split(";")]
        begin = next((at for at, name in enumerate(names) if name.startswith(_OUTERMOST)), None)
        if begin is None:
            continue
        frame = root
        frame.seen += int(count)
        for name in names[begin + 1 :]:
            frame = frame.callees.setdefault(name, Frame())
            frame.seen += int(count)
    return root


def draw(root: Frame) -> str:
    """The picture, outermost frames at the top."""
    boxes = list(_boxes(root, x=0.0, depth=0, unit=_WIDTH / root.seen))
    height = _TOP + _ROW * (1 + max((depth for _, depth, *_ in boxes), default=0))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="4" y="18">{root.seen:,} samples. {_LEGEND}</text>',
    ]
    for x, depth, width, name, seen in boxes:
        y = _TOP + depth * _ROW
        room = int((width - 6) / _CHARACTER)
        label = escape(name if len(name) <= room else name[: max(room - 1, 0)] + "…")
        size = f'width="{max(width - 0.5, 0.1):.1f}" height="{_ROW - 1}"'
        lines += [
            f"<g><title>{escape(name)}: {seen / root.seen:.1%}</title>",
            f'<rect x="{x:.1f}" y="{y}" {size} fill="{_colour_of(name)}"/>',
            f'<text x="{x + 3:.1f}" y="{y + 12}">{label}</text></g>' if room > 2 else "</g>",
        ]
    return "\n".join([*lines, "</svg>", ""])


def _boxes(
    frame: Frame, *, x: float, depth: int, unit: float
) -> Iterator[tuple[float, int, float, str, int]]:
    for name, callee in sorted(frame.callees.items()):
        width = callee.seen * unit
        if width >= _NARROWEST:
            yield x, depth, width, name, callee.seen
            yield from _boxes(callee, x=x, depth=depth + 1, unit=unit)
        x += width


def _name_of(frame: str) -> str:
    """`function (package/module.py)`, without the line."""
    function, _, place = frame.partition(" (")
    file = _PLACE.sub("", place.partition(":")[0].rstrip(")"))
    return f"{function} ({file.lstrip('/')})" if file else function


def _colour_of(name: str) -> str:
    if "(bookwell/" in name:
        return _OURS
    return _DATABASE if "asyncpg" in name else _OTHERS


def main() -> None:
    stacks, picture = (Path(argument) for argument in sys.argv[1:])
    picture.write_text(draw(read_stacks(stacks.read_text())))


if __name__ == "__main__":
    main()
