"""Calendar feeds in PostgreSQL, and what stands in them. Of an address only a SHA-256 is kept."""

import secrets
from typing import Any

import msgspec
from asyncpg import Record
from msgspec import Struct

from bookwell.domain.calendars import (
    ENTRIES_MAX,
    FEEDS_PER_OWNER_MAX,
    WINDOW_AHEAD,
    WINDOW_BACK,
    Calendar,
    CalendarEntry,
    CalendarFeed,
    FeedOwner,
    OwnerKind,
)
from bookwell.domain.callers import Call
from bookwell.domain.errors import NotFound, TooManyCalendarFeeds
from bookwell.domain.ids import CALENDAR_FEED, new_id
from bookwell.storage.statements import AnyConnection, Statement, statement
from bookwell.storage.told_once import derived, hash_of

_lock_feeds_of_owner = statement("lock_feeds_of_owner")
_add_calendar_feed = statement("add_calendar_feed")
_lock_calendar_feed = statement("lock_calendar_feed")
_rotate_calendar_feed = statement("rotate_calendar_feed")
_revoke_calendar_feed = statement("revoke_calendar_feed")
_list_calendar_feeds = statement("list_calendar_feeds")
_find_calendar_feed = statement("find_calendar_feed")
_list_entries: dict[OwnerKind, Statement] = {
    OwnerKind.PROVIDER: statement("list_entries_of_provider"),
    OwnerKind.COACH: statement("list_entries_of_coach"),
    OwnerKind.PATIENT: statement("list_entries_of_patient"),
}

_entries = msgspec.json.Decoder(list[CalendarEntry])


class Opened(Struct, frozen=True, kw_only=True):
    """Whose calendar an address opens."""

    brand_id: str
    brand_name: str
    owner_kind: OwnerKind
    provider_no: int | None
    patient_id: str | None


def new_secret() -> str:
    """The secret of a new address: 256 random bits as 43 characters that may stand in a URL."""
    return secrets.token_urlsafe(32)


def new_salt() -> str:
    """What makes each derived secret another, also of the same key a day later."""
    return secrets.token_hex(16)


def derived_secret(call: Call, *, bearer: str, salt: str) -> str:
    """The secret that this call's idempotency key and the salt stand for, the same each time."""
    return derived(call, bearer=bearer, purpose=f"calendar feed {salt}")


async def add(
    connection: AnyConnection,
    secret: str,
    *,
    brand_id: str,
    owner: FeedOwner,
    provider_no: int | None,
) -> CalendarFeed:
    """A new feed.

    Raises:
        TooManyCalendarFeeds: The owner has as many as they may.
    """
    is_patient = owner.kind is OwnerKind.PATIENT
    await _lock_feeds_of_owner.value(
        connection, brand_id=brand_id, owner_kind=owner.kind, owner_id=owner.owner_id
    )
    row = await _add_calendar_feed.row(
        connection,
        feed_id=new_id(CALENDAR_FEED),
        brand_id=brand_id,
        owner_kind=owner.kind,
        provider_no=provider_no,
        patient_id=owner.owner_id if is_patient else None,
        secret_hash=hash_of(secret),
        feeds_max=FEEDS_PER_OWNER_MAX,
    )
    if row is None:
        raise TooManyCalendarFeeds(feeds_max=FEEDS_PER_OWNER_MAX)
    return CalendarFeed(owner=owner, **row)


async def lock(connection: AnyConnection, call: Call, feed_id: str) -> CalendarFeed:
    """The live feed, its row locked, if it is this caller's to see; else NotFound."""
    row = await _lock_calendar_feed.row(
        connection, brand_id=call.brand_id, feed_id=feed_id, patient_id=call.patient_id
    )
    if row is None:
        raise NotFound("There is no such calendar feed.")
    return _feed_from(row)


async def rotate(connection: AnyConnection, before: CalendarFeed, secret: str) -> CalendarFeed:
    """The feed at another address; the old one opens nothing any more."""
    row = await _rotate_calendar_feed.row(connection, **_place(before), secret_hash=hash_of(secret))
    assert row is not None, "its row is locked"
    return msgspec.structs.replace(before, **row)


async def revoke(connection: AnyConnection, before: CalendarFeed) -> CalendarFeed:
    """The feed without an address, for good."""
    row = await _revoke_calendar_feed.row(connection, **_place(before))
    assert row is not None, "its row is locked"
    return msgspec.structs.replace(before, **row)


async def list_by_id(
    connection: AnyConnection,
    *,
    brand_id: str,
    owner: FeedOwner | None,
    after_id: str,
    row_limit: int,
) -> list[CalendarFeed]:
    """The brand's live feeds, or one owner's, oldest first."""
    rows = await _list_calendar_feeds.rows(
        connection,
        brand_id=brand_id,
        owner_kind=owner.kind if owner else None,
        owner_id=owner.owner_id if owner else None,
        after_id=after_id,
        row_limit=row_limit,
    )
    return [_feed_from(row) for row in rows]


async def find(connection: AnyConnection, secret: str) -> Opened | None:
    """Whose calendar this secret opens, if anybody's."""
    row = await _find_calendar_feed.row(connection, secret_hash=hash_of(secret))
    if row is None:
        return None
    return Opened(**{**row, "owner_kind": OwnerKind(row["owner_kind"])})


async def read(connection: AnyConnection, opened: Opened) -> Calendar:
    """What stands in the owner's calendar, at most `ENTRIES_MAX` entries and those the latest."""
    found = await _list_entries[opened.owner_kind].value(
        connection,
        brand_id=opened.brand_id,
        provider_no=opened.provider_no,
        patient_id=opened.patient_id,
        back=WINDOW_BACK,
        ahead=WINDOW_AHEAD,
        row_limit=ENTRIES_MAX + 1,
    )
    entries = _entries.decode(found)
    return Calendar(
        brand_name=opened.brand_name,
        entries=entries[-ENTRIES_MAX:],
        is_cut=len(entries) > ENTRIES_MAX,
    )


def _feed_from(row: Record) -> CalendarFeed:
    fields: dict[str, Any] = dict(row)
    owner = FeedOwner(kind=OwnerKind(fields.pop("owner_kind")), owner_id=fields.pop("owner_id"))
    return CalendarFeed(owner=owner, **fields)


def _place(feed: CalendarFeed) -> dict[str, str]:
    return {"brand_id": feed.brand_id, "feed_id": feed.feed_id}
