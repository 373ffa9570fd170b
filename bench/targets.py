"""What the benchmark is measured against, and whether this run got there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.bookings import BOOK, CONTENTION, RUSH
from bench.derivation import Derivation
from bench.fixture import LARGE, SMALL
from bench.measured import Row
from bench.searches import FIRST, MONTH

BOOKING_RATIO, BOOKING_RATIO_LEAST, BOOKING_RATIO_AT = 0.5, 0.35, 16
BOOKING_P99_MS, BOOKING_P99_AT = 10, 64
SEARCH_RATIO, SEARCH_P99_MS, SEARCH_SIZE_RATIO = 0.4, 10, 0.9
# Searches for open times: their p99 has limits of its own.
OPEN_TIMES_P99_MS = {MONTH.name: 15, FIRST.name: 50}
RUSH_SECONDS = 60
DERIVATION_RATIO = 0.5

REACHED, AT_LEAST, MISSED, NOT_MEASURED = "reached", "the least", "missed", "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One target and what came of it."""

    target: str
    measured: str
    verdict: str

    @property
    def cells(self) -> list[str]:
        return [self.target, self.measured, self.verdict]


def verdicts_of(rows: Sequence[Row]) -> list[Verdict]:
    """All targets; of several numbers of workers the better one counts, and is named."""
    return [
        _booking_ratio(rows),
        _booking_p99(rows),
        _search_ratio(rows),
        _search_p99(rows),
        _search_sizes(rows),
        *(_open_times_p99(rows, name, most) for name, most in OPEN_TIMES_P99_MS.items()),
        _false_conflicts(rows),
        _rush(rows),
    ]


def derivation_verdict(done: Derivation | None) -> Verdict:
    """Of slots out of schedules."""
    target = f"slots out of schedules in bulk: {DERIVATION_RATIO} of the rate of COPY"
    if done is None:
        return _verdict(target, None, reached=False)
    ratio = done.told.ratio
    return _verdict(target, f"{ratio:.2f}", reached=ratio >= DERIVATION_RATIO)


def size_ratio(row: Row, rows: Sequence[Row]) -> float | None:
    """The rate in the large book, as a share of that in the small one."""
    for other in rows:
        small = other.key
        if (
            (small.template, small.scenario) == (SMALL, f"{row.key.scenario}-small")
            and (small.workers, small.connections) == (row.key.workers, row.key.connections)
            and other.rate
        ):
            return row.rate / other.rate
    return None


def _verdict(target: str, measured: str | None, *, reached: bool) -> Verdict:
    if measured is None:
        return Verdict(target=target, measured="", verdict=NOT_MEASURED)
    return Verdict(target=target, measured=measured, verdict=REACHED if reached else MISSED)


def _named(row: Row) -> str:
    return f"{row.key.workers} worker{'s' if row.key.workers > 1 else ''}"


def _booking_ratio(rows: Sequence[Row]) -> Verdict:
    target = (
        f"booking at {BOOKING_RATIO_AT} connections: {BOOKING_RATIO} of pgbench's rate "
        f"({BOOKING_RATIO_LEAST} at the least)"
    )
    best = max(_bookings_at(rows, BOOKING_RATIO_AT), key=lambda row: row.ratio, default=None)
    if best is None:
        return _verdict(target, None, reached=False)
    measured = f"{best.ratio:.2f} ({_named(best)})"
    if BOOKING_RATIO_LEAST <= best.ratio < BOOKING_RATIO:
        return Verdict(target=target, measured=measured, verdict=AT_LEAST)
    return _verdict(target, measured, reached=best.ratio >= BOOKING_RATIO)


def _booking_p99(rows: Sequence[Row]) -> Verdict:
    target = f"booking at {BOOKING_P99_AT} connections: p99 under {BOOKING_P99_MS} ms"
    best = min(
        _bookings_at(rows, BOOKING_P99_AT), key=lambda row: row.service.latency.p99, default=None
    )
    if best is None:
        return _verdict(target, None, reached=False)
    p99 = best.service.latency.p99
    return _verdict(target, f"{p99:.1f} ms ({_named(best)})", reached=p99 < BOOKING_P99_MS)


