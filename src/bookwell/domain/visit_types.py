"""What a brand's visits are like, and the terms they are booked under."""

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.wall_time import zone_named

# A slot lasts a day at most, and so does what is kept free on either side of a visit.
DAY_MINUTES = 24 * 60
# Nobody plans a notice or a cut-off of more than a year, or a horizon of more than three.
YEAR_MINUTES = 365 * DAY_MINUTES
HORIZON_DAYS_MAX = 3 * 365
CAP_MAX = 1_000
# A million in a currency of hundredths; more is a typing error.
PRICE_MINOR_MAX = 100_000_000

# The least and the most of each number of the terms.
LIMITS: dict[str, tuple[int, int]] = {
    "duration_minutes": (1, DAY_MINUTES),
    "buffer_before_minutes": (0, DAY_MINUTES),
    "buffer_after_minutes": (0, DAY_MINUTES),
    "grid_minutes": (1, DAY_MINUTES),
    "notice_minutes": (0, YEAR_MINUTES),
    "horizon_days": (1, HORIZON_DAYS_MAX),
    "patient_cap": (1, CAP_MAX),
    "provider_day_cap": (1, CAP_MAX),
    "cancel_late_minutes": (0, YEAR_MINUTES),
    "cancel_cutoff_minutes": (0, YEAR_MINUTES),
    "reschedule_late_minutes": (0, YEAR_MINUTES),
    "reschedule_cutoff_minutes": (0, YEAR_MINUTES),
    "late_cancel_price_minor": (0, PRICE_MINOR_MAX),
}
CURRENCY = r"^[A-Z]{3}(?![\s\S])"
_CURRENCY = re.compile(CURRENCY)


class Modality(StrEnum):
    """How patient and provider meet."""

    VIDEO = "video"
    PHONE = "phone"
    IN_PERSON = "in_person"


class BookedBy(StrEnum):
    """Who may book a visit type: a patient for themselves, or only staff and services."""

    PATIENT = "patient"
    STAFF = "staff"


class Period(StrEnum):
    """The stretch of a calendar in which a patient's visits are counted; weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Terms(Struct, frozen=True, kw_only=True):
    """The terms of a visit. They never change; a visit keeps those it was booked under.

    Lengths are in minutes, before the visit begins where they are a notice, a limit or a cut-off;
    0 is none. A cancellation is late from `cancel_late_minutes` before the start on, and refused
    from `cancel_cutoff_minutes` on. `late_cancel_price_minor` is in the currency's smallest unit
    (ISO 4217), and plain data: nobody here charges it. Caps are None where there is none; days and
    periods are counted in `time_zone`.
    """

    duration_minutes: int
    is_offered: bool = True
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    grid_minutes: int = 15
    notice_minutes: int = 0
    horizon_days: int = 365
    modality: Modality = Modality.VIDEO
    booked_by: BookedBy = BookedBy.PATIENT
    licence_required: bool = False
    time_zone: str = "UTC"
    patient_cap: int | None = None
    patient_cap_period: Period = Period.DAY
    provider_day_cap: int | None = None
    cancel_late_minutes: int = 0
    cancel_cutoff_minutes: int = 0
    reschedule_late_minutes: int = 0
    reschedule_cutoff_minutes: int = 0
    late_cancel_price_minor: int | None = None
    late_cancel_currency: str | None = None

    def check(self) -> None:
        """Raise InvalidInput naming the field that is out of its limits, or lacks another."""
        for field, (least, most) in LIMITS.items():
            value = getattr(self, field)
            if value is not None and not least <= value <= most:
                raise InvalidInput(f"{field} must be {least} to {most}.", field=field)
        zone_named(self.time_zone)
        if self.late_cancel_currency is not None and not _CURRENCY.match(self.late_cancel_currency):
            raise InvalidInput(
                "late_cancel_currency must be three capital letters, such as EUR.",
                field="late_cancel_currency",
            )
        if (self.late_cancel_price_minor is None) != (self.late_cancel_currency is None):
            raise InvalidInput(
                "late_cancel_price_minor and late_cancel_currency go together.",
                field="late_cancel_currency",
            )

    def with_fields(self, fields: dict[str, Any]) -> "Terms":
        """These terms with some fields replaced; the values are as the API takes them."""
        return msgspec.convert({**msgspec.to_builtins(self), **fields}, Terms)

    @property
    def digest(self) -> bytes:
        """The same for the same terms, and for no others."""
        return hashlib.sha256(msgspec.json.encode(self)).digest()


class VisitType(Struct, frozen=True, kw_only=True):
    """A kind of visit that a brand has. `terms_no` names the version of its terms."""

    brand_id: str
    visit_type: str
    name: str
    terms: Terms
    terms_no: int
    created_at: datetime
    updated_at: datetime
    version: int
    retired_at: datetime | None = None


class ProviderVisitType(Struct, frozen=True, kw_only=True):
    """A brand's visit type as it is for one provider.

    `fields` is the override as it was said, empty where there is none; `terms` is what the brand's
    terms come to with it.
    """

    visit_type: VisitType
    provider_id: str
    fields: dict[str, Any]
    terms: Terms


def new_terms(fields: dict[str, Any]) -> Terms:
    """The terms of a new visit type; without `grid_minutes` its visits begin back to back.

    Raises:
        InvalidInput: A field is out of its limits; it is named.
    """
    terms = msgspec.convert({"grid_minutes": fields["duration_minutes"], **fields}, Terms)
    terms.check()
    return terms


def changed_terms(terms: Terms, fields: dict[str, Any]) -> Terms:
    """The terms with these fields in place of theirs.

    Raises:
        InvalidInput: As `new_terms`.
    """
    changed = terms.with_fields(fields)
    changed.check()
    return changed
