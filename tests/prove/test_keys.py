"""A key leads to one answer: what is made of calls that were answered twice."""

from typing import Any

import pytest
from msgspec import structs

from bookwell.prove.history import Answer, Attempt, Operation
from bookwell.prove.keys import one_answer_a_key
from histories import Told

BOOK = Operation.BOOK


@pytest.fixture
def booked() -> Attempt:
    return Told().won(BOOK, (0, 1), "v1", "later")


@pytest.fixture
def refused() -> Attempt:
    return Told().refused(BOOK, (0, 1), "slot_unavailable", slot_id="later")


def told_again(attempt: Attempt, **changes: Any) -> Attempt:
    """With the same answer, as a replay, but for these changes."""
    assert isinstance(attempt.answer, Answer)
    again = structs.replace(attempt.answer, at=9.0, is_replay=True, request_id="req_9")
    return structs.replace(attempt, repeated=structs.replace(again, **changes))


def test_what_is_told_again_word_for_word_is_one_answer(booked: Attempt, refused: Attempt) -> None:
    check = one_answer_a_key([told_again(booked), told_again(refused, is_replay=False)])

    assert (check.holds, check.found) == (True, 0)
    assert check.sentence.startswith("Each of 2 answered calls")


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "v2"},
        {"version": 2},
        {"state": "cancelled"},
        {"slot_id": "whole"},
        {"status": 409, "error": "slot_unavailable"},
        {"is_replay": False},
    ],
    ids=str,
)
def test_a_booking_that_is_told_otherwise_or_made_again_is_two(
    booked: Attempt, changes: dict[str, Any]
) -> None:
    check = one_answer_a_key([told_again(booked, **changes)])

    assert (check.holds, check.found, check.calls) == (False, 1, [booked.number])


def test_a_refusal_that_becomes_a_booking_is_two(refused: Attempt) -> None:
    late = told_again(refused, status=201, error=None, id="v1", state="booked", version=1)

    check = one_answer_a_key([late])

    assert check.holds is False
    assert "409 slot_unavailable" in check.sentence
    assert "201 v1 booked" in check.sentence


def test_a_call_that_was_held_back_or_not_answered_again_says_nothing(
    booked: Attempt, refused: Attempt
) -> None:
    limited = told_again(refused, status=429, error="rate_limited")

    assert one_answer_a_key([booked, limited]).holds is None
