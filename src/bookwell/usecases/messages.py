"""Hand reminders to the platform's message service, again and again until the visit begins."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from bookwell.chance import CHANCE
from bookwell.domain.reminders import dedup_key
from bookwell.gateways.comms import Comms, Message, Sent
from bookwell.storage import messages
from bookwell.storage.database import Database
from bookwell.storage.messages import Claimed, MessageStatus
from bookwell.usecases.reminders import zone_of

# As many as one worker has on their way at once.
AT_ONCE = 20
# Longer than a try may take, so that nobody else begins one meanwhile; and as long waits a message
# whose worker died.
LEASE_MARGIN = timedelta(seconds=10)
# How soon a message is sent whose visit moved away from its start, and came back to it.
ELSEWHERE = timedelta(minutes=1)
# The wait after the first try, doubled after each, to a minute; and what Retry-After may ask for.
WAIT_SECONDS, WAIT_SECONDS_MAX, RETRY_AFTER_SECONDS_MAX = 1.0, 60.0, 3600.0
# Waits differ by up to this part, so that what failed together does not come back together.
JITTER = 0.2


async def send_due(
    database: Database,
    comms: Comms,
    *,
    timeout_seconds: float,
    note: Callable[[Claimed, str], None],
) -> None:
    """Try what is due. A message that is refused for good is told to `note`, with a code."""
    lease = timedelta(seconds=timeout_seconds) + LEASE_MARGIN
    while True:
        async with database.reading() as connection:
            claimed = await messages.claim(
                connection, row_limit=AT_ONCE, lease=lease, elsewhere=ELSEWHERE
            )
        await asyncio.gather(
            *(_try_one(database, comms, each, note) for each in claimed if each.is_tried)
        )
        if len(claimed) < AT_ONCE:
            return


async def _try_one(
    database: Database, comms: Comms, claimed: Claimed, note: Callable[[Claimed, str], None]
) -> None:
    stretch = claimed.quiet.around(claimed.now, zone_of(claimed.time_zone))
    if stretch is not None:
        wait = stretch.ends_at - claimed.now
        is_lost = wait >= claimed.time_left
        status = MessageStatus.DROPPED if is_lost else MessageStatus.WAITING
        await _settle(database, claimed, status, "quiet_hours", wait, was_tried=False)
        return
    sent = await comms.send(
        Message(
            channel=claimed.channel,
            template_key=claimed.template_key,
            brand_id=claimed.brand_id,
            person_id=claimed.patient_id,
            dedup_key=dedup_key(claimed.visit_id, claimed.starts_at, claimed.offset_minutes),
        )
    )
    if sent.cause is None:
        await _settle(database, claimed, MessageStatus.SENT, None)
    elif sent.is_final:
        note(claimed, sent.cause)
        await _settle(database, claimed, MessageStatus.FAILED, sent.cause)
    else:
        wait = wait_after(claimed.attempts, sent)
        await _settle(database, claimed, MessageStatus.WAITING, sent.cause, wait)


async def _settle(
    database: Database,
    claimed: Claimed,
    status: MessageStatus,
    cause: str | None,
    wait: timedelta = timedelta(0),
    *,
    was_tried: bool = True,
) -> None:
    async with database.reading() as connection:
        await messages.settle(
            connection, claimed, status, cause=cause, wait=wait, was_tried=was_tried
        )


def wait_after(attempts: int, sent: Sent) -> timedelta:
    """How long to wait after so many tries: at least what the service asked for, up to an hour."""
    doubled = min(WAIT_SECONDS * 2 ** min(attempts - 1, 10), WAIT_SECONDS_MAX)
    asked_for = min(sent.retry_after or 0.0, RETRY_AFTER_SECONDS_MAX)
    spread = 1 + JITTER * CHANCE.random()
    return timedelta(seconds=max(doubled, asked_for) * spread)