def _bookings_at(rows: Sequence[Row], connections: int) -> list[Row]:
    wanted = (BOOK.name, connections)
    return [row for row in rows if (row.key.scenario, row.key.connections) == wanted]


def _best_searches(rows: Sequence[Row]) -> Iterator[Row]:
    """Each search of the large book once, with the workers that answer most."""
    searches = [row for row in rows if row.key.template == LARGE]
    for name in dict.fromkeys(row.key.scenario for row in searches):
        yield max((row for row in searches if row.key.scenario == name), key=lambda row: row.ratio)


def _search_ratio(rows: Sequence[Row]) -> Verdict:
    target = f"each search in the large book: {SEARCH_RATIO} of pgbench's rate"
    worst = min(_best_searches(rows), key=lambda row: row.ratio, default=None)
    if worst is None:
        return _verdict(target, None, reached=False)
    measured = f"{worst.ratio:.2f} at the least ({worst.key.title}, {_named(worst)})"
    return _verdict(target, measured, reached=worst.ratio >= SEARCH_RATIO)


def _search_p99(rows: Sequence[Row]) -> Verdict:
    target = f"each search of a list in the large book: p99 under {SEARCH_P99_MS} ms"
    lists = (row for row in _best_searches(rows) if row.key.scenario not in OPEN_TIMES_P99_MS)
    worst = max(lists, key=lambda row: row.service.latency.p99, default=None)
    if worst is None:
        return _verdict(target, None, reached=False)
    p99 = worst.service.latency.p99
    measured = f"{p99:.1f} ms at the most ({worst.key.title}, {_named(worst)})"
    return _verdict(target, measured, reached=p99 < SEARCH_P99_MS)


def _open_times_p99(rows: Sequence[Row], name: str, most: int) -> Verdict:
    row = next((row for row in _best_searches(rows) if row.key.scenario == name), None)
    title = {MONTH.name: MONTH.title, FIRST.name: FIRST.title}[name]
    target = f"{title} in the large book: p99 under {most} ms"
    if row is None:
        return _verdict(target, None, reached=False)
    p99 = row.service.latency.p99
    return _verdict(target, f"{p99:.1f} ms ({_named(row)})", reached=p99 < most)


def _search_sizes(rows: Sequence[Row]) -> Verdict:
    target = f"each search: {SEARCH_SIZE_RATIO} of its rate in a book of a hundredth the size"
    ratios = [
        (ratio, row)
        for row in rows
        if row.key.template == LARGE and (ratio := size_ratio(row, rows)) is not None
    ]
    worst, row = min(ratios, key=lambda one: one[0], default=(0.0, None))
    if row is None:
        return _verdict(target, None, reached=False)
    measured = f"{worst:.2f} at the least ({row.key.title}, {_named(row)})"
    return _verdict(target, measured, reached=worst >= SEARCH_SIZE_RATIO)


def _false_conflicts(rows: Sequence[Row]) -> Verdict:
    """A refused booking of a slot that nobody else wanted, or a raced slot that nobody got."""
    target = "false conflicts: 0"
    booked = [row for row in rows if row.key.scenario in (BOOK.name, CONTENTION.name)]
    if not booked:
        return _verdict(target, None, reached=False)
    failures = sum(row.failures for row in booked)
    bookings = sum(one.service.successes for row in booked for one in row.rounds)
    return _verdict(target, f"{failures} of {bookings:,} bookings", reached=failures == 0)


def _rush(rows: Sequence[Row]) -> Verdict:
    race = RUSH.race
    assert race is not None, "the rush is a race"
    target = (
        f"{race.attempts:,} racing attempts at {race.slots} slots over HTTP: in a minute, "
        f"with exactly {race.slots} winners"
    )
    rushes = [one.service for row in rows if row.key.scenario == RUSH.name for one in row.rounds]
    slowest = max(rushes, key=lambda run: run.seconds, default=None)
    if slowest is None:
        return _verdict(target, None, reached=False)
    winners = {run.successes for run in rushes}
    return _verdict(
        target,
        f"{slowest.seconds:.1f} s, {', '.join(map(str, sorted(winners)))} winners",
        reached=slowest.seconds <= RUSH_SECONDS and winners == {race.slots},
    )
