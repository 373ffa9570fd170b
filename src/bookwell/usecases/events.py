"""Read a brand's log of events on from a place, and compare a day of it."""

from collections.abc import Sequence
from datetime import date

from bookwell.domain.callers import Call, Role
from bookwell.domain.errors import EventsGone, Forbidden, InvalidInput
from bookwell.storage import catalog, event_days, event_log
from bookwell.storage.database import Database
from bookwell.storage.event_days import EventDay
from bookwell.storage.event_log import LogPage, LogState


async def read_events(
    database: Database,
    call: Call,
    *,
    after: int | None,
    event_types: Sequence[str] | None,
    visit_id: str | None,
    limit: int,
    field: str = "after",
) -> LogPage:
    """The events after a place in the brand's log, or from the oldest one that is kept.

    A patient sees those about themselves. `field` is what the caller named the place in.

    Raises:
        EventsGone: Some of them were too old to be kept.
        InvalidInput: The log does not reach that place.
        NotFound: There is no such brand.
    """
    async with database.reading() as connection:
        page = await event_log.read_page(
            connection,
            brand_id=call.brand_id,
            after=after,
            event_types=event_types,
            visit_id=visit_id,
            patient_id=call.patient_id,
            row_limit=limit,
        )
        if page.state.last_position == 0:
            # Only a log without events can be one of a brand that is none.
            await catalog.get_brand(connection, call.brand_id)
    if after is not None:
        check_place(after, page.state, field=field)
    return page


def check_place(after: int, state: LogState, *, field: str = "after") -> None:
    """Refuse a place that nothing can be read on from.

    A reader who is ahead of the log has read another one, as it was before it was restored from a
    backup, say; let in, they would miss what gets those places now.

    Raises:
        EventsGone: Some events after it were too old to be kept.
        InvalidInput: The log does not reach that place.
    """
    if after + 1 < state.kept_from:
        raise EventsGone(kept_from=state.kept_from)
    if after > state.last_position:
        raise InvalidInput(
            f"{field} is {after}, but the log ends at {state.last_position}.", field=field
        )


async def read_day(database: Database, call: Call, day: date) -> EventDay:
    """The brand's events of a day (UTC), counted and hashed.

    Raises:
        Forbidden: A patient's token; they do not see the others' events.
        EventsGone: Some of the day was too old to be kept.
        NotFound: There is no such brand.
    """
    if call.caller.role is Role.PATIENT:
        raise Forbidden("Only staff and services may compare a day of the log.")
    async with database.reading() as connection:
        found = await event_days.read_day(connection, brand_id=call.brand_id, day=day)
        if found.first_position is None:
            await catalog.get_brand(connection, call.brand_id)
    if found.is_gone:
        raise EventsGone(kept_from=found.kept_from)
    return found
