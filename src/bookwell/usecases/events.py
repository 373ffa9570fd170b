"""Read a brand's log of events on from a place, and compare a day of it."""

from collections.abc import Sequence
from datetime import date

from bookwell.domain.callers import Call, Role
from bookwell.domain.errors import EventsGone, Forbidden
from bookwell.storage import catalog, event_days, event_log
from bookwell.storage.database import Database
from bookwell.storage.event_days import EventDay
from bookwell.storage.event_log import LogPage


async def read_events(
    database: Database,
    call: Call,
    *,
    after: int | None,
    event_types: Sequence[str] | None,
    visit_id: str | None,
    limit: int,
) -> LogPage:
    """The events after a place in the brand's log, or from the oldest one that is kept.

    A patient sees those about themselves.

    Raises:
        EventsGone: Some of them were too old to be kept.
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
    if after is not None and after + 1 < page.state.kept_from:
        raise EventsGone(kept_from=page.state.kept_from)
    return page


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
