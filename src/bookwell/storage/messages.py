"""Messages on their way to the platform's message service, in PostgreSQL."""

from datetime import datetime, time, timedelta
from enum import StrEnum

from msgspec import Struct

from bookwell.domain.quiet_hours import QuietHours
from bookwell.storage.statements import AnyConnection, statement

_claim_messages = statement("claim_messages")
_settle_message = statement("settle_message")


class MessageStatus(StrEnum):
    """Where a message stands; `dropped` was no longer wanted, `failed` was refused for good."""

    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"
    FAILED = "failed"


class Claimed(Struct, frozen=True, kw_only=True):
    """A message that is ours to try until the lease ends; `attempts` counts this try.

    `time_left` is until the visit begins.
    """

    brand_id: str
    visit_id: str
    starts_at: datetime
    offset_minutes: int
    attempts: int
    dropped_because: str | None
    time_zone: str
    patient_id: str
    channel: str
    template_key: str
    time_left: timedelta
    now: datetime
    wall_from: time | None
    wall_until: time | None
    is_on: bool

    @property
    def quiet(self) -> QuietHours:
        if self.wall_from is None or self.wall_until is None:
            return QuietHours(brand_id=self.brand_id)
        return QuietHours(
            brand_id=self.brand_id,
            wall_from=self.wall_from,
            wall_until=self.wall_until,
            is_on=self.is_on,
        )


async def claim(connection: AnyConnection, *, row_limit: int, lease: timedelta) -> list[Claimed]:
    """Lease what is to be tried now; what is no longer wanted is dropped, and among them too."""
    rows = await _claim_messages.rows(connection, row_limit=row_limit, lease=lease)
    return [Claimed(**row) for row in rows]


async def settle(
    connection: AnyConnection,
    claimed: Claimed,
    status: MessageStatus,
    *,
    cause: str | None = None,
    wait: timedelta = timedelta(0),
    was_tried: bool = True,
) -> None:
    """Write down what came of the try; nothing where the lease went to somebody else."""
    await _settle_message.run(
        connection,
        brand_id=claimed.brand_id,
        visit_id=claimed.visit_id,
        starts_at=claimed.starts_at,
        offset_minutes=claimed.offset_minutes,
        attempt=claimed.attempts,
        status=status,
        cause=cause,
        wait=wait,
        was_tried=was_tried,
    )
