"""The message bus, where there is one: what is new in the log is published."""

from datetime import timedelta

from bookwell.chores import Chores
from bookwell.domain.envelopes import Format
from bookwell.gateways.bus import Bus
from bookwell.settings import Settings
from bookwell.storage.database import Database
from bookwell.storage.hearing import Hearing
from bookwell.usecases.bus import Publisher


def publish_events(chores: Chores, database: Database, heard: Hearing, settings: Settings) -> None:
    """Keep the bus up with the log, if `settings` name one."""
    if settings.nats_url is None:
        return
    prefix = settings.nats_subject_prefix
    bus = Bus(
        servers=settings.nats_url.split(","),
        stream=settings.nats_stream,
        form=Format(settings.nats_format),
        prefix=f"{prefix}." if prefix else "",
        credentials=settings.nats_credentials,
        # As long as the log itself: who was away for longer reads what is there from either.
        kept_seconds=timedelta(days=settings.events_kept_days).total_seconds(),
    )
    publisher = Publisher(database, bus)
    heard.tell(publisher.wake)
    chores.keep(publisher.publish())
