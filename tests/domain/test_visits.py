from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.domain.errors import HoldExpired, VersionMismatch, WrongState
from bookwell.domain.visits import (
    CANCEL,
    CHECK_IN,
    COMPLETE,
    CONFIRM,
    MARK_NO_SHOW,
    OCCUPYING,
    RESCHEDULE,
    TRANSITIONS,
    Transition,
    Visit,
    VisitStatus,
)

NOW = datetime(2027, 1, 4, 12, tzinfo=UTC)


def a_visit(
    status: VisitStatus = VisitStatus.BOOKED, *, begins_in: int = 60, version: int = 1
) -> Visit:
    starts_at = NOW + timedelta(minutes=begins_in)
    return Visit(
        visit_id="vis_1",
        brand_id="loop",
        patient_id="pat_ada",
        provider_id="prv_kim",
        slot_id="slt_1",
        status=status,
        visit_type="follow_up",
        reason=None,
        notes=None,
        cancelled_at=None,
        cancel_reason=None,
        created_at=NOW,
        updated_at=NOW,
        version=version,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=30),
    )


# CONTRACT.md section 2, decision 4, in its own words.
CONTRACT = {
    CONFIRM: {"held"},
    CANCEL: {"held", "booked"},
    RESCHEDULE: {"booked"},
    CHECK_IN: {"booked"},
    COMPLETE: {"booked", "checked_in"},
    MARK_NO_SHOW: {"booked"},
}


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda t: t.verb)
@pytest.mark.parametrize("status", VisitStatus)
def test_a_transition_starts_from_the_statuses_of_the_contract_and_no_other(
    transition: Transition, status: VisitStatus
) -> None:
    refusal = transition.refusal_of(a_visit(status, begins_in=-5), now=NOW, versions=None)

    assert (refusal is None) == (status in CONTRACT[transition])
    if (transition, status) == (CONFIRM, "expired"):
        assert isinstance(refusal, HoldExpired)
    else:
        assert refusal is None or isinstance(refusal, transition.refusal)


@given(st.integers(-10_000, 10_000))
def test_a_visit_is_a_no_show_only_once_its_slot_has_begun(minutes: int) -> None:
    refusal = MARK_NO_SHOW.refusal_of(a_visit(begins_in=minutes), now=NOW, versions=None)

    assert (refusal is None) == (minutes <= 0)


@given(version=st.integers(1, 50), wanted=st.lists(st.integers(1, 50), max_size=3))
def test_a_stale_version_is_refused_before_the_state_is_looked_at(
    version: int, wanted: list[int]
) -> None:
    refusal = CANCEL.refusal_of(
        a_visit(VisitStatus.COMPLETED, version=version), now=NOW, versions=wanted
    )

    assert isinstance(refusal, WrongState)
    assert isinstance(refusal, VersionMismatch) == (version not in wanted)


@given(
    status=st.sampled_from(VisitStatus),
    transition=st.sampled_from(TRANSITIONS),
    version=st.integers(1, 5),
    wanted=st.none() | st.lists(st.integers(1, 5), max_size=3),
    minutes=st.integers(-100, 100),
)
def test_a_change_is_refused_for_one_reason_the_first_that_holds(
    status: VisitStatus,
    transition: Transition,
    version: int,
    wanted: list[int] | None,
    minutes: int,
) -> None:
    """First what the caller saw, then whether it is too late, then where the visit stands."""
    visit = a_visit(status, begins_in=minutes, version=version)

    refusal = transition.refusal_of(visit, now=NOW, versions=wanted)

    if wanted is not None and version not in wanted:
        assert isinstance(refusal, VersionMismatch)
        assert refusal.facts == {"version": version}
    elif (transition, status) == (CONFIRM, "expired"):
        assert isinstance(refusal, HoldExpired)
    elif status not in CONTRACT[transition] or (transition is MARK_NO_SHOW and minutes > 0):
        assert isinstance(refusal, transition.refusal)
        assert refusal.facts == {"status": status}
    else:
        assert refusal is None


def test_the_audit_tells_a_confirmed_hold_from_a_booking_and_others_do_not() -> None:
    assert {t.verb: t.audit_type for t in TRANSITIONS} == {
        "confirm": "visit.confirmed",
        "cancel": "visit.cancelled",
        "reschedule": "visit.rescheduled",
        "check_in": "visit.checked_in",
        "complete": "visit.completed",
        "mark_no_show": "visit.no_show",
    }
    assert CONFIRM.event_type == "booking.visit.created.v1"


def test_time_is_taken_while_a_visit_is_still_to_come_or_under_way() -> None:
    assert {"held", "booked", "checked_in"} == OCCUPYING


def test_every_transition_out_of_an_occupying_status_but_check_in_and_move_frees_the_time() -> None:
    freeing = {t.verb for t in TRANSITIONS if t.to_status not in OCCUPYING}

    assert freeing == {"cancel", "complete", "mark_no_show"}
