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
    """A message that was looked at, and with `is_tried` is ours to try until the lease ends.

    `attempts` counts this try. `time_left` is until the start that it is about.
    """

    brand_id: str
    visit_id: str
    starts_at: datetime
    offset_minutes: int
    attempts: int
    is_tried: bool
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


async def claim(
    connection: AnyConnection, *, row_limit: int, lease: timedelta, elsewhere: timedelta
) -> list[Claimed]:
    """Lease what is to be tried now.

    Among them, and not to be tried, is what is dropped because nobody wants it any more, and what
    is looked at again after `elsewhere` because its visit has moved away and may come back.
    """
    rows = await _claim_messages.rows(
        connection, row_limit=row_limit, lease=lease, elsewhere=elsewhere
    )
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
    """Write down what came of the try.

    Where the lease went to somebody else, only that it was sent; then nobody tries it again.
    """
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
