"""The log of events: a place for each, and reading on from a place (docs/decisions/0028)."""

from collections.abc import Sequence

import msgspec
from asyncpg import Record
from msgspec import Struct

from bookwell.domain.envelopes import LoggedEvent
from bookwell.storage.statements import AnyConnection, statement

# PostgreSQL announces here that there are new events in the log, of whatever brand.
EVENTS_CHANNEL = "bookwell_events"
# How many places one page looks at. Where few of them are wanted, a page may be short or empty.
SCAN_MAX = 10_000

_get_event_log = statement("get_event_log")
_hold_event_log = statement("hold_event_log")
_read_events = statement("read_events")
_read_events_of_entity = statement("read_events_of_entity")
_read_events_of_patient = statement("read_events_of_patient")


class LogState(Struct, frozen=True, kw_only=True):
    """How far a brand's log goes, and from where on it is kept.

    `last_position` is 0 while nothing is in it; `kept_from` may then, and after all was swept, be
    one more than it.
    """

    last_position: int = 0
    kept_from: int = 1


class LogPage(Struct, frozen=True, kw_only=True):
    """Events in the order of their places, and up to where the log was read for them.

    There is nothing else for this reader up to `read_to`; beyond it there may be. `state` is the
    log's at the instant of reading: where `state.kept_from` is more than one beyond the place the
    reader had, some of what it wanted is gone.
    """

    events: list[LoggedEvent]
    read_to: int
    state: LogState


async def state_of(connection: AnyConnection, *, brand_id: str) -> LogState:
    """Where the brand's log begins and ends now."""
    row = await _get_event_log.row(connection, brand_id=brand_id)
    return LogState() if row is None else _state_from(row)


async def hold(connection: AnyConnection, *, brand_id: str) -> LogState:
    """As `state_of`; until the transaction ends nothing leaves the log, and what comes may come."""
    row = await _hold_event_log.row(connection, brand_id=brand_id)
    return LogState() if row is None else _state_from(row)


async def read(
    connection: AnyConnection,
    *,
    brand_id: str,
    after: int,
    event_types: Sequence[str] | None,
    visit_id: str | None,
    patient_id: str | None,
    row_limit: int,
) -> list[LoggedEvent]:
    """The events of `read_page`. Fewer than `row_limit` are not the end where types are named."""
    page = await read_page(
        connection,
        brand_id=brand_id,
        after=after,
        event_types=event_types,
        visit_id=visit_id,
        patient_id=patient_id,
        row_limit=row_limit,
    )
    return page.events


async def read_page(
    connection: AnyConnection,
    *,
    brand_id: str,
    after: int | None,
    event_types: Sequence[str] | None,
    visit_id: str | None,
    patient_id: str | None,
    row_limit: int,
) -> LogPage:
    """Read on from the place `after`, or from the oldest event that is kept.

    Of a filter None is all of it.

    `visit_id` may as well be the id of a booking or of whatever else events are about.
    """
    wanted = {
        "brand_id": brand_id,
        "after": after,
        "event_types": None if event_types is None else list(event_types),
        "row_limit": row_limit,
    }
    if visit_id is not None:
        rows = await _read_events_of_entity.rows(
            connection, **wanted, entity_id=visit_id, patient_id=patient_id
        )
    elif patient_id is not None:
        rows = await _read_events_of_patient.rows(connection, **wanted, patient_id=patient_id)
    else:
        rows = await _read_events.rows(connection, **wanted, scan_max=SCAN_MAX)
    if not rows:
        return LogPage(events=[], read_to=after or 0, state=LogState())
    state = _state_from(rows[0])
    if after is None:
        after = state.kept_from - 1
    events = [_event_from(row, brand_id) for row in rows if row["event_id"] is not None]
    return LogPage(
        events=events,
        read_to=_read_to(
            events,
            state,
            after=after,
            row_limit=row_limit,
            is_scan=visit_id is None and patient_id is None,
        ),
        state=state,
    )


def _read_to(
    events: Sequence[LoggedEvent], state: LogState, *, after: int, row_limit: int, is_scan: bool
) -> int:
    if len(events) == row_limit:
        return events[-1].position
    end = min(state.last_position, after + SCAN_MAX) if is_scan else state.last_position
    # Whoever asks for what comes after the end of the log stays there.
    return max(after, end)


def _state_from(row: Record) -> LogState:
    return LogState(last_position=row["last_position"], kept_from=row["kept_from"])


def _event_from(row: Record, brand_id: str) -> LoggedEvent:
    return LoggedEvent(
        event_id=row["event_id"],
        event_type=row["event_type"],
        brand_id=brand_id,
        entity_id=row["entity_id"],
        sequence=row["sequence"],
        position=row["position"],
        occurred_at=row["occurred_at"],
        data=msgspec.Raw(row["data"].encode()),
    )
