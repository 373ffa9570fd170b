"""The routes that stream: a brand's events, and the open times of a provider's day."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter
from msgspec import Struct

from bookwell.domain.callers import EVENTS_SCOPE
from bookwell.domain.envelopes import EventBody, Format, LoggedEvent, written
from bookwell.domain.errors import InvalidInput
from bookwell.domain.ids import VISIBLE
from bookwell.domain.intervals import Interval
from bookwell.domain.wall_time import zone_named
from bookwell.http.calls import AnyRequest, call_of, database_of
from bookwell.http.events import POSITION_MAX, TAG, EventTypes
from bookwell.http.fields import checked_day
from bookwell.http.plugged import plugged_into
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.search import WantedType
from bookwell.http.sse import BEAT, beat, message
from bookwell.http.streams import EVENT_STREAM, Streamed, refuse_who_takes_no_stream
from bookwell.usecases import event_stream
from bookwell.usecases.event_stream import Wire
from bookwell.usecases.live import Live
from bookwell.usecases.live_availability import Watched

LAST_SEEN_HEADER = "Last-Event-ID"
# As far as a number of JavaScript's can be trusted, and a little less.
_PLACE = re.compile(r"[0-9]{1,15}")
_NOT_A_STREAM = {406: "Accept does not allow an event stream"}


class OpenTimeBody(Struct, kw_only=True):
    """A time that may be booked."""

    start_time: datetime
    end_time: datetime


class AvailabilityBody(Struct, kw_only=True):
    """All open times of a provider's day, earliest first; `day` is that of a clock in the zone."""

    provider_id: str
    day: date
    time_zone: str
    times: list[OpenTimeBody]


def written_event(event: LoggedEvent) -> bytes:
    """The event as a message of a stream."""
    data = written(event, Format.STANDARD)
    return message(event.event_type, data, position=event.position)


def written_times(watched: Watched, times: Sequence[Interval]) -> bytes:
    """The open times of a day as a message of a stream."""
    body = AvailabilityBody(
        provider_id=watched.provider_id,
        day=watched.day,
        time_zone=watched.time_zone,
        times=[OpenTimeBody(start_time=t.starts_at, end_time=t.ends_at) for t in times],
    )
    return message("availability", msgspec.json.encode(body))


_WIRE = Wire(write=written_event, beat=beat)


@get(
    "/v1/events/stream",
    **operation("stream_events", "Follow the log of events", tag=TAG, scope=EVENTS_SCOPE),
    media_type=EVENT_STREAM,
    response_description="A stream of messages; this is the `data` of each",
    responses=refusals(
        {
            **_NOT_A_STREAM,
            404: "Brand not found",
            410: "Some of these events are not kept any more",
        }
    ),
)
async def stream_events(
    request: AnyRequest,
    after: Annotated[
        int | None,
        QueryParameter(
            ge=0,
            le=POSITION_MAX,
            schema_extra={"minimum": 0},  # Litestar takes this 0 for none
            description="The place in the log to go on from. Without it, from now on.",
        ),
    ] = None,
    type_: EventTypes = None,
    visit_id: Annotated[
        str | None, QueryParameter(pattern=VISIBLE, description="Only events of this visit.")
    ] = None,
) -> Response[EventBody]:
    """Server-sent events: what the log has after that place, then what comes, each once.

    `id` is the event's position, `event` its type, `data` the event. A patient sees their own. The
    stream ends when the token does, when nobody reads, and when the service restarts; come back
    with `Last-Event-ID`.
    """
    live = _admitted_to(request)
    last_seen = _last_seen(request)
    source = await event_stream.open_stream(
        database_of(request),
        live.events,
        await call_of(request),
        wire=_WIRE,
        after=after if last_seen is None else last_seen,
        named_by="after" if last_seen is None else LAST_SEEN_HEADER,
        event_types=type_,
        visit_id=visit_id,
    )
    return Streamed(request, source, live.streams)


@get(
    "/v1/providers/{id:str}/availability/stream",
    **operation(
        "stream_availability", "Follow a provider's open times", tag="slots", scope="read:slots"
    ),
    media_type=EVENT_STREAM,
    response_description="A stream of messages; this is the `data` of each",
    responses=refusals({**_NOT_A_STREAM, 404: "Provider not found"}),
)
async def stream_availability(
    request: AnyRequest,
    provider_id: PathId,
    brand_id: Annotated[str, QueryParameter(description="The caller's brand.")],
    day: Annotated[
        date, QueryParameter(description="The day, on a clock in `time_zone`, as 2027-03-28.")
    ],
    time_zone: Annotated[
        str, QueryParameter(max_length=64, description="The IANA zone of the day.")
    ],
    visit_type: WantedType = None,
) -> Response[AvailabilityBody]:
    """Server-sent events: the day's open times at once, and again whenever they are others.

    What is open is what `GET /v1/slots` finds for the same caller: it may be booked. `event` is
    `availability`; each message is whole, so nothing is missed by whoever comes back.
    """
    live = _admitted_to(request)
    zone_named(time_zone)
    checked_day(day, "day")
    call = await call_of(request, brand_id=brand_id)
    watched = Watched(
        brand_id=call.brand_id,
        provider_id=provider_id,
        day=day,
        time_zone=time_zone,
        visit_type=visit_type,
        patient_id=call.patient_id,
    )
    source = await live.availability.open_stream(call, watched, BEAT)
    return Streamed(request, source, live.streams)


def _last_seen(request: AnyRequest) -> int | None:
    """The place that Last-Event-ID names; it is described in `openapi_repairs`."""
    header = request.headers.get(LAST_SEEN_HEADER)
    if not header:
        # Some clients send it empty where they have seen nothing yet.
        return None
    if not _PLACE.fullmatch(header):
        raise InvalidInput(
            f"{LAST_SEEN_HEADER} must be the id of a message of this stream.",
            field=LAST_SEEN_HEADER,
        )
    return int(header)


def _admitted_to(request: AnyRequest) -> Live:
    """What is streamed from, where a stream is taken and there is room for one more."""
    refuse_who_takes_no_stream(request)
    live = plugged_into(request.app).live
    live.streams.refuse_one_too_many()
    return live


ROUTES = [stream_events, stream_availability]
