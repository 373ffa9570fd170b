"""What a run of either side came to."""

import math
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
    unanswered_max: int = 0
    ran_out: bool = False
    # Microseconds of processor time for each success, by who spent it; empty where unknown.
    cpu: dict[str, float] = field(default_factory=dict)
    # The share of the machine that went to programs which are none of ours; None where unknown.
    elsewhere: float | None = None

    @property
    def rate(self) -> float:
        """Successes in a second."""
        return self.successes / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scenario at one number of connections: the yardstick and the service."""

    title: str
    workers: int
    connections: int
    yardstick: Run
    service: Run

    @property
    def ratio(self) -> float:
        return self.service.rate / self.yardstick.rate
