"""What is looked for after a race, each with a service that would have failed it."""

import pytest
from msgspec import structs

from bookwell.prove.acknowledged import lost_acknowledgements, unasked_bookings
from bookwell.prove.aftermath import FoundJournal, FoundSeat, FoundSession, overlapping
from bookwell.prove.checks import all_checks
from bookwell.prove.conflicts import false_conflicts
from bookwell.prove.history import Answer, Operation
from bookwell.prove.report import Check
from histories import COACH, TEN, WORLD, Told, found, found_visit

BOOK, HOLD, CANCEL = Operation.BOOK, Operation.HOLD, Operation.CANCEL


@pytest.fixture
def told() -> Told:
    return Told()


def named(checks: list[Check], name: str) -> Check:
    (check,) = [each for each in checks if each.name == name]
    return check


def test_a_change_that_is_there_as_it_was_acknowledged_is_not_lost(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    told.won(CANCEL, (2, 3), "v1", "later", version=2)

    there = found(found_visit("v1", "later", "cancelled", 2))

    assert lost_acknowledgements(told.attempts, there).holds is True
    assert unasked_bookings(told.attempts, there).holds is True


@pytest.mark.parametrize(
    ("slot_id", "status", "version"),
    [("later", "booked", 1), ("whole", "cancelled", 2), ("later", "booked", 3)],
    ids=["the last change is missing", "it is elsewhere", "somebody changed it again"],
)
def test_a_visit_that_is_not_as_the_last_acknowledged_change_left_it_is_lost(
    told: Told, slot_id: str, status: str, version: int
) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    last = told.won(CANCEL, (2, 3), "v1", "later", version=2)

    check = lost_acknowledgements(told.attempts, found(found_visit("v1", slot_id, status, version)))

    assert (check.holds, check.found, check.calls) == (False, 1, [last.number])


def test_a_booking_that_is_not_there_at_all_is_lost(told: Told) -> None:
    booked = told.won(BOOK, (0, 1), "v1", "later")

    check = lost_acknowledgements(told.attempts, found())

    assert (check.holds, check.calls) == (False, [booked.number])
    assert check.sentence == "v1 was acknowledged as booked (version 1) and is not there."


def test_a_call_without_an_answer_may_have_changed_a_visit_once(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    told.add(CANCEL, (2, None), visit_id="v1")

    once = found(found_visit("v1", "later", "cancelled", 2))
    twice = found(found_visit("v1", "later", "cancelled", 3))

    assert lost_acknowledgements(told.attempts, once).holds is True
    assert lost_acknowledgements(told.attempts, twice).holds is False


@pytest.mark.parametrize("version", [1, 2])
def test_a_hold_may_have_expired_by_itself(told: Told, version: int) -> None:
    told.won(HOLD, (0, 1), "v1", "later", hold_seconds=3)

    there = found(found_visit("v1", "later", "expired", version))

    assert lost_acknowledgements(told.attempts, there).holds is True


def test_a_visit_that_nobody_was_told_of_is_one_too_many(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")

    check = unasked_bookings(
        told.attempts,
        found(found_visit("v1", "later", "booked", 1), found_visit("v2", "whole", "booked", 1)),
    )

    assert (check.holds, check.found) == (False, 1)
    assert check.sentence == "v2 is there, and nobody was told of it."


def test_a_call_without_an_answer_explains_one_visit_of_its_patient_and_slot(told: Told) -> None:
    told.add(BOOK, (0, None), slot_id="later")
    one, two = found_visit("v1", "later", "booked", 1), found_visit("v2", "later", "cancelled", 2)
    of_bob = found_visit("v3", "later", "booked", 1, patient_id="pat_bob")

    assert unasked_bookings(told.attempts, found(one)).holds is True
    assert unasked_bookings(told.attempts, found(one, two)).holds is False
    assert unasked_bookings(told.attempts, found(of_bob)).holds is False


def seat(status: str) -> FoundSeat:
    return FoundSeat(
        booking_id="b1", coach_id=COACH, slot_at=TEN, patient_id="pat_ada", status=status
    )


def test_a_seat_is_as_it_was_left(told: Told) -> None:
    told.seated((0, 1), "b1", "pat_ada")

    assert lost_acknowledgements(told.attempts, found(seats=[seat("booked")])).holds is True
    assert lost_acknowledgements(told.attempts, found(seats=[seat("cancelled")])).holds is False
    assert lost_acknowledgements(told.attempts, found(seats=[])).holds is False

    told.left((2, 3), "b1")

    assert lost_acknowledgements(told.attempts, found(seats=[seat("cancelled")])).holds is True
    assert lost_acknowledgements(told.attempts, found(seats=[seat("booked")])).holds is False


def test_overlapping_visits_are_a_double_booking_that_names_their_calls(told: Told) -> None:
    one = told.won(BOOK, (0, 1), "v1", "first_half")
    other = told.won(BOOK, (0, 1), "v2", "whole")
    visits = [found_visit("v1", "first_half", "booked", 1), found_visit("v2", "whole", "booked", 1)]

    overlaps = list(overlapping(visits))
    check = named(all_checks(told.history, found(*visits, overlaps=overlaps)), "double bookings")

    assert overlaps == [("v1", "v2")]
    assert (check.holds, check.found, check.calls) == (False, 1, [one.number, other.number])


def test_two_visits_that_had_one_time_at_once_are_found_though_both_are_over(told: Told) -> None:
    one = told.won(BOOK, (0, 1), "v1", "first_half")
    other = told.won(BOOK, (2, 3), "v2", "whole")
    for visit_id, slot_id, at in (("v1", "first_half", (4, 5)), ("v2", "whole", (6, 7))):
        told.won(CANCEL, at, visit_id, slot_id, version=2)

    check = named(all_checks(told.history, found()), "double bookings")

    assert (check.holds, check.found, check.calls) == (False, 1, [one.number, other.number])
    assert check.sentence.endswith("had the same provider at once, 3.000 seconds into the race.")


def test_two_visits_that_may_have_followed_each_other_are_no_double_booking(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "first_half")
    told.won(CANCEL, (2, 5), "v1", "first_half", version=2)
    told.won(HOLD, (3, 4), "v2", "whole", hold_seconds=3)
    told.won(BOOK, (6.5, 7), "v3", "whole")
    # Nobody knows whether this was done.
    told.add(CANCEL, (8, None), visit_id="v3")
    told.won(BOOK, (9, 10), "v4", "whole")

    assert named(all_checks(told.history, found()), "double bookings").holds is True


def test_visits_that_touch_or_are_over_or_of_another_provider_do_not_overlap() -> None:
    booked = [("first_half", "booked"), ("second_half", "held"), ("of_lee", "booked")]
    visits = [found_visit(f"v_{slot_id}", slot_id, status, 1) for slot_id, status in booked]
    over = [found_visit("v_over", "whole", status, 2) for status in ("cancelled", "expired")]

    assert list(overlapping([*visits, *over])) == []


@pytest.mark.parametrize(
    ("taken", "sitting", "holds"), [(2, 2, True), (2, 1, False), (1, 2, False), (3, 3, False)]
)
def test_a_session_counts_the_seats_that_are_taken_and_has_no_more(
    told: Told, taken: int, sitting: int, holds: bool
) -> None:
    session = FoundSession(coach_id=COACH, slot_at=TEN, capacity=2, seats_taken=taken)
    seats = [
        FoundSeat(
            booking_id=f"b{n}", coach_id=COACH, slot_at=TEN, patient_id=f"p{n}", status="booked"
        )
        for n in range(sitting)
    ]

    checks = all_checks(told.history, found(sessions=[session], seats=seats))

    assert named(checks, "seats within capacity").holds is holds


def test_without_the_database_acknowledged_seats_are_counted(told: Told) -> None:
    told.seated((0, 1), "b1", "pat_ada")
    told.seated((0, 1), "b2", "pat_bob")
    told.left((2, 3), "b2")
    right = FoundSession(coach_id=COACH, slot_at=TEN, capacity=2, seats_taken=1)
    wrong = FoundSession(coach_id=COACH, slot_at=TEN, capacity=2, seats_taken=2)

    for session, holds in ((right, True), (wrong, False)):
        checks = all_checks(told.history, found(sessions=[session]))

        assert named(checks, "seats within capacity").holds is holds


@pytest.mark.parametrize(
    ("events", "audits", "is_whole", "holds"),
    [(2, 2, True, True), (1, 2, True, False), (2, 3, True, False), (2, 2, False, False)],
)
def test_each_change_has_one_event_in_order_and_one_audit_row(
    told: Told, events: int, audits: int, is_whole: bool, holds: bool
) -> None:
    row = FoundJournal(entity_id="v1", version=2, events=events, audits=audits, is_whole=is_whole)

    checks = all_checks(told.history, found(journal=[row]))

    assert named(checks, "events and audit rows").holds is holds


def test_without_the_database_events_and_audit_rows_stay_open(told: Told) -> None:
    check = named(all_checks(told.history, found()), "events and audit rows")

    assert (check.holds, check.found) == (None, None)


def test_a_refusal_that_a_visit_explains_is_no_false_conflict(told: Told) -> None:
    told.won(BOOK, (0, 3), "v1", "first_half")
    told.refused(BOOK, (1, 2), "slot_unavailable", slot_id="whole")
    # Its own slot is nowhere to move to.
    told.refused(
        Operation.RESCHEDULE, (4, 5), "slot_unavailable", visit_id="v1", slot_id="first_half"
    )

    assert false_conflicts(WORLD, told.attempts).holds is True


@pytest.mark.parametrize("at", [(0.0, 0.5), (8.0, 9.0)], ids=["before anybody", "after everybody"])
def test_a_refusal_that_nobody_explains_is_a_false_conflict(
    told: Told, at: tuple[float, float]
) -> None:
    told.won(BOOK, (1, 2), "v1", "later")
    told.won(CANCEL, (6, 7), "v1", "later", version=2)
    told.refused(BOOK, (3, 4), "slot_unavailable", slot_id="later")
    false = told.refused(BOOK, at, "slot_unavailable", slot_id="later")

    check = false_conflicts(WORLD, told.attempts)

    assert (check.holds, check.found, check.calls) == (False, 1, [false.number])


def test_a_hold_explains_refusals_until_it_ends(told: Told) -> None:
    told.won(HOLD, (0, 1), "v1", "later", hold_seconds=3)
    told.refused(BOOK, (3, 3.5), "slot_unavailable", slot_id="later")
    late = told.refused(BOOK, (5, 6), "slot_unavailable", slot_id="later")

    assert false_conflicts(WORLD, told.attempts).calls == [late.number]


@pytest.mark.parametrize(
    ("status", "error"), [(404, "not_found"), (400, "validation_error"), (409, "already_exists")]
)
def test_an_answer_that_the_contract_does_not_name_there_is_wrong(
    told: Told, status: int, error: str
) -> None:
    told.refused(BOOK, (0, 1), "rate_limited", status=429, slot_id="later")
    strange = told.refused(BOOK, (0, 1), error, status=status, slot_id="later")

    check = named(all_checks(told.history, found()), "answers of the contract")

    assert (check.holds, check.calls) == (False, [strange.number])
    assert check.sentence == f"call {strange.number} (book) was answered with {status} {error}."


def test_a_call_that_nobody_ever_answered_leaves_the_run_open(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    lost = told.add(BOOK, (2, None), slot_id="whole")

    check = named(all_checks(told.history, found()), "every call resolved")

    assert (check.holds, check.found, check.calls) == (None, 1, [lost.number])


def test_a_run_in_which_nobody_won_or_nobody_lost_proves_nothing(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")

    assert named(all_checks(told.history, found()), "a race").holds is False

    told.refused(BOOK, (2, 3), "slot_unavailable", slot_id="later")

    assert named(all_checks(told.history, found()), "a race").holds is True


@pytest.mark.parametrize(("is_replay", "holds"), [(True, True), (False, False)])
def test_only_a_replay_can_have_happened_before_the_retry(
    told: Told, is_replay: bool, holds: bool
) -> None:
    lost = told.add(BOOK, (0, None), slot_id="later")
    told.refused(BOOK, (3, 4), "slot_unavailable", slot_id="later")
    said = Answer(
        at=9,
        status=201,
        id="v1",
        state="booked",
        slot_id="later",
        version=1,
        is_replay=is_replay,
    )
    told.attempts[0] = structs.replace(lost, resolve_called_at=8.0, resolved=said)

    checks = all_checks(told.history, found())

    assert named(checks, "linearizable").holds is holds
    assert named(checks, "false conflicts").holds is holds
    assert named(checks, "every call resolved").holds is True
