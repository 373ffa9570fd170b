"""The visit and its state machine (CONTRACT.md section 2, decisions 3 and 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from bookwell.domain.errors import (
    BookwellError,
    VersionMismatch,
    VisitNotCancellable,
    VisitNotCompletable,
    VisitNotMissed,
    VisitNotReadyForCheckIn,
    VisitNotReschedulable,
    WrongState,
)


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
    of the visit's newest event.
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


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow of the state machine: where it leads, where it may start, how it is refused."""

    verb: str
    to_status: VisitStatus
    from_statuses: frozenset[VisitStatus]
    refusal: type[WrongState]
    only_once_begun: bool = False

    def refusal_of(
        self, visit: Visit, *, now: datetime, versions: Sequence[int] | None
    ) -> BookwellError | None:
        """Why this change of this visit is refused, or None where it is allowed."""
        if versions is not None and visit.version not in versions:
            return VersionMismatch(version=visit.version)
        begun = visit.starts_at <= now
        if visit.status not in self.from_statuses or (self.only_once_begun and not begun):
            return self.refusal(status=str(visit.status))
        return None


CANCEL = Transition(
    "cancel",
    VisitStatus.CANCELLED,
    frozenset({VisitStatus.HELD, VisitStatus.BOOKED}),
    VisitNotCancellable,
)
RESCHEDULE = Transition(
    "reschedule", VisitStatus.BOOKED, frozenset({VisitStatus.BOOKED}), VisitNotReschedulable
)
CHECK_IN = Transition(
    "check_in", VisitStatus.CHECKED_IN, frozenset({VisitStatus.BOOKED}), VisitNotReadyForCheckIn
)
COMPLETE = Transition(
    "complete",
    VisitStatus.COMPLETED,
    frozenset({VisitStatus.BOOKED, VisitStatus.CHECKED_IN}),
    VisitNotCompletable,
)
MARK_NO_SHOW = Transition(
    "mark_no_show",
    VisitStatus.NO_SHOW,
    frozenset({VisitStatus.BOOKED}),
    VisitNotMissed,
    only_once_begun=True,
)

# The whole state machine. docs/reference/statuses.md is drawn from it.
TRANSITIONS = (CANCEL, RESCHEDULE, CHECK_IN, COMPLETE, MARK_NO_SHOW)
