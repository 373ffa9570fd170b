"""How far facts have come on their way out: figures for whoever watches the service."""

from typing import NamedTuple

from bookwell.storage.bus import Lag, lag_of
from bookwell.storage.statements import AnyConnection, statement

_measure_log = statement("measure_log")
_measure_deliveries = statement("measure_deliveries")
_measure_attempts = statement("measure_attempts")


class LogFigures(NamedTuple):
    """A brand's log. `lag_seconds` is the age of the oldest event that has no place yet."""

    brand_id: str
    last_position: int
    unnumbered: int
    lag_seconds: float


class QueueFigures(NamedTuple):
    """What waits for an endpoint."""

    brand_id: str
    endpoint_id: str
    is_disabled: bool
    is_failing: bool
    pending: int
    oldest_seconds: float


class AttemptFigures(NamedTuple):
    """How many attempts at an endpoint came to this."""

    brand_id: str
    endpoint_id: str
    outcome: str
    attempt_count: int


class Figures(NamedTuple):
    """Everything that is measured, at about one instant."""

    log: list[LogFigures]
    queues: list[QueueFigures]
    attempts: list[AttemptFigures]
    bus: list[Lag]


async def measure(connection: AnyConnection, *, brand_id: str | None) -> Figures:
    """The figures of this brand, or of all."""
    return Figures(
        log=[LogFigures(*row) for row in await _measure_log.rows(connection, brand_id=brand_id)],
        queues=[
            QueueFigures(*row)
            for row in await _measure_deliveries.rows(connection, brand_id=brand_id)
        ],
        attempts=[
            AttemptFigures(*row)
            for row in await _measure_attempts.rows(connection, brand_id=brand_id)
        ],
        bus=await lag_of(connection, brand_id=brand_id),
    )
