"""The checker: which histories some order of the calls explains, and which none does."""

import pytest

from bookwell.prove.history import Attempt, Operation
from bookwell.prove.order import linearizable
from bookwell.prove.report import Check
from histories import COACH, TEN, Told

BOOK, HOLD, CANCEL, CONFIRM = Operation.BOOK, Operation.HOLD, Operation.CANCEL, Operation.CONFIRM
RESCHEDULE, BOOK_HELD = Operation.RESCHEDULE, Operation.BOOK_HELD
TAKEN = "slot_unavailable"


@pytest.fixture
def told() -> Told:
    return Told()


def judged(told: Told) -> Check:
    return linearizable(told.history)


def refused_for(check: Check, attempt: Attempt) -> bool:
    """Whether the check failed and names this call first."""
    return check.holds is False and check.calls[0] == attempt.number


def test_a_race_with_one_winner_has_an_order(told: Told) -> None:
    told.won(BOOK, (0, 3), "v1", "first_half")
    # It heard of the winner before the winner did.
    told.refused(BOOK, (0, 1), TAKEN, slot_id="first_half")
    told.refused(HOLD, (1, 5), TAKEN, slot_id="whole")

    assert judged(told).holds is True


def test_two_winners_of_one_time_have_none(told: Told) -> None:
    told.won(BOOK, (0, 3), "v1", "first_half")
    second = told.won(BOOK, (1, 4), "v2", "first_half")

    assert refused_for(judged(told), second)


def test_two_winners_of_times_that_overlap_have_none(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "first_half")
    told.won(BOOK, (0, 1), "v2", "second_half")
    third = told.won(HOLD, (0, 2), "v3", "whole", hold_seconds=10)

    assert refused_for(judged(told), third)


def test_two_times_that_only_touch_are_both_won(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "first_half")
    told.won(BOOK, (0, 1), "v2", "second_half")
    told.won(BOOK, (0, 1), "v3", "of_lee")

    assert judged(told).holds is True


def test_a_lost_race_that_nobody_won_has_none(told: Told) -> None:
    loser = told.refused(BOOK, (0, 1), TAKEN, slot_id="later")

    assert refused_for(judged(told), loser)


