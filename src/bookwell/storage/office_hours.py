"""Office hours, their sessions' seats and the bookings in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from asyncpg import Record

from bookwell.domain.catalog import Provider
from bookwell.domain.ids import OFFICE_HOUR, OFFICE_HOUR_BOOKING, new_id
from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import (
    BookingStatus,
    OfficeHour,
    OfficeHourBooking,
    TakenSession,
    Weekday,
    WeeklyRule,
)
from bookwell.storage.statements import AnyConnection, statement

_add_office_hour = statement("add_office_hour")
_list_office_hours = statement("list_office_hours")
_list_taken_sessions = statement("list_taken_sessions")
_take_seat = statement("take_seat")
_free_seat = statement("free_seat")
_add_booking = statement("add_booking")
_lock_booking = statement("lock_booking")
_cancel_booking = statement("cancel_booking")
_list_bookings_of_patient = statement("list_bookings_of_patient")


async def add(connection: AnyConnection, coach: Provider, rule: WeeklyRule) -> OfficeHour:
    row = await _add_office_hour.row(
        connection,
        office_hour_id=new_id(OFFICE_HOUR),
        brand_id=coach.brand_id,
        provider_no=coach.provider_no,
        coach_id=coach.provider_id,
        **{**msgspec.structs.asdict(rule), "weekday": rule.weekday.number},
    )
    assert row is not None, "INSERT RETURNING answers a row"
    return _office_hour_from(row)


async def list_rules(
    connection: AnyConnection, coach: Provider, *, after_id: str = "", row_limit: int
) -> list[OfficeHour]:
    """The coach's office hours for this brand, in the order they were made."""
    rows = await _list_office_hours.rows(
        connection,
        coach_id=coach.provider_id,
        provider_no=coach.provider_no,
        brand_id=coach.brand_id,
        after_id=after_id,
        row_limit=row_limit,
    )
    return [_office_hour_from(row) for row in rows]


async def list_taken(
    connection: AnyConnection, coach: Provider, window: Interval
) -> Sequence[TakenSession]:
    """The coach's sessions with a seat taken, of whatever brand, that overlap the window."""
    rows = await _list_taken_sessions.rows(
        connection,
        brand_id=coach.brand_id,
        provider_no=coach.provider_no,
        from_at=window.starts_at,
        until_at=window.ends_at,
    )
    return [
        TakenSession(
            office_hour_id=row["office_hour_id"],
            interval=Interval(row["starts_at"], row["ends_at"]),
            seats_taken=row["seats_taken"],
        )
        for row in rows
    ]


async def take_seat(
    connection: AnyConnection, coach: Provider, rule: OfficeHour, session: Interval
) -> None:
    """Count one more seat; the referee objects to one too many and to a coach in two places."""
    await _take_seat.run(
        connection,
        office_hour_id=rule.office_hour_id,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        brand_id=coach.brand_id,
        provider_no=coach.provider_no,
        capacity=rule.capacity,
    )


async def add_booking(
    connection: AnyConnection,
    coach: Provider,
    rule: OfficeHour,
    *,
    slot_at: datetime,
    patient_id: str,
    notes: str | None,
) -> OfficeHourBooking:
    row = await _add_booking.row(
        connection,
        booking_id=new_id(OFFICE_HOUR_BOOKING),
        brand_id=coach.brand_id,
        coach_id=coach.provider_id,
        office_hour_id=rule.office_hour_id,
        slot_at=slot_at,
        duration_minutes=rule.duration_minutes,
        patient_id=patient_id,
        notes=notes,
    )
    assert row is not None, "INSERT RETURNING answers a row"
    return _booking_from(row)


async def lock_booking(connection: AnyConnection, booking_id: str) -> OfficeHourBooking | None:
    """The booking of whatever brand, its row locked; the use case decides who may see it."""
    row = await _lock_booking.row(connection, booking_id=booking_id)
    return _booking_from(row) if row else None


async def cancel(connection: AnyConnection, booking: OfficeHourBooking) -> OfficeHourBooking:
    """Set the booking to cancelled and free its seat."""
    # The session before the booking, as `take_seat` and `add_booking` go: a patient who takes the
    # same seat again at this moment then queues here, instead of deadlocking with us.
    await _free_seat.run(
        connection,
        brand_id=booking.brand_id,
        office_hour_id=booking.office_hour_id,
        starts_at=booking.slot_at,
    )
    row = await _cancel_booking.row(
        connection,
        brand_id=booking.brand_id,
        booking_id=booking.booking_id,
        coach_id=booking.coach_id,
    )
    assert row is not None, "the booking's row is locked"
    return _booking_from(row)


async def list_bookings_newest_first(
    connection: AnyConnection,
    *,
    brand_id: str,
    patient_id: str,
    before: tuple[datetime, str],
    row_limit: int,
) -> list[OfficeHourBooking]:
    before_at, before_id = before
    rows = await _list_bookings_of_patient.rows(
        connection,
        brand_id=brand_id,
        patient_id=patient_id,
        before_at=before_at,
        before_id=before_id,
        row_limit=row_limit,
    )
    return [_booking_from(row) for row in rows]


def _office_hour_from(row: Record) -> OfficeHour:
    return OfficeHour(**{**row, "weekday": Weekday.numbered(row["weekday"])})


def _booking_from(row: Record) -> OfficeHourBooking:
    return OfficeHourBooking(**{**row, "status": BookingStatus(row["status"])})
