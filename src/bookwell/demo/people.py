"""Who lives in the demo, and when they work. Invented, every one of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta

from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import Weekday, WeeklyRule
from bookwell.domain.wall_time import intervals_on, zone_named

LOOP, LOOPBIO = "loop", "loopbio"
BRANDS = {LOOP: "Loop Health", LOOPBIO: "Loop Bio"}

WORKDAYS = tuple(Weekday)[:5]
EVERY_DAY = tuple(Weekday)
OFFICE = ((time(9), time(12)), (time(13), time(17)))
LONG_DAY = ((time(8), time(20)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinician:
    """A provider with slots: on which days, in which hours of their own wall clock, how long."""

    provider_id: str
    name: str
    brands: tuple[str, ...]
    time_zone: str
    days: tuple[Weekday, ...] = WORKDAYS
    hours: tuple[tuple[time, time], ...] = OFFICE
    minutes: int = 30

    def times(self, window: Interval) -> Iterator[Interval]:
        """The times this clinician offers within the window, earliest first."""
        zone = zone_named(self.time_zone)
        length = timedelta(minutes=self.minutes)
        first, last = (at.astimezone(zone).date() for at in (window.starts_at, window.ends_at))
        for day in _days(first, last):
            if Weekday.numbered(day.isoweekday()) not in self.days:
                continue
            for wall_from, wall_until in self.hours:
                for opened in intervals_on(day, wall_from, wall_until, zone):
                    yield from _cut(opened, length, window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coach:
    """A provider with office hours."""

    coach_id: str
    name: str
    brands: tuple[str, ...]
    rules: tuple[WeeklyRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A patient; `subject` is the `sub` of their token."""

    patient_id: str
    brand_id: str

    @property
    def subject(self) -> str:
        return f"demo-{self.patient_id}"


def _weekly(
    days: tuple[Weekday, ...], hours: tuple[time, time], time_zone: str, minutes: int, capacity: int
) -> tuple[WeeklyRule, ...]:
    return tuple(
        WeeklyRule(
            weekday=day,
            wall_from=hours[0],
            wall_until=hours[1],
            time_zone=time_zone,
            duration_minutes=minutes,
            capacity=capacity,
            valid_from=None,
            valid_until=None,
        )
        for day in days
    )


CLINICIANS = (
    Clinician(
        provider_id="prv_amara",
        name="Dr. Amara Osei",
        brands=(LOOP,),
        time_zone="America/New_York",
    ),
    Clinician(
        provider_id="prv_ben",
        name="Dr. Ben Fischer",
        brands=(LOOP,),
        time_zone="Europe/Berlin",
    ),
    Clinician(
        provider_id="prv_carla",
        name="Carla Rossi, NP",
        brands=(LOOP,),
        time_zone="America/Los_Angeles",
        minutes=20,
    ),
    Clinician(
        provider_id="prv_dev",
        name="Dr. Dev Patel",
        brands=(LOOPBIO,),
        time_zone="America/Chicago",
        minutes=60,
    ),
    Clinician(
        provider_id="prv_elena",
        name="Dr. Elena Novak",
        brands=(LOOPBIO,),
        time_zone="Europe/London",
    ),
    # Works for both brands, and every day, so that both have something to book soon, weekend or
    # not; what one brand books, the other sees as taken.
    Clinician(
        provider_id="prv_farah",
        name="Dr. Farah Haddad",
        brands=(LOOP, LOOPBIO),
        time_zone="America/New_York",
        days=EVERY_DAY,
        hours=LONG_DAY,
    ),
)

COACHES = (
    Coach(
        coach_id="coach_grace",
        name="Grace Lin",
        brands=(LOOP,),
        rules=(
            *_weekly(EVERY_DAY, (time(12), time(14)), "America/New_York", 30, 1),
            *_weekly((Weekday.WEDNESDAY,), (time(18), time(19)), "America/New_York", 60, 8),
        ),
    ),
    Coach(
        coach_id="coach_hugo",
        name="Hugo Brandt",
        brands=(LOOPBIO,),
        rules=(
            *_weekly(EVERY_DAY, (time(17), time(19)), "Europe/Berlin", 30, 1),
            *_weekly((Weekday.SATURDAY,), (time(10), time(11)), "Europe/Berlin", 60, 8),
        ),
    ),
)

# The first two of each brand have a token.
PATIENTS = tuple(
    Person(patient_id=patient_id, brand_id=brand_id)
    for brand_id, patient_ids in {
        LOOP: ("pat_ada", "pat_bob", "pat_cleo", "pat_dan", "pat_eva"),
        LOOPBIO: ("pat_finn", "pat_gina", "pat_hal", "pat_iris", "pat_jon"),
    }.items()
    for patient_id in patient_ids
)


def clinicians_of(brand_id: str) -> list[Clinician]:
    return [clinician for clinician in CLINICIANS if brand_id in clinician.brands]


def coaches_of(brand_id: str) -> list[Coach]:
    return [coach for coach in COACHES if brand_id in coach.brands]


def patients_of(brand_id: str) -> list[Person]:
    return [patient for patient in PATIENTS if patient.brand_id == brand_id]


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _cut(opened: Interval, length: timedelta, window: Interval) -> Iterator[Interval]:
    starts_at = opened.starts_at
    while starts_at + length <= opened.ends_at:
        if window.starts_at <= starts_at < window.ends_at:
            yield Interval(starts_at, starts_at + length)
        starts_at += length
