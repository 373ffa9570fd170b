"""When a patient is reminded of a visit, and why not (docs/decisions/0033-reminders.md).

A reminder is due its offset before the start. Where that is in the patient's quiet hours, it waits
for their end as long as it is still of use then, and else leaves before they begin.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.quiet_hours import QuietHours
from bookwell.domain.wall_time import DAY

# Thirty days, in minutes.
OFFSET_MINUTES_MAX = 43_200
# Nobody wants to hear of one visit more often.
REMINDERS_MAX = 10
# A reminder that was due this long before its visit was booked is still sent: whoever books a visit
# for tomorrow at this hour takes a minute to do so.
GRACE = timedelta(minutes=5)
# So long before quiet hours begin those leave that cannot wait for their end; a message that does
# not get through at once has some time left.
EARLY = timedelta(minutes=15)


class Reminder(Struct, frozen=True, kw_only=True):
    """So long before a visit begins, by this way, in these words: codes of the brand's own."""

    offset_minutes: int
    channel: str
    template_key: str

    @property
    def offset(self) -> timedelta:
        return timedelta(minutes=self.offset_minutes)


class ReminderRule(Struct, frozen=True, kw_only=True):
    """The reminders of a visit type, nearest to the visit first; without one, of all others.

    `holds_since` is when it last came to hold for any visits that it did not hold for before, be it
    because it was set or because another one was deleted.
    """

    rule_id: str
    brand_id: str
    visit_type: str | None
    reminders: list[Reminder]
    holds_since: datetime
    created_at: datetime
    updated_at: datetime
    version: int


class State(StrEnum):
    """Where a reminder stands."""

    PLANNED = "planned"
    DUE = "due"
    SENT = "sent"
    SKIPPED = "skipped"


class Because(StrEnum):
    """Why a reminder is not sent."""

    BOOKED_LATER = "booked_later"
    RULE_NEWER = "rule_newer"
    SUPERSEDED = "superseded"
    QUIET_HOURS = "quiet_hours"
    TOO_LATE = "too_late"


class Occasion(NamedTuple):
    """What says when a visit's patient may be reminded.

    `booked_at` is when the visit got this start, `ruled_at` since when the rule holds for its type.
    """

    starts_at: datetime
    booked_at: datetime
    ruled_at: datetime
    quiet: QuietHours
    zone: tzinfo


class Verdict(NamedTuple):
    """What is to become of a reminder now: planned, due, or skipped for a reason."""

    state: State
    due_at: datetime
    because: Because | None = None


def checked(reminders: Sequence[Reminder]) -> list[Reminder]:
    """The reminders, nearest to the visit first.

    Raises:
        InvalidInput: Two of them have one offset, or there are too many.
    """
    offsets = {each.offset_minutes for each in reminders}
    if len(offsets) < len(reminders):
        raise InvalidInput(
            "reminders must each have an offset_minutes of their own.", field="reminders"
        )
    return sorted(reminders, key=lambda each: each.offset_minutes)


def due_at(starts_at: datetime, offset: timedelta, quiet: QuietHours, zone: tzinfo) -> datetime:
    """When the reminder should leave: never in quiet hours, and always before the visit begins."""
    asked_for = starts_at - offset
    stretches = quiet.near(asked_for, zone)
    for number, stretch in enumerate(stretches):
        if stretch.starts_at <= asked_for < stretch.ends_at:
            if stretch.ends_at <= of_use_until(starts_at, offset):
                return stretch.ends_at
            early = stretch.starts_at - EARLY
            # Where the clock is put back, quiet hours may have ended a moment before.
            return max(early, stretches[number - 1].ends_at) if number else early
    return asked_for


def of_use_until(starts_at: datetime, offset: timedelta) -> datetime:
    """The last instant at which it may leave: half its offset is left, it is a day late at most.

    "Tomorrow" in the morning of the day is still of use, an hour's warning after the start is not.
    """
    return starts_at - offset + min(offset / 2, DAY)


def judge(
    occasion: Occasion, reminder: Reminder, *, now: datetime, is_superseded: bool = False
) -> Verdict:
    """What is to become of this reminder now. `is_superseded`: a nearer one has been sent."""
    due = due_at(occasion.starts_at, reminder.offset, occasion.quiet, occasion.zone)
    last = of_use_until(occasion.starts_at, reminder.offset)
    because = None
    stretch = occasion.quiet.around(now, occasion.zone)
    if due < occasion.booked_at - GRACE:
        because = Because.BOOKED_LATER
    elif due < occasion.ruled_at - GRACE:
        because = Because.RULE_NEWER
    elif is_superseded:
        because = Because.SUPERSEDED
    elif now > last:
        because = Because.TOO_LATE
    elif now < due:
        return Verdict(State.PLANNED, due)
    elif stretch is not None:
        if stretch.ends_at <= last:
            return Verdict(State.PLANNED, stretch.ends_at)
        because = Because.QUIET_HOURS
    return Verdict(State.SKIPPED if because else State.DUE, due, because)


def dedup_key(visit_id: str, starts_at: datetime, offset_minutes: int) -> str:
    """The same for each try of one reminder, and for no other; it tells nobody whose it is."""
    named = f"{visit_id} {starts_at.timestamp()} {offset_minutes}"
    return f"rem_{hashlib.sha256(named.encode()).hexdigest()[:40]}"
