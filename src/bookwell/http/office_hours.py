"""The routes of office hours and their bookings."""

from datetime import date, datetime, time
from typing import Annotated

from litestar import Response, delete, get, post
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.office_hours import (
    CAPACITY_MAX,
    DURATION_MINUTES_MAX,
    DURATION_MINUTES_MIN,
    OfficeHour,
    OfficeHourBooking,
    Session,
    Weekday,
    WeeklyRule,
)
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.fields import (
    Id,
    Instant,
    Notes,
    WallTime,
    checked_day,
    checked_instant,
    or_none,
)
from bookwell.http.paging import (
    LIMIT_DEFAULT,
    Cursor,
    Limit,
    read_id_cursor,
    read_timed_cursor,
    write_cursor,
)
from bookwell.http.routes import CoachId, PathId, operation, refusals
from bookwell.http.slots import From, Until, window
from bookwell.usecases import office_hours


class OfficeHourBody(Struct, kw_only=True):
    """A coach's weekly rule, in wall time of its zone."""

    id: str
    brand_id: str
    coach_id: str
    weekday: Weekday
    start_time: time
    end_time: time
    time_zone: str
    duration_minutes: int
    capacity: int
    valid_from: date | None
    valid_until: date | None
    created_at: datetime


class OfficeHourList(Struct, kw_only=True):
    """A page of office hours, oldest first."""

    office_hours: list[OfficeHourBody]
    next_cursor: str | UnsetType = UNSET


class AddOfficeHour(Struct, kw_only=True):
    """A weekly rule: from `start_time` to `end_time` on the wall clock of `time_zone`.

    It holds from `valid_from` to `valid_until`, both days included; absent is no bound.
    """

    weekday: Weekday
    start_time: WallTime
    end_time: WallTime
    time_zone: Annotated[str, Meta(min_length=1, max_length=64)]
    duration_minutes: Annotated[int, Meta(ge=DURATION_MINUTES_MIN, le=DURATION_MINUTES_MAX)]
    capacity: Annotated[int, Meta(ge=1, le=CAPACITY_MAX)] = 1
    valid_from: date | UnsetType | None = UNSET
    valid_until: date | UnsetType | None = UNSET


class SessionBody(Struct, kw_only=True):
    """A time at which a seat can be taken."""

    slot_at: datetime
    duration_minutes: int
    seats_left: int


class SessionList(Struct, kw_only=True):
    """A page of sessions, earliest first."""

    slots: list[SessionBody]
    next_cursor: str | UnsetType = UNSET


class OfficeHourBookingBody(Struct, kw_only=True):
    """A patient's seat."""

    id: str
    office_hour_id: str
    patient_id: str
    slot_at: datetime
    duration_minutes: float
    status: str
    notes: str | None
    created_at: datetime


class BookingList(Struct, kw_only=True):
    """A page of bookings, newest first."""

    bookings: list[OfficeHourBookingBody]
    next_cursor: str | UnsetType = UNSET


class BookSeat(Struct, kw_only=True):
    """Which session. Staff and services name the patient; a patient need not."""

    slot_at: Instant
    notes: Notes | UnsetType = UNSET
    patient_id: Id | UnsetType = UNSET


def office_hour_body(rule: OfficeHour) -> OfficeHourBody:
    return OfficeHourBody(
        id=rule.office_hour_id,
        brand_id=rule.brand_id,
        coach_id=rule.coach_id,
        weekday=rule.weekday,
        start_time=rule.wall_from,
        end_time=rule.wall_until,
        time_zone=rule.time_zone,
        duration_minutes=rule.duration_minutes,
        capacity=rule.capacity,
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
        created_at=rule.created_at,
    )


def session_body(session: Session) -> SessionBody:
    return SessionBody(
        slot_at=session.slot_at,
        duration_minutes=session.duration_minutes,
        seats_left=session.seats_left,
    )


def booking_body(booking: OfficeHourBooking) -> OfficeHourBookingBody:
    return OfficeHourBookingBody(
        id=booking.booking_id,
        office_hour_id=booking.office_hour_id,
        patient_id=booking.patient_id,
        slot_at=booking.slot_at,
        duration_minutes=booking.duration_minutes,
        status=booking.status,
        notes=booking.notes,
        created_at=booking.created_at,
    )


