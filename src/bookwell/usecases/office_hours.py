"""Offer office hours, find a session, take a seat and give it back."""

from datetime import datetime, timedelta

from bookwell.domain.callers import Call, Role
from bookwell.domain.catalog import Provider, ProviderKind
from bookwell.domain.errors import (
    BookingNotCancellable,
    Forbidden,
    InvalidInput,
    NotFound,
    SeatUnavailable,
)
from bookwell.domain.events import OfficeHourBookingCancelled, OfficeHourBookingCreated
from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import (
    OfficeHour,
    OfficeHourBooking,
    Session,
    WeeklyRule,
    open_sessions,
)
from bookwell.storage import catalog, journal, office_hours
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.storage.statements import AnyConnection
from bookwell.usecases.paging import FAR_FUTURE, Page

# What a patient pages through when no end is named.
SESSIONS_DAYS_DEFAULT = 28
# More would make one request cost as much as a report.
SESSIONS_DAYS_MAX = 92
# A coach with more weekly rules than this is a mistake; the list endpoint pages all the same.
RULES_MAX = 500


async def add_office_hour(
    database: Database, call: Call, coach_id: str, rule: WeeklyRule
) -> OfficeHour:
    """Offer sessions every week.

    Raises:
        InvalidInput: The rule can offer no session, or its zone does not exist.
        Forbidden: The coach is another brand's.
        NotFound: There is no such coach.
    """
    if call.caller.role is Role.PATIENT:
        raise Forbidden("Patients do not offer time.")
    rule.check()
    async with database.transaction(call) as connection:
        coach = await _coach_of(connection, call, coach_id)
        office_hour = await office_hours.add(connection, coach, rule)
        await journal.record(
            connection,
            call,
            Entry(
                event_type="office_hour.created",
                entity_type="office_hour",
                entity_id=office_hour.office_hour_id,
            ),
            answer=office_hour,
        )
    return office_hour


async def list_office_hours(
    database: Database, call: Call, coach_id: str, *, after_id: str | None, limit: int
) -> Page[OfficeHour]:
    """A page of the coach's rules for the brand, oldest first."""
    async with database.reading() as connection:
        coach = await _coach_of(connection, call, coach_id)
        found = await office_hours.list_rules(
            connection, coach, after_id=after_id or "", row_limit=limit + 1
        )
    return Page.cut(found, limit, lambda rule: (rule.office_hour_id,))


