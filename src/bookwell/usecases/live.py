"""What a worker streams from."""

from dataclasses import dataclass

from bookwell.usecases.live_availability import AvailabilityHub
from bookwell.usecases.live_events import EventHub
from bookwell.usecases.streaming import Streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The hubs, and the count of who streams from them."""

    events: EventHub
    availability: AvailabilityHub
    streams: Streams
