"""Calendar feeds and what stands in them (RFC 5545): times, statuses and numbers, and no words.

What somebody wrote of a visit, what kind of visit it is, and who the other person is are no fields
of an entry, so nothing that writes a calendar can tell them.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from bookwell.domain.visits import Visit, VisitStatus

# A phone, a laptop, a partner and some to spare; more is a program that lost its addresses.
FEEDS_PER_OWNER_MAX = 10
# What is in a feed: who looks back looks two months back, and nobody books more than a year ahead.
WINDOW_BACK = timedelta(days=60)
WINDOW_AHEAD = timedelta(days=400)
# A provider who sees somebody every half hour around the clock has 22,000 visits in that time.
ENTRIES_MAX = 25_000
# How often a client should look again.
REFRESH_INTERVAL = timedelta(minutes=15)


class OwnerKind(StrEnum):
    """Whose calendar it is."""

    PROVIDER = "provider"
    COACH = "coach"
    PATIENT = "patient"


class FeedOwner(Struct, frozen=True, kw_only=True):
    """Whose calendar it is; the id is the brand's own for them."""

    kind: OwnerKind
    owner_id: str


class CalendarFeed(Struct, frozen=True, kw_only=True):
    """An address under which an owner's calendar is read; never the address itself."""

    feed_id: str
    brand_id: str
    owner: FeedOwner
    created_at: datetime
    rotated_at: datetime | None
    revoked_at: datetime | None
    version: int


class EntryKind(StrEnum):
    """What takes the time: a visit, a patient's seat in a session, or a coach's session."""

    VISIT = "visit"
    SEAT = "seat"
    SESSION = "session"


class EntryStatus(StrEnum):
    """The STATUS of an event (RFC 5545 section 3.8.1.11)."""

    TENTATIVE = "TENTATIVE"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"


# What a status is to a calendar. Seats have a visit's statuses, or some of them.
STATUS: dict[VisitStatus, EntryStatus] = {
    VisitStatus.HELD: EntryStatus.TENTATIVE,
    VisitStatus.BOOKED: EntryStatus.CONFIRMED,
    VisitStatus.CHECKED_IN: EntryStatus.CONFIRMED,
    VisitStatus.COMPLETED: EntryStatus.CONFIRMED,
    VisitStatus.NO_SHOW: EntryStatus.CONFIRMED,
    VisitStatus.CANCELLED: EntryStatus.CANCELLED,
    VisitStatus.EXPIRED: EntryStatus.CANCELLED,
}


class CalendarEntry(Struct, frozen=True, kw_only=True):
    """One event of a calendar. `sequence` rises with every change of it.

    `seats_taken` and `capacity` are a session's.
    """

    entry_id: str
    kind: EntryKind
    starts_at: datetime
    ends_at: datetime
    status: VisitStatus
    sequence: int
    created_at: datetime
    updated_at: datetime
    seats_taken: int | None = None
    capacity: int | None = None


class Calendar(Struct, frozen=True, kw_only=True):
    """Entries in the order of their times. `is_cut` says that earlier ones were left out."""

    brand_name: str
    entries: Sequence[CalendarEntry]
    is_cut: bool = False


def entry_of(visit: Visit) -> CalendarEntry:
    """The visit as it stands in a calendar."""
    return CalendarEntry(
        entry_id=visit.visit_id,
        kind=EntryKind.VISIT,
        starts_at=visit.starts_at,
        ends_at=visit.ends_at,
        status=visit.status,
        # A visit's version counts from 1, a calendar from 0.
        sequence=visit.version - 1,
        created_at=visit.created_at,
        updated_at=visit.updated_at,
    )


def on_one_line(text: str) -> str:
    """The text without what could break a line in any client, or turn the writing around."""
    shown = "".join(" " if _is_unshown(each) else each for each in text)
    return " ".join(shown.split())


def _is_unshown(character: str) -> bool:
    return character not in _JOINERS and unicodedata.category(character) in _UNSHOWN


# Control and format characters, line and paragraph separators.
_UNSHOWN = frozenset({"Cc", "Cf", "Zl", "Zp"})
# Two of those are how Persian and the languages of India are written, and emoji put together.
_JOINERS = frozenset({"\u200c", "\u200d"})