async def list_sessions(
    database: Database,
    call: Call,
    coach_id: str,
    *,
    from_at: datetime | None,
    until_at: datetime | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Page[Session]:
    """A page of the coach's sessions with a seat left, earliest first; never one that has begun.

    Raises:
        InvalidInput: The window is empty or longer than 92 days.
        Forbidden, NotFound: As `add_office_hour`.
    """
    async with database.reading() as connection:
        coach = await _coach_of(connection, call, coach_id)
        window = _window(from_at, until_at, now=await journal.now(connection))
        if window is None:
            return Page(items=[])
        rules = await office_hours.list_rules(connection, coach, row_limit=RULES_MAX)
        taken = await office_hours.list_taken(connection, coach, window)
    found = open_sessions(rules, taken, window)
    if after is not None:
        found = [s for s in found if (s.slot_at, s.office_hour_id) > after]
    return Page.cut(found[: limit + 1], limit, lambda s: (s.slot_at, s.office_hour_id))


async def book_seat(
    database: Database,
    call: Call,
    coach_id: str,
    *,
    slot_at: datetime,
    notes: str | None,
    patient_id: str | None = None,
) -> OfficeHourBooking:
    """Take a seat in the coach's session at that instant, for the calling patient.

    Staff and services name the patient.

    Raises:
        Forbidden: The coach is another brand's.
        NotFound: No such patient for this caller, or no session begins then.
        SeatUnavailable: It has begun, is full, the coach sits elsewhere then, or the patient in it.
    """
    async with database.transaction(call) as connection:
        coach = await _coach_of(connection, call, coach_id)
        patient_id = await _patient_of(connection, call, patient_id)
        # Both the rule's seats and the coach's other sessions are looked at behind this lock.
        await catalog.lock_provider(connection, coach)
        now = await journal.now(connection)
        rules = await office_hours.list_rules(connection, coach, row_limit=RULES_MAX)
        rule, session = await _choose_session(connection, coach, rules, slot_at=slot_at, now=now)
        await office_hours.take_seat(connection, coach, rule, session)
        booking = await office_hours.add_booking(
            connection, coach, rule, slot_at=slot_at, patient_id=patient_id, notes=notes
        )
        await journal.record(
            connection,
            call,
            Entry(
                event_type="office_hour_booking.created",
                entity_type="office_hour_booking",
                entity_id=booking.booking_id,
                details={"office_hour_id": booking.office_hour_id},
            ),
            fact=OfficeHourBookingCreated(
                booking_id=booking.booking_id,
                office_hour_id=booking.office_hour_id,
                coach_id=coach_id,
                patient_id=patient_id,
                brand_id=booking.brand_id,
                slot_at=booking.slot_at,
                duration_minutes=booking.duration_minutes,
                created_at=booking.created_at,
            ),
            answer=booking,
        )
    return booking


async def cancel_booking(database: Database, call: Call, booking_id: str) -> OfficeHourBooking:
    """Give a seat back, until the session has ended.

    Raises:
        NotFound: There never was such a booking.
        Forbidden: It is another patient's or another brand's.
        BookingNotCancellable: It is cancelled already, or over.
    """
    async with database.transaction(call) as connection:
        before = await office_hours.lock_booking(connection, booking_id)
        if before is None:
            raise NotFound("There is no such booking.")
        if before.brand_id != call.brand_id or call.patient_id not in (None, before.patient_id):
            raise Forbidden("The booking is outside the current patient or brand.")
        now = await journal.now(connection)
        if not before.is_cancellable(now=now):
            raise BookingNotCancellable(status=str(before.status))
        booking = await office_hours.cancel(connection, before)
        await journal.record(
            connection,
            call,
            Entry(
                event_type="office_hour_booking.cancelled",
                entity_type="office_hour_booking",
                entity_id=booking_id,
            ),
            fact=OfficeHourBookingCancelled(
                booking_id=booking_id,
                office_hour_id=booking.office_hour_id,
                coach_id=booking.coach_id,
                patient_id=booking.patient_id,
                brand_id=booking.brand_id,
                slot_at=booking.slot_at,
                cancelled_at=now,
            ),
            sequence=booking.version,
            answer=booking,
        )
    return booking


async def list_own_bookings(
    database: Database, call: Call, *, before: tuple[datetime, str] | None, limit: int
) -> Page[OfficeHourBooking]:
    """A page of the calling patient's bookings, newest first; NotFound for everybody else."""
    if not call.patient_id:
        raise NotFound("There is no such patient.")
    async with database.reading() as connection:
        found = await office_hours.list_bookings_newest_first(
            connection,
            brand_id=call.brand_id,
            patient_id=call.patient_id,
            before=before or (FAR_FUTURE, ""),
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda booking: (booking.slot_at, booking.booking_id))


async def _coach_of(connection: AnyConnection, call: Call, coach_id: str) -> Provider:
    """The brand's coach; here the documentation tells a foreign one (403) from none (404)."""
    coach = await catalog.find_provider(connection, brand_id=call.brand_id, provider_id=coach_id)
    if coach is not None and coach.kind is ProviderKind.COACH:
        return coach
    if await catalog.coach_exists(connection, coach_id):
        raise Forbidden("The coach is outside the current brand.")
    raise NotFound("There is no such coach.")


async def _choose_session(
    connection: AnyConnection,
    coach: Provider,
    rules: list[OfficeHour],
    *,
    slot_at: datetime,
    now: datetime,
) -> tuple[OfficeHour, Interval]:
    """The session that begins then and has a seat left; of several, the oldest rule's."""
    begun = [(rule, s) for rule in rules if (s := rule.session_at(slot_at)) is not None]
    if not begun:
        raise NotFound("The coach has no office hour at this time.")
    if slot_at <= now:
        raise SeatUnavailable
    window = Interval(slot_at, max(session.ends_at for _, session in begun))
    taken = await office_hours.list_taken(connection, coach, window)
    free = {s.office_hour_id for s in open_sessions(rules, taken, window) if s.slot_at == slot_at}
    for rule, session in begun:
        if rule.office_hour_id in free:
            return rule, session
    raise SeatUnavailable


async def _patient_of(connection: AnyConnection, call: Call, named: str | None) -> str:
    patient_id = named or call.patient_id
    if not patient_id or call.patient_id not in (None, patient_id):
        raise NotFound("There is no such patient.")
    if (
        await catalog.find_patient(connection, brand_id=call.brand_id, patient_id=patient_id)
        is None
    ):
        raise NotFound("There is no such patient.")
    return patient_id


def _window(
    from_at: datetime | None, until_at: datetime | None, *, now: datetime
) -> Interval | None:
    """The part of the asked-for window that lies ahead, or None where all of it is over."""
    starts_at = from_at or now
    ends_at = until_at or max(starts_at, now) + timedelta(days=SESSIONS_DAYS_DEFAULT)
    if ends_at <= starts_at:
        raise InvalidInput("to must be after from.", field="to")
    starts_at = max(starts_at, now)
    if ends_at <= starts_at:
        return None
    if ends_at - starts_at > timedelta(days=SESSIONS_DAYS_MAX):
        raise InvalidInput(f"At most {SESSIONS_DAYS_MAX} days at a time.", field="to")
    return Interval(starts_at, ends_at)
