"""Finding whom to remind, and settling each reminder once."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from asyncpg import Record
from msgspec import Struct

from bookwell.domain.ids import EVENT, REQUEST, new_id, new_ids
from bookwell.domain.reminders import Because, Reminder, ReminderRule
from bookwell.storage.statements import AnyConnection, as_json, statement

_next_brand_to_remind = statement("next_brand_to_remind")
_note_look = statement("note_look")
_list_zones_of_brand = statement("list_zones_of_brand")
_list_visits_to_remind = statement("list_visits_to_remind")
_settle_reminders = statement("settle_reminders")
_look_at_reminders = statement("look_at_reminders")
_look_at_occasion = statement("look_at_occasion")

# What gives a visit its start.
_STARTS_GIVEN_BY = [
    "booking.visit.created.v1",
    "booking.visit.imported.v1",
    "booking.visit.rescheduled.v1",
]
# Reminders of earlier starts are there to be looked at; so many moves tell enough.
SETTLED_MAX = 100


class Turn(NamedTuple):
    """The brand that is next; with `is_deep`, all its visits are to be looked through."""

    brand_id: str
    is_deep: bool


class Window(NamedTuple):
    """Which visits to look at: by their start, and by where their patients are.

    Nobody in `quiet_zones`; what begins after `asked_for` only in `soon_zones`.
    """

    from_at: datetime
    until_at: datetime
    asked_for: datetime
    quiet_zones: Collection[str]
    soon_zones: Collection[str]


class Candidate(Struct, frozen=True, kw_only=True):
    """A visit as it was looked at; `time_zone` is its patient's, or the best guess at it."""

    visit_id: str
    starts_at: datetime
    version: int
    time_zone: str
    booked_at: datetime
    is_superseded: bool


class Settling(NamedTuple):
    """What is to become of a visit's reminder: sent, or skipped for a reason."""

    candidate: Candidate
    due_at: datetime
    because: Because | None


class Settled(Struct, frozen=True, kw_only=True):
    """What became of a reminder, and of its message if there was to be one."""

    starts_at: datetime
    offset_minutes: int
    due_at: datetime
    channel: str
    template_key: str
    skipped_because: str | None
    settled_at: datetime
    message_status: str | None
    cause: str | None
    attempts: int | None
    next_attempt_at: datetime | None


async def next_brand(
    connection: AnyConnection, *, every: timedelta, through_every: timedelta
) -> Turn | None:
    """Lock a brand whose visits nobody has looked at for `every`."""
    row = await _next_brand_to_remind.row(connection, every=every, through_every=through_every)
    return Turn(**row) if row else None


async def note_look(connection: AnyConnection, brand_id: str, *, is_deep: bool) -> None:
    """With `is_deep`, all of the brand's visits were looked through."""
    await _note_look.run(connection, brand_id=brand_id, is_deep=is_deep)


async def zones_of(connection: AnyConnection, brand_id: str) -> set[str]:
    """Every time zone that a visit of the brand may be reminded in."""
    rows = await _list_zones_of_brand.rows(connection, brand_id=brand_id)
    return {row["time_zone"] for row in rows} | {"UTC"}


async def list_candidates(
    connection: AnyConnection,
    rule: ReminderRule,
    reminder: Reminder,
    window: Window,
    *,
    other_types: Collection[str],
    after: tuple[datetime, str] | None,
    row_limit: int,
) -> list[Candidate]:
    """Visits of the rule whose reminder may be due, by start; `other_types` have their own.

    `after` is the start and the id of the last one found before, if any.
    """
    # No id is empty, so this is what begins at from_at or later.
    after_at, after_id = after or (window.from_at, "")
    rows = await _list_visits_to_remind.rows(
        connection,
        brand_id=rule.brand_id,
        visit_type=rule.visit_type,
        other_types=list(other_types),
        offset_minutes=reminder.offset_minutes,
        starts_given_by=_STARTS_GIVEN_BY,
        until_at=window.until_at,
        asked_for=window.asked_for,
        quiet_zones=list(window.quiet_zones),
        soon_zones=list(window.soon_zones),
        after_at=after_at,
        after_id=after_id,
        row_limit=row_limit,
    )
    return [Candidate(**row) for row in rows]


async def settle(
    connection: AnyConnection,
    rule: ReminderRule,
    reminder: Reminder,
    settlings: Sequence[Settling],
    *,
    with_messages: bool,
) -> list[str]:
    """Settle those whose visits are as they were looked at; returns the visits' ids."""
    event_ids = new_ids(EVENT, len(settlings))
    rows = await _settle_reminders.rows(
        connection,
        brand_id=rule.brand_id,
        offset_minutes=reminder.offset_minutes,
        channel=reminder.channel,
        template_key=reminder.template_key,
        request_id=new_id(REQUEST),
        with_messages=with_messages,
        reminders=as_json(
            {
                "visit_id": candidate.visit_id,
                "starts_at": candidate.starts_at,
                "version": candidate.version,
                "due_at": due_at,
                "skipped_because": because,
                "event_id": event_id,
            }
            for (candidate, due_at, because), event_id in zip(settlings, event_ids, strict=True)
        ),
    )
    return [row["visit_id"] for row in rows]


async def list_settled(connection: AnyConnection, *, brand_id: str, visit_id: str) -> list[Settled]:
    """What became of the visit's reminders, also of its earlier starts; the latest first."""
    rows = await _look_at_reminders.rows(
        connection, brand_id=brand_id, visit_id=visit_id, row_limit=SETTLED_MAX
    )
    return [Settled(**row) for row in rows]


async def occasion_of(connection: AnyConnection, *, brand_id: str, visit_id: str) -> Record:
    """The visit's `time_zone`, `booked_at` and `now`."""
    row = await _look_at_occasion.row(
        connection, brand_id=brand_id, visit_id=visit_id, starts_given_by=_STARTS_GIVEN_BY
    )
    assert row is not None, "the caller has seen the visit"
    return row
