"""Reminders, plugged together: found and settled, and handed on."""

from datetime import timedelta

import structlog

from bookwell.chores import Chores
from bookwell.gateways.comms import Comms
from bookwell.settings import Settings
from bookwell.storage import reminder_retention
from bookwell.storage.database import Database
from bookwell.storage.messages import Claimed
from bookwell.usecases import messages, reminders

# How soon somebody asks whether it is somebody's turn, or a message's.
ASK_SECONDS = 1.0
# Reminders are kept for days; a minute more harms nobody.
FORGET_SECONDS = 60.0

_log = structlog.get_logger("bookwell.app")


def keep_reminding(chores: Chores, database: Database, settings: Settings) -> None:
    """Due reminders become events and, where there is a message service, messages."""
    url = settings.comms_url
    chores.keep_doing(
        "remind_patients",
        lambda: reminders.remind_due(database, with_messages=url is not None),
        every=ASK_SECONDS,
    )
    if url is None:
        return
    comms = Comms(
        url=url, token=settings.comms_token, timeout_seconds=settings.comms_timeout_seconds
    )
    chores.close_at_end(comms.close)

    def note(claimed: Claimed, code: str) -> None:
        _log.error(
            "message_refused",
            brand_id=claimed.brand_id,
            channel=claimed.channel,
            template_key=claimed.template_key,
            cause=code,
        )

    chores.keep_doing(
        "send_messages",
        lambda: messages.send_due(
            database, comms, timeout_seconds=settings.comms_timeout_seconds, note=note
        ),
        every=ASK_SECONDS,
    )


def keep_reminders_short(chores: Chores, database: Database, *, kept_for: timedelta) -> None:
    """What became of reminders is forgotten so long after their start, brand by brand in steps."""

    async def sweep() -> None:
        async with database.reading() as connection:
            brand_ids = await reminder_retention.list_old(connection, kept_for=kept_for)
        for brand_id in brand_ids:
            gone = reminder_retention.SWEEP_ROWS_MAX
            while gone >= reminder_retention.SWEEP_ROWS_MAX:
                async with database.reading() as connection:
                    gone = await reminder_retention.sweep(
                        connection, brand_id=brand_id, kept_for=kept_for
                    )

    chores.keep_doing("sweep_reminders", sweep, every=FORGET_SECONDS)
