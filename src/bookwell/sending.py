"""Webhooks, plugged together: the way out, who sends, and what is logged of it."""

import os
import time
from secrets import token_hex
from socket import gethostname

import structlog

from bookwell.chores import Chores
from bookwell.gateways.outbound import Outbound
from bookwell.settings import Settings
from bookwell.storage.database import Database
from bookwell.storage.hearing import Hearing
from bookwell.usecases.deliveries import Failure, Sender

# A receiver that is down fails thousands of times; one line says as much.
LOGGED_EACH_SECONDS = 60.0
# Endpoints whose last line is remembered; more and the oldest may get a line too many.
LOGGED_MAX = 1000

_log = structlog.get_logger("bookwell.webhooks")


def way_out(chores: Chores, settings: Settings) -> Outbound:
    """The way to receivers, closed after whatever is kept from now on has ended."""
    outbound = Outbound(
        allow_loopback=bool(settings.webhook_allow_loopback),
        attempt_seconds=settings.webhook_timeout_seconds,
    )
    chores.close_at_end(outbound.close)
    return outbound


def send_events(chores: Chores, database: Database, outbound: Outbound, heard: Hearing) -> None:
    """Deliver events from now on."""
    failures = _Failures()
    sender = Sender(
        database,
        outbound,
        worker_id=f"{gethostname()}:{os.getpid()}:{token_hex(4)}",
        note=failures.note,
        note_bug=_note_bug,
    )
    heard.tell(lambda _payload: sender.wake())
    chores.keep(sender.run())


def _note_bug(error: Exception) -> None:
    _log.error("chore_failed", chore="send_events", exc_info=error)


class _Failures:
    """Logs that an endpoint does not take what it is sent: the first time, then once a minute."""

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}
        self._since: dict[str, int] = {}

    def note(self, failure: Failure) -> None:
        endpoint_id = failure.endpoint_id
        count = self._since.get(endpoint_id, 0) + 1
        now = time.monotonic()
        if now - self._logged_at.get(endpoint_id, -LOGGED_EACH_SECONDS) < LOGGED_EACH_SECONDS:
            self._since[endpoint_id] = count
            return
        if len(self._logged_at) >= LOGGED_MAX:
            self._logged_at.clear()
        self._logged_at[endpoint_id] = now
        self._since.pop(endpoint_id, None)
        _log.warning(
            "delivery_failed",
            endpoint_id=endpoint_id,
            cause=failure.cause,
            status=failure.http_status,
            failed_count=count,
        )
