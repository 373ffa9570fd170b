"""Give out, rotate and revoke the addresses of calendars, and read what they open."""

import msgspec
from msgspec import Struct

from bookwell.domain.calendars import Calendar, CalendarFeed, FeedOwner, OwnerKind, entry_of
from bookwell.domain.callers import Call, Role
from bookwell.domain.catalog import ProviderKind
from bookwell.domain.errors import (
    Forbidden,
    IdempotencyKeyMismatch,
    InsufficientScope,
    NotFound,
    VersionMismatch,
)
from bookwell.storage import calendars, catalog, journal, visits
from bookwell.storage.database import Database
from bookwell.storage.idempotency import Replayed
from bookwell.storage.journal import Entry
from bookwell.storage.statements import AnyConnection
from bookwell.storage.told_once import hash_of
from bookwell.usecases.paging import Page

# Whose feed shows seats in office hours needs this too: a feed shows nothing that its maker may not
# read.
SEATS_SCOPE = "read:bookings"


class FeedAddress(Struct, frozen=True, kw_only=True):
    """A feed with the secret of its address; `is_replay` where its key had led to it before."""

    feed: CalendarFeed
    secret: str
    is_replay: bool = False


class KeptFeed(Struct, frozen=True, kw_only=True):
    """What is remembered for an idempotency key: the feed, and of its secret only the hash.

    The salt is here so that the key, used again when it is forgotten, brings no old address back.
    """

    feed: CalendarFeed
    secret_hash: str
    salt: str


async def create_feed(
    database: Database, call: Call, owner: FeedOwner, *, bearer: str
) -> FeedAddress:
    """Give the owner's calendar an address. Its secret is never stored; see tokens.create_token.

    Raises:
        Forbidden: A patient asks for the calendar of a provider or a coach.
        InsufficientScope: The calendar shows seats in office hours, which the caller may not read.
        NotFound: The brand has no such owner, or it is another patient.
        TooManyCalendarFeeds: The owner has as many as they may.
        IdempotencyKeyMismatch: The key was used with another token of this caller, or for another
            request.
    """
    _check_may(call, owner)
    secret, salt = _new_secret(call, bearer)
    try:
        async with database.transaction(call) as connection:
            feed = await calendars.add(
                connection,
                secret,
                brand_id=call.brand_id,
                owner=owner,
                provider_no=await _number_of(connection, call, owner),
            )
            await _record(connection, call, "created", feed, secret, salt)
    except Replayed as before:
        return _told_again(before, call, bearer)
    return FeedAddress(feed=feed, secret=secret)


async def rotate_feed(
    database: Database, call: Call, feed_id: str, *, bearer: str, versions: list[int] | None
) -> FeedAddress:
    """Give the feed another address; the old one is dead when this returns.

    Raises:
        NotFound: There is no such live feed for this caller.
        VersionMismatch: It is not of one of these versions.
        InsufficientScope, IdempotencyKeyMismatch: As `create_feed`.
    """
    secret, salt = _new_secret(call, bearer)
    try:
        async with database.transaction(call) as connection:
            before = await _lock(connection, call, feed_id, versions)
            _check_may(call, before.owner)
            feed = await calendars.rotate(connection, before, secret)
            await _record(connection, call, "rotated", feed, secret, salt)
    except Replayed as replayed:
        return _told_again(replayed, call, bearer)
    return FeedAddress(feed=feed, secret=secret)


async def revoke_feed(
    database: Database, call: Call, feed_id: str, *, versions: list[int] | None
) -> CalendarFeed:
    """End the feed; its address is dead when this returns.

    Raises:
        NotFound, VersionMismatch: As `rotate_feed`.
    """
    async with database.transaction(call) as connection:
        before = await _lock(connection, call, feed_id, versions)
        feed = await calendars.revoke(connection, before)
        await journal.record(connection, call, _entry("revoked", feed), answer=feed)
    return feed


