"""The visit and its state machine (CONTRACT.md section 2, decisions 3 and 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from bookwell.domain.errors import (
    BookwellError,
    HoldExpired,
    VersionMismatch,
    VisitNotCancellable,
    VisitNotCompletable,
    VisitNotConfirmable,
    VisitNotMissed,
    VisitNotReadyForCheckIn,
    VisitNotReschedulable,
    WrongState,
)
from bookwell.domain.holds import HoldTerms


class VisitStatus(StrEnum):
    """Where a visit stands."""

    HELD = "held"
    BOOKED = "booked"
    CHECKED_IN = "checked_in"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    EXPIRED = "expired"


# The provider's time is taken in these. The constraint visit_provider_no_overlap says the same.
OCCUPYING = frozenset({VisitStatus.HELD, VisitStatus.BOOKED, VisitStatus.CHECKED_IN})


class Visit(Struct, frozen=True, kw_only=True):
    """One patient with one provider at one time.

    `reason`, `notes` and `cancel_reason` are protected health information: they go to the caller
    and to the database, and nowhere else. `version` counts the changes from 1, and is the number
    of the visit's newest event. `hold_expires_at` is there while it is held, and once expired.
    `cancelled_late` says whether it was cancelled late, if it was cancelled under terms.
    """

    visit_id: str
    brand_id: str
    patient_id: str
    provider_id: str
    slot_id: str
    status: VisitStatus
    visit_type: str
    reason: str | None
    notes: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None
    created_at: datetime
    updated_at: datetime
    version: int
    starts_at: datetime
    ends_at: datetime
    hold_expires_at: datetime | None = None
    cancelled_late: bool | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow of the state machine: where it leads, where it may start, how it is refused.

    `event_type` is the fact that others hear of.
    """

    verb: str
    to_status: VisitStatus
    from_statuses: frozenset[VisitStatus]
    refusal: type[WrongState]
    event_type: str
    only_once_begun: bool = False

    @property
    def audit_type(self) -> str:
        """What the audit calls it; a confirmed hold is there confirmed, and for others created."""
        if self.verb == "confirm":
            return "visit.confirmed"
        return self.event_type.removeprefix("booking.").removesuffix(".v1")

    def refusal_of(
        self, visit: Visit, *, now: datetime, versions: Sequence[int] | None
    ) -> BookwellError | None:
        """Why this change of this visit is refused, or None where it is allowed."""
        if versions is not None and visit.version not in versions:
            return VersionMismatch(version=visit.version)
        if self is CONFIRM and visit.status is VisitStatus.EXPIRED:
            return HoldExpired(expired_at=visit.hold_expires_at)
        begun = visit.starts_at <= now
        if visit.status not in self.from_statuses or (self.only_once_begun and not begun):
            return self.refusal(status=str(visit.status))
        return None


CONFIRM = Transition(
    "confirm",
    VisitStatus.BOOKED,
    frozenset({VisitStatus.HELD}),
    VisitNotConfirmable,
    "booking.visit.created.v1",
)
CANCEL = Transition(
    "cancel",
    VisitStatus.CANCELLED,
    frozenset({VisitStatus.HELD, VisitStatus.BOOKED}),
    VisitNotCancellable,
    "booking.visit.cancelled.v1",
)
RESCHEDULE = Transition(
    "reschedule",
    VisitStatus.BOOKED,
    frozenset({VisitStatus.BOOKED}),
    VisitNotReschedulable,
    "booking.visit.rescheduled.v1",
)
CHECK_IN = Transition(
    "check_in",
    VisitStatus.CHECKED_IN,
    frozenset({VisitStatus.BOOKED}),
    VisitNotReadyForCheckIn,
    "booking.visit.checked_in.v1",
)
COMPLETE = Transition(
    "complete",
    VisitStatus.COMPLETED,
    frozenset({VisitStatus.BOOKED, VisitStatus.CHECKED_IN}),
    VisitNotCompletable,
    "booking.visit.completed.v1",
)
MARK_NO_SHOW = Transition(
    "mark_no_show",
    VisitStatus.NO_SHOW,
    frozenset({VisitStatus.BOOKED}),
    VisitNotMissed,
    "booking.visit.no_show.v1",
    only_once_begun=True,
)

# The whole state machine but its beginnings (booking, holding) and the end of a hold that nobody
# confirms. docs/reference/statuses.md is drawn from it.
TRANSITIONS = (CONFIRM, CANCEL, RESCHEDULE, CHECK_IN, COMPLETE, MARK_NO_SHOW)


class Wanted(Struct, frozen=True, kw_only=True):
    """A slot wanted for a patient; with terms to hold it, without to book it.

    `override_reason` is the clinic's code for why policy is overruled here; None overrules nothing.
    """

    patient_id: str
    slot_id: str
    visit_type: str
    provider_id: str | None = None
    reason: str | None = None
    notes: str | None = None
    terms: HoldTerms | None = None
    override_reason: str | None = None


class Change(Struct, frozen=True, kw_only=True):
    """A visit to be taken along a transition.

    `versions` are those it may have, `patient_id`, `slot_id` and `provider_id` those it must have;
    None accepts any. What else is given replaces the visit's own. `override_reason` as in Wanted.
    """

    visit_id: str
    transition: Transition
    versions: Sequence[int] | None = None
    patient_id: str | None = None
    slot_id: str | None = None
    provider_id: str | None = None
    cancel_reason: str | None = None
    visit_type: str | None = None
    reason: str | None = None
    notes: str | None = None
    override_reason: str | None = None
