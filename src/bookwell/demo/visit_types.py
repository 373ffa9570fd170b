"""What the demo's brands offer: their visit types, and on which terms."""

from typing import Any

from msgspec import Struct

from bookwell.demo.people import LOOP, LOOPBIO

FOLLOW_UP = "follow_up"
INTAKE = "intake"
CASE_REVIEW = "case_review"
CONSULT = "consult"
LAB_REVIEW = "lab_review"

_HOUR = 60
_DAY = 24 * _HOUR


class KindOfVisit(Struct, frozen=True, kw_only=True):
    """A visit type; `fields` are those of its terms, as the API takes them."""

    visit_type: str
    name: str
    fields: dict[str, Any]


# Can be booked until it begins, as often as somebody likes: whatever the hour, there is something
# to try. Twenty minutes each half hour leave ten for the notes.
_FOLLOW_UP = KindOfVisit(
    visit_type=FOLLOW_UP,
    name="Follow-up",
    fields={
        "duration_minutes": 20,
        "grid_minutes": 30,
        "cancel_late_minutes": 2 * _HOUR,
        "late_cancel_price_minor": 1500,
        "late_cancel_currency": "USD",
    },
)

VISIT_TYPES = {
    LOOP: (
        _FOLLOW_UP,
        KindOfVisit(
            visit_type=INTAKE,
            name="First visit",
            fields={
                "duration_minutes": 50,
                "buffer_after_minutes": 10,
                "grid_minutes": 60,
                "notice_minutes": _DAY,
                "horizon_days": 60,
                "licence_required": True,
                "time_zone": "America/New_York",
                "patient_cap": 1,
                "patient_cap_period": "week",
                "provider_day_cap": 3,
                "cancel_late_minutes": _DAY,
                "cancel_cutoff_minutes": 2 * _HOUR,
                "reschedule_late_minutes": _DAY,
                "reschedule_cutoff_minutes": 4 * _HOUR,
                "late_cancel_price_minor": 4000,
                "late_cancel_currency": "USD",
            },
        ),
        KindOfVisit(
            visit_type=CASE_REVIEW,
            name="Case review",
            fields={"duration_minutes": 30, "modality": "phone", "booked_by": "staff"},
        ),
    ),
    LOOPBIO: (
        _FOLLOW_UP,
        KindOfVisit(
            visit_type=CONSULT,
            name="Consultation",
            fields={
                "duration_minutes": 40,
                "buffer_before_minutes": 5,
                "buffer_after_minutes": 15,
                "grid_minutes": 60,
                "notice_minutes": 2 * _DAY,
                "horizon_days": 90,
                "time_zone": "Europe/London",
                "patient_cap": 2,
                "patient_cap_period": "month",
                "cancel_late_minutes": 2 * _DAY,
                "cancel_cutoff_minutes": _HOUR,
                "late_cancel_price_minor": 3000,
                "late_cancel_currency": "GBP",
            },
        ),
        KindOfVisit(
            visit_type=LAB_REVIEW,
            name="Lab results by phone",
            fields={
                "duration_minutes": 15,
                "modality": "phone",
                "notice_minutes": 4 * _HOUR,
                "patient_cap": 1,
                "patient_cap_period": "day",
            },
        ),
    ),
}