async def list_feeds(
    database: Database, call: Call, *, owner: FeedOwner | None, after_id: str | None, limit: int
) -> Page[CalendarFeed]:
    """A page of the brand's live feeds, or one owner's, oldest first. A patient sees their own."""
    if call.patient_id is not None:
        own = FeedOwner(kind=OwnerKind.PATIENT, owner_id=call.patient_id)
        if owner not in (None, own):
            return Page(items=[])
        owner = own
    async with database.reading() as connection:
        await catalog.get_brand(connection, call.brand_id)
        found = await calendars.list_by_id(
            connection,
            brand_id=call.brand_id,
            owner=owner,
            after_id=after_id or "",
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda feed: (feed.feed_id,))


async def read_feed(database: Database, secret: str) -> Calendar:
    """What the address with this secret opens; NotFound where it opens nothing."""
    async with database.reading() as connection:
        opened = await calendars.find(connection, secret)
        if opened is None:
            raise NotFound
        return await calendars.read(connection, opened)


async def read_visit(database: Database, call: Call, visit_id: str) -> Calendar:
    """A calendar of the one visit; NotFound where it is not this caller's to see."""
    async with database.reading() as connection:
        visit = await visits.get(connection, call, visit_id)
        brand = await catalog.get_brand(connection, visit.brand_id)
    return Calendar(brand_name=brand.name, entries=[entry_of(visit)])


def _check_may(call: Call, owner: FeedOwner) -> None:
    if call.caller.role is Role.PATIENT and owner.kind is not OwnerKind.PATIENT:
        raise Forbidden("Patients have calendars of their own only.")
    if owner.kind is not OwnerKind.PROVIDER and not call.caller.may(SEATS_SCOPE):
        raise InsufficientScope(scope=SEATS_SCOPE)


async def _number_of(connection: AnyConnection, call: Call, owner: FeedOwner) -> int | None:
    """The number of the brand's provider or coach, None of its patient; NotFound for others."""
    if owner.kind is OwnerKind.PATIENT:
        if call.patient_id in (None, owner.owner_id):
            found = await catalog.find_patient(
                connection, brand_id=call.brand_id, patient_id=owner.owner_id
            )
            if found is not None:
                return None
        raise NotFound("There is no such patient.")
    if owner.kind is OwnerKind.PROVIDER:
        clinician = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=owner.owner_id
        )
        return clinician.provider_no
    coach = await catalog.find_provider(
        connection, brand_id=call.brand_id, provider_id=owner.owner_id
    )
    if coach is None or coach.kind is not ProviderKind.COACH:
        raise NotFound("There is no such coach.")
    return coach.provider_no


async def _lock(
    connection: AnyConnection, call: Call, feed_id: str, versions: list[int] | None
) -> CalendarFeed:
    feed = await calendars.lock(connection, call, feed_id)
    if versions is not None and feed.version not in versions:
        raise VersionMismatch(version=feed.version)
    return feed


def _new_secret(call: Call, bearer: str) -> tuple[str, str]:
    """A secret and its salt; without a key it is random, and the salt is nothing's."""
    salt = calendars.new_salt()
    if call.key is None:
        return calendars.new_secret(), salt
    return calendars.derived_secret(call, bearer=bearer, salt=salt), salt


def _entry(verb: str, feed: CalendarFeed) -> Entry:
    return Entry(
        event_type=f"calendar_feed.{verb}",
        entity_type="calendar_feed",
        entity_id=feed.feed_id,
        details={"owner": str(feed.owner.kind), "version": feed.version},
    )


async def _record(
    connection: AnyConnection, call: Call, verb: str, feed: CalendarFeed, secret: str, salt: str
) -> None:
    kept = KeptFeed(feed=feed, secret_hash=hash_of(secret).hex(), salt=salt)
    await journal.record(connection, call, _entry(verb, feed), answer=kept)


def _told_again(before: Replayed, call: Call, bearer: str) -> FeedAddress:
    kept = msgspec.json.decode(before.answer, type=KeptFeed)
    secret = calendars.derived_secret(call, bearer=bearer, salt=kept.salt)
    if kept.secret_hash != hash_of(secret).hex():
        raise IdempotencyKeyMismatch(
            "This idempotency key was used with another bearer token of yours."
        ) from before
    return FeedAddress(feed=kept.feed, secret=secret, is_replay=True)
