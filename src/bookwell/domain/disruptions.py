"""A provider who is out: which visits that affects, and what is to become of each."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from bookwell.domain.errors import (
    DisruptionNotOpen,
    DisruptionOutOfDate,
    InvalidInput,
    VisitsUndecided,
)
from bookwell.domain.visits import VisitStatus

# Longer than that, somebody is not out but gone, and their schedule ends.
DAYS_MAX = 92
# As many as one transaction moves within seconds; more come in several disruptions.
VISITS_MAX = 500
# What somebody can read out on the telephone.
ALTERNATIVES_MAX = 3


class DisruptionStatus(StrEnum):
    """Where a disruption stands. A preview is kept nowhere."""

    PREVIEW = "preview"
    OPEN = "open"
    COMMITTED = "committed"
    ABANDONED = "abandoned"


class Action(StrEnum):
    """What is to become of an affected visit."""

    UNDECIDED = "undecided"
    MOVE = "move"
    CANCEL = "cancel"
    LEAVE = "leave"


class Outcome(StrEnum):
    """What became of it; gone is what was cancelled, over or elsewhere before the commit."""

    MOVED = "moved"
    CANCELLED = "cancelled"
    LEFT = "left"
    GONE = "gone"


class Alternative(Struct, frozen=True, kw_only=True):
    """A slot that no booking rule stands against for a visit."""

    slot_id: str
    provider_id: str
    starts_at: datetime
    ends_at: datetime


class Wish(Struct, frozen=True, kw_only=True):
    """What staff want for a visit. `cancel_reason` is protected health information."""

    visit_id: str
    action: Action
    slot_id: str | None = None
    cancel_reason: str | None = None

    def check(self, *, place: str = "") -> None:
        """Raise InvalidInput where the action and the rest do not fit.

        It names the field, after its `place`, such as `choices[2].`, where it is one of many.
        """
        slot_id, reason = f"{place}slot_id", f"{place}reason"
        if self.action is Action.MOVE and self.slot_id is None:
            raise InvalidInput(f"{slot_id} is required to move a visit.", field=slot_id)
        if self.action is not Action.MOVE and self.slot_id is not None:
            raise InvalidInput(f"{slot_id} goes with action move only.", field=slot_id)
        if self.action is not Action.CANCEL and self.cancel_reason is not None:
            raise InvalidInput(f"{reason} goes with action cancel only.", field=reason)


class Choice(Struct, frozen=True, kw_only=True):
    """What was decided for a visit of a disruption, whose version it is since.

    `hold_expires_at` is None once the hold is over: the slot may then be somebody else's before the
    disruption is committed.
    """

    disruption_id: str
    visit_id: str
    action: Action
    slot_id: str | None
    hold_id: str | None
    hold_expires_at: datetime | None
    cancel_reason: str | None
    version: int


class DisruptedVisit(Struct, frozen=True, kw_only=True):
    """A visit that a disruption is about, at the time it had when staff last looked.

    `is_new` says that it came, or changed its time, since then. `is_affected` is False once it no
    longer lies in the time in which the provider is out.
    """

    visit_id: str
    patient_id: str
    slot_id: str
    starts_at: datetime
    ends_at: datetime
    status: VisitStatus
    visit_type: str
    is_affected: bool
    is_new: bool
    action: Action
    chosen_slot_id: str | None = None
    hold_id: str | None = None
    held_at: datetime | None = None
    hold_expires_at: datetime | None = None
    cancel_reason: str | None = None
    outcome: Outcome | None = None
    same_provider: list[Alternative] = []
    other_providers: list[Alternative] = []


class Disruption(Struct, frozen=True, kw_only=True):
    """A provider is out of the brand in [starts_at, ends_at). A preview has no id or version."""

    disruption_id: str | None
    brand_id: str
    provider_id: str
    starts_at: datetime
    ends_at: datetime
    status: DisruptionStatus
    created_at: datetime | None
    updated_at: datetime | None
    version: int | None
    visits: list[DisruptedVisit] = []


def check_out(starts_at: datetime, ends_at: datetime, *, now: datetime) -> None:
    """Raise InvalidInput, naming the field, where nobody can be out then."""
    if ends_at <= starts_at:
        raise InvalidInput("until must be after from.", field="until")
    if ends_at <= now:
        raise InvalidInput("until must not be in the past.", field="until")
    if ends_at - starts_at > timedelta(days=DAYS_MAX):
        raise InvalidInput(f"until must be within {DAYS_MAX} days of from.", field="until")


def check_number(visits: list[DisruptedVisit]) -> None:
    """Raise InvalidInput where more visits are affected than can be handled as one."""
    if len(visits) > VISITS_MAX:
        raise InvalidInput(
            f"More than {VISITS_MAX} visits are affected; take a shorter time.", field="until"
        )


def check_open(status: DisruptionStatus) -> None:
    """Raise DisruptionNotOpen where it was committed or abandoned."""
    if status is not DisruptionStatus.OPEN:
        raise DisruptionNotOpen(status=str(status))


def check_decided(visits: Iterable[DisruptedVisit], *, leave_undecided: bool) -> None:
    """Raise where a visit is affected that nobody knows of, or has decided about.

    Raises:
        DisruptionOutOfDate: Visits came, or changed their time, since staff last looked.
        VisitsUndecided: Some have no choice, and are not to be left for staff.
    """
    affected = [visit for visit in visits if visit.is_affected]
    news = [visit.visit_id for visit in affected if visit.is_new]
    if news:
        raise DisruptionOutOfDate(visits=news)
    undecided = [visit.visit_id for visit in affected if visit.action is Action.UNDECIDED]
    if undecided and not leave_undecided:
        raise VisitsUndecided(visits=undecided)
