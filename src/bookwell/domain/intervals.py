"""Half-open stretches of time between two aware instants."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The instants t with `starts_at` <= t < `ends_at`; never empty, never naive."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        assert self.starts_at.tzinfo is not None, "an interval starts at an aware instant"
        assert self.ends_at.tzinfo is not None, "an interval ends at an aware instant"
        assert self.starts_at < self.ends_at, "an interval ends after it starts"

    @property
    def length(self) -> timedelta:
        return self.ends_at - self.starts_at

    def overlaps(self, other: "Interval") -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at
