"""What a brand's visits are like, and the terms they are booked under."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.wall_time import zone_named


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
        """Raise InvalidInput naming the field, where the fields do not go together."""
        zone_named(self.time_zone)
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
    """A kind of visit that a brand offers. `terms_no` names the version of its terms."""

    brand_id: str
    visit_type: str
    name: str
    terms: Terms
    terms_no: int
    created_at: datetime
    updated_at: datetime
    version: int
    retired_at: datetime | None = None


class VisitTypeOverride(Struct, frozen=True, kw_only=True):
    """What differs for one provider: `fields` as they were said, `terms` as they come out."""

    brand_id: str
    visit_type: str
    provider_id: str
    fields: dict[str, Any]
    terms: Terms
    updated_at: datetime
