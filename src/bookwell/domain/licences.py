"""Where a provider may see patients, and where patients are (docs/decisions/0024-licences.md)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval
from bookwell.domain.wall_time import MIDNIGHT, intervals_on, zone_named

# ISO 3166: a country (DE), or a part of one (DE-BE, US-NY). Nobody's register of them is kept here.
REGION = r"^[A-Z0-9](-?[A-Z0-9])*(?![\s\S])"
REGION_LENGTH_MAX = 16
# Somebody who moves every week, for two years.
STAYS_MAX = 100

_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


class Licence(Struct, frozen=True, kw_only=True):
    """A provider may see a brand's patients who are in this region.

    From the first of `valid_from` to the last of `valid_until`, days of `time_zone`; None is no
    bound.
    """

    licence_id: str
    brand_id: str
    provider_id: str
    region: str
    valid_from: date | None
    valid_until: date | None
    time_zone: str
    created_at: datetime

    def check(self) -> None:
        """Raise InvalidInput naming the field, where no day is valid or the zone is none."""
        zone_named(self.time_zone)
        if (self.valid_until or date.max) < (self.valid_from or date.min):
            raise InvalidInput("valid_until must not be before valid_from.", field="valid_until")

    @property
    def starts_at(self) -> datetime | None:
        """The first instant of the first day; None where the licence was always valid."""
        if self.valid_from is None:
            return None
        return _begin_of(self.valid_from, self.time_zone)

    @property
    def ends_at(self) -> datetime | None:
        """The first instant after the last day; None where the licence never ends."""
        if self.valid_until is None:
            return None
        return _end_of(self.valid_until, self.time_zone)


class VisitAtRisk(Struct, frozen=True, kw_only=True):
    """A visit ahead that no licence of its provider will cover.

    `region` is where the patient will be, None where nobody said.
    """

    visit_id: str
    provider_id: str
    patient_id: str
    visit_type: str
    region: str | None
    starts_at: datetime


class LicenceChange(Struct, frozen=True, kw_only=True):
    """A licence as it is, or was, and the provider's visits that no licence covers now.

    The earliest of them; `has_more` says that there are others.
    """

    licence: Licence
    visits_at_risk: list[VisitAtRisk]
    has_more: bool


class Stay(Struct, frozen=True, kw_only=True):
    """A patient is in this region from one instant until another; None is no bound."""

    region: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class PatientRegions(Struct, frozen=True, kw_only=True):
    """Where a patient is and when, earliest first; at other times nobody knows."""

    patient_id: str
    stays: list[Stay]


def checked_stays(stays: Sequence[Stay]) -> list[Stay]:
    """The stays in their order in time.

    Raises:
        InvalidInput: One ends before it begins, or begins in another; it is named by its place in
            the request, such as `regions[1].from`.
    """
    for number, stay in enumerate(stays):
        if (stay.starts_at or _FIRST) >= (stay.ends_at or _LAST):
            field = f"regions[{number}].until"
            raise InvalidInput(f"{field} must be after regions[{number}].from.", field=field)
    ordered = sorted(enumerate(stays), key=lambda each: each[1].starts_at or _FIRST)
    for (_, before), (number, stay) in pairwise(ordered):
        if (stay.starts_at or _FIRST) < (before.ends_at or _LAST):
            field = f"regions[{number}].from"
            raise InvalidInput(f"{field} lies in another of the regions.", field=field)
    return [stay for _, stay in ordered]


def _begin_of(day: date, time_zone: str) -> datetime:
    """The first instant at which a wall clock in the zone shows this day, or a later one.

    A zone that goes over the date line skips a day.
    """
    parts = _parts_of(day, time_zone) or _parts_of(day + timedelta(days=1), time_zone)
    return parts[0].starts_at


def _end_of(day: date, time_zone: str) -> datetime:
    """The first instant from which on no wall clock in the zone shows this day, or one before."""
    parts = _parts_of(day, time_zone)
    return parts[-1].ends_at if parts else _begin_of(day + timedelta(days=1), time_zone)


def _parts_of(day: date, time_zone: str) -> list[Interval]:
    return intervals_on(day, MIDNIGHT, MIDNIGHT, zone_named(time_zone))
