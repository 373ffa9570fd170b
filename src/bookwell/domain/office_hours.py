"""A coach's office hours, their sessions, and the seats patients take in them."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval
from bookwell.domain.wall_time import intervals_on, zone_named

DURATION_MINUTES_MIN = 5
DURATION_MINUTES_MAX = 24 * 60
# A webinar, generously; a larger number is a typing error.
CAPACITY_MAX = 1000


class Weekday(StrEnum):
    """Days in ISO 8601 order."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"

    @property
    def number(self) -> int:
        """1 for Monday to 7 for Sunday (ISO 8601)."""
        return list(Weekday).index(self) + 1

    @classmethod
    def numbered(cls, number: int) -> "Weekday":
        return list(cls)[number - 1]


class BookingStatus(StrEnum):
    """Where an office-hour booking stands."""

    BOOKED = "booked"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    NO_SHOW = "no_show"


class WeeklyRule(Struct, frozen=True, kw_only=True):
    """Sessions of `duration_minutes`, each with `capacity` seats, on one weekday in wall time.

    It holds from `valid_from` to `valid_until`, both days included; None is no bound.
    """

    weekday: Weekday
    wall_from: time
    wall_until: time
    time_zone: str
    duration_minutes: int
    capacity: int
    valid_from: date | None
    valid_until: date | None

    def check(self) -> None:
        """Raise InvalidInput naming the field, unless the rule can offer at least one session."""
        zone_named(self.time_zone)
        if self.wall_until <= self.wall_from:
            raise InvalidInput("end_time must be after start_time.", field="end_time")
        open_for = datetime.combine(date.min, self.wall_until) - datetime.combine(
            date.min, self.wall_from
        )
        if open_for < timedelta(minutes=self.duration_minutes):
            raise InvalidInput(
                "duration_minutes must fit between start_time and end_time.",
                field="duration_minutes",
            )
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise InvalidInput("valid_until must not be before valid_from.", field="valid_until")


class OfficeHour(WeeklyRule, frozen=True, kw_only=True):
    """A coach's weekly rule for one brand."""

    office_hour_id: str
    brand_id: str
    coach_id: str
    created_at: datetime

    def sessions(self, window: Interval) -> Iterator[Interval]:
        """The sessions that start within `window`, earliest first."""
        zone = zone_named(self.time_zone)
        # A window's dates in the zone lie within a day of its dates in UTC, either way.
        day = window.starts_at.date() - timedelta(days=1)
        last = window.ends_at.date() + timedelta(days=1)
        if self.valid_from is not None:
            day = max(day, self.valid_from)
        if self.valid_until is not None:
            last = min(last, self.valid_until)
        day += timedelta(days=(self.weekday.number - day.isoweekday()) % 7)
        while day <= last:
            for session in self._sessions_on(day, zone):
                if window.starts_at <= session.starts_at < window.ends_at:
                    yield session
            day += timedelta(days=7)

    def session_at(self, slot_at: datetime) -> Interval | None:
        """The session that starts at this instant, if there is one."""
        return next(self.sessions(Interval(slot_at, slot_at + timedelta(microseconds=1))), None)

    def _sessions_on(self, day: date, zone: tzinfo) -> Iterator[Interval]:
        length = timedelta(minutes=self.duration_minutes)
        for opened in intervals_on(day, self.wall_from, self.wall_until, zone):
            starts_at = opened.starts_at
            while starts_at + length <= opened.ends_at:
                yield Interval(starts_at, starts_at + length)
                starts_at += length


class TakenSession(Struct, frozen=True, kw_only=True):
    """A session in which somebody sits; without its rule where it is another brand's."""

    office_hour_id: str | None
    interval: Interval
    seats_taken: int


class Session(Struct, frozen=True, kw_only=True):
    """A session as a patient sees it when choosing."""

    office_hour_id: str
    slot_at: datetime
    duration_minutes: int
    seats_left: int


def open_sessions(
    rules: Iterable[OfficeHour], taken: Iterable[TakenSession], window: Interval
) -> list[Session]:
    """The sessions that start in the window and have a seat left, earliest first.

    A session that overlaps another one in which somebody sits already is not offered: the coach is
    one person, whatever the rule or the brand.
    """
    taken = list(taken)
    sessions = []
    for rule in rules:
        for interval in rule.sessions(window):
            own = [t for t in taken if t.office_hour_id == rule.office_hour_id]
            here = sum(t.seats_taken for t in own if t.interval.starts_at == interval.starts_at)
            busy = any(
                t.interval.overlaps(interval)
                for t in taken
                if (t.office_hour_id, t.interval.starts_at)
                != (rule.office_hour_id, interval.starts_at)
            )
            if not busy and here < rule.capacity:
                sessions.append(
                    Session(
                        office_hour_id=rule.office_hour_id,
                        slot_at=interval.starts_at,
                        duration_minutes=rule.duration_minutes,
                        seats_left=rule.capacity - here,
                    )
                )
    return sorted(sessions, key=lambda s: (s.slot_at, s.office_hour_id))


class OfficeHourBooking(Struct, frozen=True, kw_only=True):
    """A patient's seat in a session. `notes` is protected health information."""

    booking_id: str
    brand_id: str
    office_hour_id: str
    coach_id: str
    patient_id: str
    slot_at: datetime
    duration_minutes: int
    status: BookingStatus
    notes: str | None
    created_at: datetime
    version: int

    @property
    def ends_at(self) -> datetime:
        return self.slot_at + timedelta(minutes=self.duration_minutes)

    def is_cancellable(self, *, now: datetime) -> bool:
        return self.status is BookingStatus.BOOKED and now < self.ends_at
