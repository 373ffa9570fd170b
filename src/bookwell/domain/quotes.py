"""What cancelling or moving a visit means now, under the terms it was booked under.

PostgreSQL says the same when it cancels: `change_visit_status` in storage/sql/visits.sql.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from bookwell.domain.errors import (
    BookwellError,
    CancellationWindowClosed,
    RescheduleWindowClosed,
    WrongState,
)
from bookwell.domain.visit_types import Terms
from bookwell.domain.visits import CANCEL, RESCHEDULE, Visit, VisitStatus


class Cutoff(StrEnum):
    """The end of the time in which a visit can be cancelled or moved."""

    CANCEL = "cancel_cutoff"
    RESCHEDULE = "reschedule_cutoff"


class Price(Struct, frozen=True, kw_only=True):
    """An amount in the currency's smallest unit (ISO 4217). Nobody here charges it."""

    amount_minor: int
    currency: str


class Quote(Struct, frozen=True, kw_only=True):
    """What a change of a visit means at one instant.

    From `free_until` on it is late, and costs `late_price`; from `allowed_until` on it is refused.
    Each is None where there is no such limit, or no price.
    """

    refusal: BookwellError | None
    is_late: bool = False
    free_until: datetime | None = None
    allowed_until: datetime | None = None
    late_price: Price | None = None

    @property
    def price(self) -> Price | None:
        """What it costs now; None where it is free."""
        return self.late_price if self.is_late else None


def cancel_quote(
    visit: Visit, terms: Terms | None, *, now: datetime, versions: Sequence[int] | None = None
) -> Quote:
    """What cancelling this visit means now. A visit without terms, or only held, has no limits."""
    refusal = CANCEL.refusal_of(visit, now=now, versions=versions)
    if refusal is not None or terms is None or visit.status is VisitStatus.HELD:
        return Quote(refusal=refusal)
    return _under_terms(
        visit.starts_at,
        now,
        late_minutes=terms.cancel_late_minutes,
        cutoff_minutes=terms.cancel_cutoff_minutes,
        closed=CancellationWindowClosed,
        rule=Cutoff.CANCEL,
        late_price=_late_price(terms),
    )


def reschedule_quote(
    visit: Visit, terms: Terms | None, *, now: datetime, versions: Sequence[int] | None = None
) -> Quote:
    """What moving this visit means now, wherever to. A visit without terms has no limits."""
    refusal = RESCHEDULE.refusal_of(visit, now=now, versions=versions)
    if refusal is not None or terms is None:
        return Quote(refusal=refusal)
    return _under_terms(
        visit.starts_at,
        now,
        late_minutes=terms.reschedule_late_minutes,
        cutoff_minutes=terms.reschedule_cutoff_minutes,
        closed=RescheduleWindowClosed,
        rule=Cutoff.RESCHEDULE,
    )


def _under_terms(
    starts_at: datetime,
    now: datetime,
    *,
    late_minutes: int,
    cutoff_minutes: int,
    closed: type[WrongState],
    rule: Cutoff,
    late_price: Price | None = None,
) -> Quote:
    free_until = _before(starts_at, late_minutes)
    allowed_until = _before(starts_at, cutoff_minutes)
    refusal: WrongState | None = None
    if allowed_until is not None and now >= allowed_until:
        refusal = closed(rule=rule, allowed_until=allowed_until)
    return Quote(
        refusal=refusal,
        is_late=free_until is not None and now >= free_until,
        free_until=free_until,
        allowed_until=allowed_until,
        late_price=late_price if free_until is not None else None,
    )


def _before(starts_at: datetime, minutes: int) -> datetime | None:
    return starts_at - timedelta(minutes=minutes) if minutes else None


def _late_price(terms: Terms) -> Price | None:
    amount, currency = terms.late_cancel_price_minor, terms.late_cancel_currency
    if amount is None or currency is None:
        return None
    return Price(amount_minor=amount, currency=currency)