def test_a_refusal_after_the_time_was_given_back_has_none(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    told.won(CANCEL, (2, 3), "v1", "later", version=2)
    loser = told.refused(BOOK, (4, 5), TAKEN, slot_id="later")

    assert refused_for(judged(told), loser)


def test_a_refusal_while_the_time_is_given_back_has_one(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    told.won(CANCEL, (2, 4.5), "v1", "later", version=2)
    told.refused(BOOK, (4, 5), TAKEN, slot_id="later")
    told.won(BOOK, (4, 6), "v2", "later")

    assert judged(told).holds is True


def test_a_winner_before_the_time_was_given_back_has_none(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    early = told.won(BOOK, (2, 3), "v2", "later")
    told.won(CANCEL, (4, 5), "v1", "later", version=2)

    assert refused_for(judged(told), early)


def test_a_stale_read_has_none(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    told.won(CANCEL, (2, 3), "v1", "later", version=2)
    stale = told.read((4, 5), "v1", "booked", "later", 1)

    assert refused_for(judged(told), stale)


def test_a_read_that_overlaps_the_change_may_see_either(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    told.won(CANCEL, (2, 5), "v1", "later", version=2)
    told.read((3, 4), "v1", "booked", "later", 1)
    told.read((3, 4), "v1", "cancelled", "later", 2)

    assert judged(told).holds is True


def test_reads_that_go_back_in_time_have_none(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    told.won(CANCEL, (2, 9), "v1", "later", version=2)
    told.read((3, 4), "v1", "cancelled", "later", 2)
    back = told.read((5, 6), "v1", "booked", "later", 1)

    assert refused_for(judged(told), back)


def test_a_success_that_was_never_there_has_none(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    ghost = told.won(BOOK, (2, 3), "v2", "later")
    told.read((4, 5), "v1", "booked", "later", 1)

    assert refused_for(judged(told), ghost)


def test_a_visit_that_is_cancelled_twice_has_none(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    told.won(CANCEL, (2, 4), "v1", "later", version=2)
    twice = told.won(CANCEL, (3, 5), "v1", "later", version=2)

    assert refused_for(judged(told), twice)


def test_a_change_that_skips_a_version_has_none(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    skips = told.won(CANCEL, (2, 3), "v1", "later", version=3)

    assert refused_for(judged(told), skips)


def test_an_answer_in_another_state_than_asked_for_has_none(told: Told) -> None:
    said = {"status": 201, "id": "v1", "state": "held", "slot_id": "later", "version": 1}
    wrong = told.add(BOOK, (0, 1), slot_id="later", answer=said)

    assert refused_for(judged(told), wrong)


def test_a_move_frees_the_old_time_and_takes_the_new_in_one_step(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "first_half")
    told.won(RESCHEDULE, (2, 5), "v1", "later", version=2)
    told.won(BOOK, (3, 4), "v2", "first_half")
    told.refused(BOOK, (4.5, 6), TAKEN, slot_id="later")

    assert judged(told).holds is True


def test_a_move_that_left_both_times_taken_has_none(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "first_half")
    told.won(RESCHEDULE, (2, 3), "v1", "later", version=2)
    loser = told.refused(BOOK, (4, 5), TAKEN, slot_id="first_half")

    assert refused_for(judged(told), loser)


def test_a_move_to_another_provider_is_one_step_too(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "first_half")
    told.won(RESCHEDULE, (2, 5), "v1", "of_lee", version=2)
    told.refused(BOOK, (3, 3.2), TAKEN, slot_id="of_lee")
    back = told.refused(BOOK, (3.3, 4), TAKEN, slot_id="first_half")

    assert refused_for(judged(told), back)


def test_a_hold_that_was_booked_and_moved_meanwhile_is_no_hold_of_that_slot(told: Told) -> None:
    told.won(HOLD, (0, 1), "v1", "first_half", hold_seconds=60)
    told.won(CONFIRM, (2, 3), "v1", "first_half", version=2)
    told.won(RESCHEDULE, (4, 7), "v1", "later", version=3)
    told.refused(BOOK_HELD, (5, 6), "not_found", visit_id="v1", slot_id="first_half")

    assert judged(told).holds is True


def test_a_hold_that_is_still_one_is_found(told: Told) -> None:
    told.won(HOLD, (0, 1), "v1", "first_half", hold_seconds=60)
    away = told.refused(BOOK_HELD, (2, 3), "not_found", visit_id="v1", slot_id="first_half")

    assert refused_for(judged(told), away)


def test_a_visit_moves_to_a_time_that_overlaps_only_its_own(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "first_half")
    told.won(RESCHEDULE, (2, 3), "v1", "whole", version=2)
    told.refused(RESCHEDULE, (4, 5), TAKEN, visit_id="v1", slot_id="whole")

    assert judged(told).holds is True


def test_a_refused_move_needs_a_visit_that_can_move(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "first_half")
    told.won(BOOK, (0, 1), "v2", "later")
    told.won(CANCEL, (2, 3), "v1", "first_half", version=2)
    wrong = told.refused(RESCHEDULE, (4, 5), TAKEN, visit_id="v1", slot_id="later")

    assert refused_for(judged(told), wrong)


def test_a_wrong_state_needs_a_visit_in_that_state(told: Told) -> None:
    told.won(BOOK, (0, 1), "v1", "later")
    wrong = told.refused(CANCEL, (2, 3), "visit_not_cancellable", status=412, visit_id="v1")

    assert refused_for(judged(told), wrong)


def test_a_hold_takes_its_time_until_it_is_confirmed_and_after(told: Told) -> None:
    told.won(HOLD, (0, 1), "v1", "later", hold_seconds=10)
    told.refused(BOOK, (2, 3), TAKEN, slot_id="later")
    told.won(CONFIRM, (4, 5), "v1", "later", version=2)
    told.refused(BOOK, (60, 61), TAKEN, slot_id="later")
    told.refused(CONFIRM, (62, 63), "visit_not_confirmable", status=412, visit_id="v1")

    assert judged(told).holds is True


def test_a_hold_is_booked_with_its_id(told: Told) -> None:
    told.won(HOLD, (0, 1), "v1", "later", hold_seconds=10)
    told.won(BOOK_HELD, (2, 3), "v1", "later", version=2)

    assert judged(told).holds is True


def test_a_time_that_was_held_is_free_once_the_hold_has_ended(told: Told) -> None:
    told.won(HOLD, (0, 1), "v1", "later", hold_seconds=10)
    told.won(BOOK, (11, 12), "v2", "later")
    told.refused(CONFIRM, (13, 14), "hold_expired", status=410, visit_id="v1")
    told.read((15, 16), "v1", "expired", "later", 2)

    assert judged(told).holds is True


def test_a_time_that_is_held_is_nobody_elses_before_the_hold_ends(told: Told) -> None:
    told.won(HOLD, (0, 1), "v1", "later", hold_seconds=10)
    early = told.won(BOOK, (8, 9), "v2", "later")

    assert refused_for(judged(told), early)


def test_a_hold_that_is_confirmed_after_its_end_has_none(told: Told) -> None:
    told.won(HOLD, (0, 1), "v1", "later", hold_seconds=10)
    late = told.won(CONFIRM, (12, 13), "v1", "later", version=2)

    assert refused_for(judged(told), late)


def test_a_refusal_because_of_a_hold_that_has_ended_has_none(told: Told) -> None:
    told.won(HOLD, (0, 1), "v1", "later", hold_seconds=10)
    late = told.refused(BOOK, (12, 13), TAKEN, slot_id="later")

    assert refused_for(judged(told), late)


def test_a_hold_that_was_seen_to_end_does_not_come_back(told: Told) -> None:
    told.won(HOLD, (0, 3), "v1", "later", hold_seconds=10)
    told.read((10.5, 11), "v1", "expired", "later", 2)
    back = told.refused(BOOK, (11.5, 12), TAKEN, slot_id="later")

    assert refused_for(judged(told), back)


def test_a_call_without_an_answer_may_have_happened(told: Told) -> None:
    told.add(BOOK, (0, None), slot_id="later")
    told.refused(BOOK, (5, 6), TAKEN, slot_id="later")

    assert judged(told).holds is True


def test_a_call_without_an_answer_may_not_have_happened(told: Told) -> None:
    told.add(BOOK, (0, None), slot_id="later")
    told.won(BOOK, (5, 6), "v2", "later")

    assert judged(told).holds is True


def test_a_call_without_an_answer_does_not_happen_before_it_was_made(told: Told) -> None:
    early = told.refused(BOOK, (0, 1), TAKEN, slot_id="later")
    told.add(BOOK, (2, None), slot_id="later")

    assert refused_for(judged(told), early)


def test_a_call_without_an_answer_does_not_undo_itself(told: Told) -> None:
    told.add(BOOK, (0, None), slot_id="later")
    told.refused(BOOK, (1, 2), TAKEN, slot_id="later")
    after = told.won(BOOK, (3, 4), "v2", "later")

    assert refused_for(judged(told), after)


def test_a_search_that_hits_its_bound_says_that_it_does_not_know(told: Told) -> None:
    for number in range(6):
        told.won(BOOK, (number, number + 0.5), f"v{number}", "later")
        told.won(CANCEL, (number + 0.6, number + 0.9), f"v{number}", "later", version=2)

    check = linearizable(told.history, candidates_max=10)

    assert (check.holds, check.found) == (None, None)
    assert "Undecided for 1 of 1 lines" in check.sentence
    assert judged(told).holds is True


def test_seats_are_as_many_as_there_are(told: Told) -> None:
    told.seated((0, 1), "b1", "pat_ada")
    told.seated((0, 1), "b2", "pat_bob")
    third = told.seated((0, 2), "b3", "pat_eve")

    assert refused_for(judged(told), third)


def test_a_seat_that_was_given_back_is_taken_again(told: Told) -> None:
    told.seated((0, 1), "b1", "pat_ada")
    told.seated((0, 1), "b2", "pat_bob")
    told.left((2, 5), "b1")
    told.seated((3, 4), "b3", "pat_eve")

    assert judged(told).holds is True


def test_a_patient_has_one_seat_in_a_session(told: Told) -> None:
    told.seated((0, 1), "b1", "pat_ada")
    second = told.seated((2, 3), "b2", "pat_ada")

    assert refused_for(judged(told), second)


def test_a_seat_refused_while_one_is_free_has_none(told: Told) -> None:
    told.seated((0, 1), "b1", "pat_ada")
    told.seated((0, 1), "b2", "pat_bob")
    told.left((2, 3), "b1")
    loser = told.refused(
        Operation.BOOK_SEAT,
        (4, 5),
        TAKEN,
        coach_id=COACH,
        slot_at=TEN,
        patient_id="pat_eve",
    )

    assert refused_for(judged(told), loser)


def test_a_seat_given_back_twice_has_none(told: Told) -> None:
    told.seated((0, 1), "b1", "pat_ada")
    told.left((2, 4), "b1")
    twice = told.left((3, 5), "b1")

    assert refused_for(judged(told), twice)


def test_a_seat_that_is_not_cancellable_was_given_back_before(told: Told) -> None:
    told.seated((0, 1), "b1", "pat_ada")
    error = "booking_not_cancellable"
    wrong = told.refused(Operation.CANCEL_SEAT, (2, 3), error, status=412, booking_id="b1")

    assert refused_for(judged(told), wrong)