@post(
    "/v1/coaches/{coachId:str}/office-hours",
    **operation("add_office_hour", "Offer office hours", tag="office hours", scope="write:slots"),
    response_description="Office hour created",
    responses=refusals(
        {
            400: "Validation error",
            403: "Coach is outside the current brand",
            404: "Coach not found",
        }
    ),
)
async def add_office_hour(
    request: AnyRequest,
    coach_id: CoachId,
    data: JSONBody[AddOfficeHour],
) -> Response[OfficeHourBody]:
    """Offer sessions every week, in the coach's own wall time."""
    rule = WeeklyRule(
        weekday=data.weekday,
        wall_from=time.fromisoformat(data.start_time),
        wall_until=time.fromisoformat(data.end_time),
        time_zone=data.time_zone,
        duration_minutes=data.duration_minutes,
        capacity=data.capacity,
        valid_from=checked_day(data.valid_from, "valid_from"),
        valid_until=checked_day(data.valid_until, "valid_until"),
    )
    added = office_hours.add_office_hour(
        database_of(request), await call_of(request), coach_id, rule
    )
    return await answer(added, OfficeHour, office_hour_body, status_code=201)


@get(
    "/v1/coaches/{coachId:str}/office-hours",
    **operation(
        "list_office_hours", "List a coach's office hours", tag="office hours", scope="read:slots"
    ),
    response_description="List of office hours",
    responses=refusals({403: "Coach is outside the current brand", 404: "Coach not found"}),
)
async def list_office_hours(
    request: AnyRequest,
    coach_id: CoachId,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> OfficeHourList:
    """The coach's weekly rules for the brand."""
    page = await office_hours.list_office_hours(
        database_of(request),
        await call_of(request),
        coach_id,
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return OfficeHourList(
        office_hours=[office_hour_body(rule) for rule in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@get(
    "/v1/coaches/{coachId:str}/slots",
    **operation(
        "list_sessions", "List a coach's open sessions", tag="office hours", scope="read:slots"
    ),
    response_description="Sessions with a seat left",
    responses=refusals({403: "Coach is outside the current brand", 404: "Coach not found"}),
)
async def list_sessions(
    request: AnyRequest,
    coach_id: CoachId,
    from_: From = None,
    to: Until = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> SessionList:
    """The sessions ahead with a seat left, earliest first: 28 days of them, if no end is named."""
    from_at, until_at = window(from_, to)
    page = await office_hours.list_sessions(
        database_of(request),
        await call_of(request),
        coach_id,
        from_at=from_at,
        until_at=until_at,
        after=read_timed_cursor(cursor),
        limit=limit,
    )
    return SessionList(
        slots=[session_body(session) for session in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@post(
    "/v1/coaches/{coachId:str}/bookings",
    **operation("book_seat", "Book an office hour", tag="office hours", scope="write:bookings"),
    response_description="Office-hour booking created",
    responses=refusals(
        {
            403: "Coach is outside the current brand",
            404: "Patient or office hour not found",
            409: "Office-hour slot unavailable",
        }
    ),
)
async def book_seat(
    request: AnyRequest,
    coach_id: CoachId,
    data: JSONBody[BookSeat],
) -> Response[OfficeHourBookingBody]:
    """Take a seat in the session that begins at `slot_at`."""
    booked = office_hours.book_seat(
        database_of(request),
        await call_of(request),
        coach_id,
        slot_at=checked_instant(data.slot_at, "slot_at"),
        notes=or_none(data.notes),
        patient_id=or_none(data.patient_id),
    )
    return await answer(booked, OfficeHourBooking, booking_body, status_code=201)


@delete(
    "/v1/bookings/{id:str}",
    **operation(
        "cancel_booking",
        "Cancel an office-hour booking",
        tag="office hours",
        scope="write:bookings",
    ),
    status_code=200,
    response_description="Office-hour booking cancelled",
    responses=refusals(
        {
            403: "Booking is outside the current patient or brand",
            404: "Booking not found",
            412: "Booking cannot be cancelled",
        }
    ),
)
async def cancel_booking(
    request: AnyRequest, booking_id: PathId
) -> Response[OfficeHourBookingBody]:
    """Give the seat back, until the session has ended."""
    cancelled = office_hours.cancel_booking(
        database_of(request), await call_of(request), booking_id
    )
    return await answer(cancelled, OfficeHourBooking, booking_body)


@get(
    "/v1/bookings/me",
    **operation(
        "list_own_bookings",
        "List my office-hour bookings",
        tag="office hours",
        scope="read:bookings",
    ),
    response_description="Current patient office-hour bookings",
    responses=refusals({404: "Patient not found"}),
)
async def list_own_bookings(
    request: AnyRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> BookingList:
    """The calling patient's bookings, newest first."""
    page = await office_hours.list_own_bookings(
        database_of(request),
        await call_of(request),
        before=read_timed_cursor(cursor),
        limit=limit,
    )
    return BookingList(
        bookings=[booking_body(booking) for booking in page.items],
        next_cursor=write_cursor(page.next_key),
    )


ROUTES = [
    add_office_hour,
    list_office_hours,
    list_sessions,
    book_seat,
    cancel_booking,
    list_own_bookings,
]
