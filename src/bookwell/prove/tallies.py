"""The numbers of a run: what was tried, who won, why others lost, and how long answers took."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from bookwell.prove.history import Attempt, Operation
from bookwell.prove.report import Latency, Second, Tally

TOTAL = "all"


def tallies(attempts: Sequence[Attempt]) -> list[Tally]:
    """One for each operation that was tried, in the order of `Operation`."""
    return [
        tally(operation, mine)
        for operation in Operation
        if (mine := [each for each in attempts if each.operation is operation])
    ]


def tally(name: str, attempts: Sequence[Attempt]) -> Tally:
    """These attempts in numbers."""
    return Tally(
        operation=name,
        attempts=len(attempts),
        winners=sum(each.is_won for each in attempts),
        losers=dict(Counter(each.loss for each in attempts if each.loss).most_common()),
        unanswered=sum(each.outcome is None for each in attempts),
        resolved=sum(each.resolved is not None for each in attempts),
        latency=latency([each.seconds for each in attempts if each.seconds is not None]),
    )


def latency(seconds: Iterable[float]) -> Latency | None:
    """The percentiles of these; None where there are none."""
    ordered = sorted(seconds)
    if not ordered:
        return None

    def at(part: float) -> float:
        return round(ordered[max(0, math.ceil(len(ordered) * part) - 1)] * 1000, 3)

    return Latency(p50_ms=at(0.5), p90_ms=at(0.9), p99_ms=at(0.99), longest_ms=at(1))


def timeline(attempts: Iterable[Attempt], seconds: float) -> list[Second]:
    """Each second of the race, also those in which nobody called."""
    called: list[list[Attempt]] = [[] for _ in range(max(1, math.ceil(seconds)))]
    for attempt in attempts:
        called[min(int(attempt.called_at), len(called) - 1)].append(attempt)
    return [_second(at, mine) for at, mine in enumerate(called)]


def _second(at: int, attempts: Sequence[Attempt]) -> Second:
    answered = latency(each.seconds for each in attempts if each.seconds is not None)
    return Second(
        at=at,
        attempts=len(attempts),
        winners=sum(each.is_won for each in attempts),
        lost=sum(each.answer is None for each in attempts),
        p99_ms=answered.p99_ms if answered else None,
    )
