"""Plugs together what a worker streams from."""

from bookwell.chores import Chores
from bookwell.http.live import written_event, written_times
from bookwell.settings import Settings
from bookwell.storage.database import Database
from bookwell.storage.hearing import Hearing
from bookwell.usecases.live import Live
from bookwell.usecases.live_availability import AvailabilityHub
from bookwell.usecases.live_events import EventHub
from bookwell.usecases.streaming import Streams


def go_live(chores: Chores, database: Database, heard: Hearing, settings: Settings) -> Live:
    """The worker's hubs, at work until the end. `heard` tells of new events."""
    events = EventHub(database, written_event)
    heard.tell(events.notice)
    chores.keep(events.run())
    return Live(
        events=events,
        availability=AvailabilityHub(database, events, written_times),
        streams=Streams(settings.streams_max),
    )
