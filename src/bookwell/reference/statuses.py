"""`statuses.md`: the state machines, drawn and as tables, from the code that runs them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bookwell.domain.errors import BookingNotCancellable, HoldExpired
from bookwell.domain.office_hours import BookingStatus, OfficeHourBooking
from bookwell.domain.visits import CONFIRM, OCCUPYING, TRANSITIONS, Transition, VisitStatus
from bookwell.reference.markdown import code, codes, fence, page, prose, table

MEANING_OF_VISIT = {
    VisitStatus.HELD: "Reserved for a patient who has not confirmed yet.",
    VisitStatus.BOOKED: "Agreed; the provider's time is taken.",
    VisitStatus.CHECKED_IN: "The patient is there.",
    VisitStatus.COMPLETED: "The visit took place.",
    VisitStatus.CANCELLED: "Called off; the time is free again.",
    VisitStatus.NO_SHOW: "The patient did not come.",
    VisitStatus.EXPIRED: "A hold that nobody confirmed in time.",
}
MEANING_OF_BOOKING = {
    BookingStatus.BOOKED: "The patient has a seat.",
    BookingStatus.CANCELLED: "The seat is free again.",
    BookingStatus.COMPLETED: "The session took place.",
    BookingStatus.NO_SHOW: "The patient did not come.",
}

# How a visit and a booking begin.
_BEGINNINGS_OF_VISIT = [("hold", VisitStatus.HELD), ("book", VisitStatus.BOOKED)]
_BEGINNINGS_OF_BOOKING = [("book", BookingStatus.BOOKED)]
# The one arrow that nobody goes along: time passes.
_EXPIRE = (VisitStatus.HELD, VisitStatus.EXPIRED, "expire")

_NOTES_ON_VISITS = (
    "A visit begins as `held` or as `booked`. One that is imported from a clinic's book begins in "
    "the status it had there. A hold is `expired` for every reader from `hold_expires_at` on, to "
    "the second, and takes no time any more. Rescheduling keeps the visit's id and its status. "
    "Where the provider's time is taken, it is taken in every brand."
)


def statuses_page(document: Mapping[str, Any]) -> str:
    """The page; `document` is the OpenAPI document, for the paths of the operations."""
    paths = paths_by_operation(document)
    return page(
        "Statuses",
        "`domain/visits.py` and `domain/office_hours.py`",
        "## A visit",
        fence("mermaid", _drawn(_BEGINNINGS_OF_VISIT, _visit_arrows())),
        "The same as tables: what each status means, and what leads from it.",
        _visit_statuses(),
        table(
            ["Change", "From", "To", "Operation", "Otherwise"],
            [*(_row_of(transition, paths) for transition in TRANSITIONS), _row_of_expiry()],
        ),
        prose(_NOTES_ON_VISITS),
        _unreached(_visit_arrows(), _BEGINNINGS_OF_VISIT, VisitStatus),
        "## An office-hour booking",
        fence("mermaid", _drawn(_BEGINNINGS_OF_BOOKING, _booking_arrows())),
        table(
            ["Status", "Meaning"],
            ([code(status), MEANING_OF_BOOKING[status]] for status in BookingStatus),
        ),
        table(
            ["Change", "From", "To", "Operation", "Otherwise"],
            [
                [
                    "cancel",
                    code(BookingStatus.BOOKED),
                    code(BookingStatus.CANCELLED),
                    paths["cancel_booking"],
                    f"412 {code(BookingNotCancellable.code)}",
                ]
            ],
        ),
        "A booking can be cancelled until its session has ended.",
        _unreached(_booking_arrows(), _BEGINNINGS_OF_BOOKING, BookingStatus),
    )


def paths_by_operation(document: Mapping[str, Any]) -> dict[str, str]:
    """`POST /v1/visits/{id}/cancel` by `cancel_visit`, and so on."""
    return {
        operation["operationId"]: f"`{method.upper()} {path}`"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _visit_arrows() -> list[tuple[str, str, str]]:
    walked: list[tuple[str, str, str]] = [
        (start, transition.to_status, transition.verb)
        for transition in TRANSITIONS
        for start in VisitStatus
        if start in transition.from_statuses
    ]
    return [*walked, _EXPIRE]


def _booking_arrows() -> list[tuple[str, str, str]]:
    """Found by asking the domain about a booking in each status, in the middle of its session."""
    now = datetime(2026, 1, 5, 9, tzinfo=UTC)
    return [
        (status, BookingStatus.CANCELLED, "cancel")
        for status in BookingStatus
        if _booking_in(status, now).is_cancellable(now=now + timedelta(minutes=1))
    ]


def _booking_in(status: BookingStatus, slot_at: datetime) -> OfficeHourBooking:
    return OfficeHourBooking(
        booking_id="",
        brand_id="",
        office_hour_id="",
        coach_id="",
        patient_id="",
        slot_at=slot_at,
        duration_minutes=30,
        status=status,
        notes=None,
        created_at=slot_at,
        version=1,
    )


def _drawn(beginnings: Sequence[tuple[str, str]], arrows: list[tuple[str, str, str]]) -> str:
    ends = {to for _, to, _ in arrows} - {start for start, _, _ in arrows}
    lines = [
        "stateDiagram-v2",
        *(f"    [*] --> {first} : {verb}" for verb, first in beginnings),
        *(f"    {start} --> {to} : {verb}" for start, to, verb in arrows),
        *(f"    {end} --> [*]" for end in sorted(ends)),
    ]
    return "\n".join(lines)


def _visit_statuses() -> str:
    return table(
        ["Status", "Meaning", "Takes the provider's time"],
        (
            [code(status), MEANING_OF_VISIT[status], "yes" if status in OCCUPYING else "no"]
            for status in VisitStatus
        ),
    )


def _row_of(transition: Transition, paths: Mapping[str, str]) -> list[str]:
    operation = paths.get(f"{transition.verb}_visit") or paths[transition.verb]
    otherwise = f"412 {code(transition.refusal.code)}"
    if transition is CONFIRM:
        otherwise += f"; 410 {code(HoldExpired.code)} where it is {code(VisitStatus.EXPIRED)}"
    starts = codes(status for status in VisitStatus if status in transition.from_statuses)
    return [
        transition.verb,
        f"{starts}, once the visit has begun" if transition.only_once_begun else starts,
        code(transition.to_status),
        operation,
        otherwise,
    ]


def _row_of_expiry() -> list[str]:
    start, end, verb = _EXPIRE
    return [verb, code(start), code(end), "none: its time is over", ""]


def _unreached(
    arrows: list[tuple[str, str, str]],
    beginnings: Sequence[tuple[str, str]],
    statuses: type[VisitStatus] | type[BookingStatus],
) -> str:
    reached = {first for _, first in beginnings} | {to for _, to, _ in arrows}
    missing = [status for status in statuses if status not in reached]
    if not missing:
        return ""
    return f"No operation leads to {codes(missing)} yet; the words are kept for what comes."
