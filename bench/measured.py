"""What a run of either side came to."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """In milliseconds."""

    p50: float
    p90: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """The nearest-rank percentiles of some durations."""
        ordered = sorted(seconds) or [math.nan]

        def at(percent: float) -> float:
            return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] * 1000

        return cls(p50=at(50), p90=at(90), p99=at(99), longest=ordered[-1] * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`unanswered_max` may have had their effect although nobody waited for their answer."""

    successes: int
    failures: int
    seconds: float
    latency: Latency
    # Answers that say that somebody else was first; right answers too, in a race.
    refusals: int = 0
    unanswered_max: int = 0
    ran_out: bool = False
    # Microseconds of processor time for each right answer, by who spent it; empty where unknown.
    cpu: dict[str, float] = field(default_factory=dict)
    # The share of the machine that went to programs which are none of ours; None where unknown.
    elsewhere: float | None = None

    @property
    def answers(self) -> int:
        """Those that are right."""
        return self.successes + self.refusals

    @property
    def rate(self) -> float:
        """Right answers in a second."""
        return self.answers / self.seconds if self.seconds else 0.0

    @property
    def load_cores(self) -> float:
        """How many processors the load generator kept busy."""
        return self.cpu.get("load", math.nan) * self.rate / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What was measured, and how."""

    scenario: str
    title: str
    template: str
    workers: int
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The yardstick and the service, one shortly after the other."""

    yardstick: Run
    service: Run

    @property
    def ratio(self) -> float:
        return self.service.rate / self.yardstick.rate if self.yardstick.rate else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All rounds of one thing. What is told is the round whose ratio is in the middle."""

    key: Key
    rounds: tuple[Round, ...]

    @property
    def told(self) -> Round:
        middle = statistics.median_low(one.ratio for one in self.rounds)
        return next(one for one in self.rounds if one.ratio == middle)

    @property
    def yardstick(self) -> Run:
        return self.told.yardstick

    @property
    def service(self) -> Run:
        return self.told.service

    @property
    def ratio(self) -> float:
        return self.told.ratio

    @property
    def spread(self) -> tuple[float, float]:
        ratios = [one.ratio for one in self.rounds]
        return min(ratios), max(ratios)

    @property
    def rate(self) -> float:
        """The service's rate in the median of all rounds, for comparing rows with each other."""
        return statistics.median(one.service.rate for one in self.rounds)

    @property
    def failures(self) -> int:
        return sum(one.service.failures + one.yardstick.failures for one in self.rounds)
