from datetime import UTC, datetime, timedelta

import pytest

from bookwell.domain.disruptions import (
    DAYS_MAX,
    VISITS_MAX,
    Action,
    DisruptedVisit,
    DisruptionStatus,
    Wish,
    check_decided,
    check_number,
    check_open,
    check_out,
)
from bookwell.domain.errors import (
    DisruptionNotOpen,
    DisruptionOutOfDate,
    InvalidInput,
    VisitsUndecided,
)
from bookwell.domain.visits import VisitStatus

NOW = datetime(2031, 1, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def visit(
    visit_id: str, action: Action = Action.LEAVE, *, is_new: bool = False, is_affected: bool = True
) -> DisruptedVisit:
    return DisruptedVisit(
        visit_id=visit_id,
        patient_id="pat_ada",
        slot_id="slt_1",
        starts_at=NOW,
        ends_at=NOW + HOUR,
        status=VisitStatus.BOOKED,
        visit_type="follow_up",
        is_affected=is_affected,
        is_new=is_new,
        action=action,
    )


def test_who_is_out_now_may_have_been_out_for_a_while() -> None:
    check_out(NOW - HOUR, NOW + HOUR, now=NOW)


@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [
        (NOW + HOUR, NOW + HOUR),
        (NOW + 2 * HOUR, NOW + HOUR),
        (NOW - 2 * HOUR, NOW),
        (NOW, NOW + timedelta(days=DAYS_MAX, microseconds=1)),
    ],
)
def test_nobody_is_out_backwards_in_the_past_or_for_a_season(
    starts_at: datetime, ends_at: datetime
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_out(starts_at, ends_at, now=NOW)

    assert refusal.value.facts == {"field": "until"}


def test_more_visits_than_go_as_one_are_refused() -> None:
    check_number([visit(str(n)) for n in range(VISITS_MAX)])

    with pytest.raises(InvalidInput):
        check_number([visit(str(n)) for n in range(VISITS_MAX + 1)])


@pytest.mark.parametrize(
    "wish",
    [
        Wish(visit_id="vis_1", action=Action.MOVE, slot_id="slt_1"),
        Wish(visit_id="vis_1", action=Action.CANCEL),
        Wish(visit_id="vis_1", action=Action.CANCEL, cancel_reason="ill"),
        Wish(visit_id="vis_1", action=Action.LEAVE),
        Wish(visit_id="vis_1", action=Action.UNDECIDED),
    ],
)
def test_what_can_be_wanted_for_a_visit(wish: Wish) -> None:
    wish.check()


@pytest.mark.parametrize("status", [DisruptionStatus.COMMITTED, DisruptionStatus.ABANDONED])
def test_what_is_closed_stays_closed(status: DisruptionStatus) -> None:
    check_open(DisruptionStatus.OPEN)

    with pytest.raises(DisruptionNotOpen) as refusal:
        check_open(status)

    assert refusal.value.facts == {"status": str(status)}


def test_a_visit_that_nobody_saw_is_told_before_one_that_is_undecided() -> None:
    visits = [visit("a", Action.UNDECIDED), visit("b", is_new=True), visit("c", Action.MOVE)]

    for leave_undecided in (True, False):
        with pytest.raises(DisruptionOutOfDate) as refusal:
            check_decided(visits, leave_undecided=leave_undecided)
        assert refusal.value.facts == {"visits": ["b"]}


def test_what_is_undecided_is_left_only_if_that_is_said() -> None:
    visits = [visit("a", Action.UNDECIDED), visit("b", Action.CANCEL)]

    check_decided(visits, leave_undecided=True)
    with pytest.raises(VisitsUndecided) as refusal:
        check_decided(visits, leave_undecided=False)

    assert refusal.value.facts == {"visits": ["a"]}


def test_what_is_not_affected_any_more_needs_no_decision() -> None:
    check_decided([visit("a", Action.UNDECIDED, is_affected=False)], leave_undecided=False)
