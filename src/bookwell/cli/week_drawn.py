"""A provider's week on the terminal: the days across, the hours down."""

from collections.abc import Iterable
from datetime import date, time
from typing import NamedTuple

from rich.text import Text

from bookwell.domain.intervals import Interval
from bookwell.domain.wall_time import intervals_on
from bookwell.usecases.weeks import WeekSeen

_DAY_MINUTES = 24 * 60
# The coarsest of these lines that every block begins and ends on; a finer week is drawn roughly.
_STEPS_MINUTES = (60, 30, 15)
# What a week without any hours shows of its days.
_OFFICE_HOURS = (9 * 60, 17 * 60)
_TIME_WIDTH = len("00:00 ")
_COLUMN_MIN, _COLUMN_MAX = 8, 16
_WITH_MONTH = len("Mon 01 Jan")

_OPEN, _BOOKED, _HELD, _BUSY, _AWAY, _CLOSED, _SKIPPED = range(7)
# How each kind is filled, in which style, and what its legend says.
_KINDS = {
    _OPEN: ("·", "green", "open"),
    _BOOKED: ("█", "yellow", "booked"),
    _HELD: ("▒", "yellow", "held"),
    _BUSY: ("▓", "magenta", "busy in another brand"),
    _AWAY: ("/", "dim", "time off"),
    _CLOSED: (" ", "", ""),
    _SKIPPED: ("-", "dim", "skipped by the clock"),
}


class _Cell(NamedTuple):
    """What one stretch of a day is, and for open hours the letter of their visit types."""

    kind: int
    letter: str = ""


def draw(week: WeekSeen, *, width: int) -> Text:
    """The week as text of at most this width, from 62 columns on."""
    column = max(_COLUMN_MIN, min(_COLUMN_MAX, (width - _TIME_WIDTH) // len(week.days)))
    letters = _letters(week)
    step = _step(week)
    first, last = _span(week, step)
    rows = range(first, last, step)
    columns = [[_cell(week, letters, day, minute, step) for minute in rows] for day in week.days]
    year, number, _ = week.monday.isocalendar()
    drawn = Text(no_wrap=True)
    drawn.append(f"{week.name} ({week.provider_id}) in {week.brand_id}", "bold")
    span = f"{week.days[0]:%d %b} to {week.days[-1]:%d %b}"
    drawn.append(f"\nWeek {number} of {year}, {span}, wall time of {week.zone.key}\n\n")
    drawn.append(" " * _TIME_WIDTH)
    for day in week.days:
        said = f"{day:%a %d %b}" if column > _WITH_MONTH else f"{day:%a %d}"
        drawn.append(said.ljust(column), "bold")
    if week.holidays:
        drawn.append("\n" + " " * _TIME_WIDTH)
        for day in week.days:
            drawn.append(("holiday" if day in week.holidays else "").ljust(column), "cyan")
    for index, minute in enumerate(rows):
        drawn.append(f"\n{_clock(minute)} ", "" if minute % 60 == 0 else "dim")
        for cells in columns:
            _append(drawn, cells, index, column)
    drawn.append(f"\n{_clock(last)}\n\n")
    _append_legend(drawn, letters, {cell.kind for cells in columns for cell in cells})
    return _without_trailing_spaces(drawn)


def _append(drawn: Text, cells: list[_Cell], index: int, column: int) -> None:
    cell = cells[index]
    fill, style, _ = _KINDS[cell.kind]
    begins = index == 0 or cells[index - 1] != cell
    head = cell.letter if cell.kind == _OPEN and begins else ""
    drawn.append(head + fill * (column - 1 - len(head)), style)
    drawn.append(" ")


def _append_legend(drawn: Text, letters: dict[tuple[str, ...] | None, str], seen: set[int]) -> None:
    for visit_types, letter in letters.items():
        drawn.append(f"{letter}·  ", "green")
        types = "every visit type" if visit_types is None else ", ".join(visit_types)
        drawn.append(f"open for {types}\n")
    for kind, (fill, style, words) in _KINDS.items():
        if kind in seen and kind not in (_OPEN, _CLOSED):
            drawn.append(f"{fill * 2}  ", style)
            drawn.append(f"{words}\n")
    drawn.rstrip()


def _without_trailing_spaces(drawn: Text) -> Text:
    lines = drawn.split("\n")
    for line in lines:
        line.rstrip()
    return Text("\n", no_wrap=True).join(lines)


def _letters(week: WeekSeen) -> dict[tuple[str, ...] | None, str]:
    """A letter for each choice of visit types, in the order in which the week has them."""
    days = {hours.visit_types for hours in week.opened if hours.day in week.days}
    ordered = sorted(days, key=lambda types: (types is not None, types or ()))
    return {types: chr(ord("A") + number % 26) for number, types in enumerate(ordered)}


def _cell(
    week: WeekSeen,
    letters: dict[tuple[str, ...] | None, str],
    day: date,
    minute: int,
    step: int,
) -> _Cell:
    """What this stretch of the day is; whoever has the time comes before whoever offers it."""
    until = (minute + step) % _DAY_MINUTES
    instants = intervals_on(day, _wall(minute), _wall(until), week.zone)
    if not instants:
        return _Cell(_SKIPPED)
    for taken in week.taken:
        if _overlap(instants, [taken.during]):
            return _Cell(_HELD if taken.is_held else _BOOKED if taken.is_own else _BUSY)
    if _overlap(instants, week.away):
        return _Cell(_AWAY)
    for hours in week.opened:
        if _overlap(instants, [hours.interval]):
            return _Cell(_OPEN, letters.get(hours.visit_types, ""))
    return _Cell(_CLOSED)


def _overlap(some: Iterable[Interval], others: Iterable[Interval]) -> bool:
    others = list(others)
    return any(one.overlaps(other) for one in some for other in others)


def _blocks(week: WeekSeen) -> list[tuple[int, int]]:
    """Where blocks begin and end, in minutes of the day they begin on; time off aside."""
    found = []
    for interval in (
        *(hours.interval for hours in week.opened),
        *(taken.during for taken in week.taken),
    ):
        begins = interval.starts_at.astimezone(week.zone)
        if begins.date() in week.days:
            minute = begins.hour * 60 + begins.minute
            ends = interval.ends_at.astimezone(week.zone)
            same_day = ends.date() == begins.date()
            found.append((minute, ends.hour * 60 + ends.minute if same_day else _DAY_MINUTES))
    return found


def _step(week: WeekSeen) -> int:
    edges = [edge for block in _blocks(week) for edge in block]
    fits = (step for step in _STEPS_MINUTES if all(edge % step == 0 for edge in edges))
    # Half hours at the coarsest: a row for each hour would look like a table, not like a week.
    return min(next(fits, _STEPS_MINUTES[-1]), _STEPS_MINUTES[1])


def _span(week: WeekSeen, step: int) -> tuple[int, int]:
    """From the first to the last minute of the day that is drawn, both on a line."""
    blocks = _blocks(week) or [_OFFICE_HOURS]
    first = min(begins for begins, _ in blocks) // step * step
    last = -(-max(ends for _, ends in blocks) // step) * step
    return first, min(last, _DAY_MINUTES)


def _wall(minute: int) -> time:
    return time(minute // 60, minute % 60)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
