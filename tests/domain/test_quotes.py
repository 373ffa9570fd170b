"""What cancelling or moving a visit means under its terms: from when it is late, and refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.domain.errors import (
    CancellationWindowClosed,
    RescheduleWindowClosed,
    VersionMismatch,
    VisitNotCancellable,
    VisitNotReschedulable,
)
from bookwell.domain.quotes import Price, Quote, cancel_quote, reschedule_quote
from bookwell.domain.visit_types import Terms
from bookwell.domain.visits import Visit, VisitStatus

START = datetime(2027, 1, 4, 12, tzinfo=UTC)
LATE, CUTOFF = timedelta(days=1), timedelta(hours=2)
SECOND = timedelta(seconds=1)
FEE = Price(amount_minor=2500, currency="EUR")

Ask = Callable[[Visit, Terms | None, datetime], Quote]
ASK: dict[str, Ask] = {
    "cancel": lambda visit, terms, now: cancel_quote(visit, terms, now=now),
    "reschedule": lambda visit, terms, now: reschedule_quote(visit, terms, now=now),
}
CLOSED = {"cancel": CancellationWindowClosed, "reschedule": RescheduleWindowClosed}


def a_visit(status: str = "booked") -> Visit:
    return Visit(
        visit_id="vis_1",
        brand_id="loop",
        patient_id="pat_ada",
        provider_id="prv_kim",
        slot_id="slt_1",
        status=VisitStatus(status),
        visit_type="follow_up",
        reason=None,
        notes=None,
        cancelled_at=None,
        cancel_reason=None,
        created_at=START,
        updated_at=START,
        version=3,
        starts_at=START,
        ends_at=START + timedelta(minutes=30),
    )


def terms(verb: str, late: timedelta, cutoff: timedelta) -> Terms:
    """Terms with these limits for the verb, and none for the other."""
    minute = timedelta(minutes=1)
    plain = Terms(
        duration_minutes=30,
        late_cancel_price_minor=FEE.amount_minor,
        late_cancel_currency=FEE.currency,
    )
    return plain.with_fields(
        {f"{verb}_late_minutes": late // minute, f"{verb}_cutoff_minutes": cutoff // minute}
    )


@pytest.mark.parametrize("verb", ASK)
def test_limits_are_kept_to_the_second(verb: str) -> None:
    visit, under = a_visit(), terms(verb, LATE, CUTOFF)

    def asked(before_start: timedelta) -> Quote:
        return ASK[verb](visit, under, START - before_start)

    assert not asked(LATE + SECOND).is_late
    assert asked(LATE).is_late
    assert asked(CUTOFF + SECOND).refusal is None
    refusal = asked(CUTOFF).refusal
    assert type(refusal) is CLOSED[verb]
    assert refusal.facts == {"rule": f"{verb}_cutoff", "allowed_until": START - CUTOFF}


@pytest.mark.parametrize("verb", ASK)
@pytest.mark.parametrize("before_start", [LATE * 2, LATE, CUTOFF, -CUTOFF])
def test_a_quote_says_both_limits_whatever_the_time(verb: str, before_start: timedelta) -> None:
    quote = ASK[verb](a_visit(), terms(verb, LATE, CUTOFF), START - before_start)

    assert (quote.free_until, quote.allowed_until) == (START - LATE, START - CUTOFF)


def test_a_late_cancellation_costs_what_the_terms_say_and_an_early_one_nothing() -> None:
    under = terms("cancel", LATE, CUTOFF)

    early = cancel_quote(a_visit(), under, now=START - LATE - SECOND)
    late = cancel_quote(a_visit(), under, now=START - LATE)

    assert (early.price, early.late_price) == (None, FEE)
    assert (late.price, late.late_price) == (FEE, FEE)


def test_nothing_is_asked_for_moving_late() -> None:
    quote = reschedule_quote(a_visit(), terms("reschedule", LATE, CUTOFF), now=START)

    assert (quote.is_late, quote.price, quote.late_price) == (True, None, None)


@pytest.mark.parametrize("verb", ASK)
@pytest.mark.parametrize("under", [None, Terms(duration_minutes=30)])
@given(ahead=st.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_without_terms_or_limits_only_the_status_counts(
    verb: str, under: Terms | None, ahead: timedelta
) -> None:
    assert ASK[verb](a_visit(), under, START - ahead) == Quote(refusal=None)


def test_a_price_without_a_time_from_which_on_it_is_late_is_never_asked() -> None:
    quote = cancel_quote(a_visit(), terms("cancel", timedelta(0), CUTOFF), now=START)

    assert (quote.is_late, quote.price, quote.late_price, quote.free_until) == (
        False,
        None,
        None,
        None,
    )


def test_a_held_visit_is_let_go_freely_to_the_last() -> None:
    quote = cancel_quote(a_visit("held"), terms("cancel", LATE, CUTOFF), now=START - SECOND)

    assert quote == Quote(refusal=None)


@pytest.mark.parametrize("status", ["checked_in", "completed", "cancelled", "no_show", "expired"])
def test_the_status_is_told_before_any_limit(status: str) -> None:
    for verb, refusal in (("cancel", VisitNotCancellable), ("reschedule", VisitNotReschedulable)):
        quote = ASK[verb](a_visit(status), terms(verb, LATE, CUTOFF), START)

        assert isinstance(quote.refusal, refusal)
        assert quote.refusal.facts == {"status": status}
        assert (quote.is_late, quote.allowed_until, quote.free_until) == (False, None, None)


def test_a_version_that_is_not_named_is_told_before_any_limit() -> None:
    for ask in (cancel_quote, reschedule_quote):
        quote = ask(a_visit(), terms("cancel", LATE, CUTOFF), now=START, versions=[2])

        assert isinstance(quote.refusal, VersionMismatch)
