"""When a delivery is tried again, and how many are on their way at once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.domain.retries import (
    RETRY_AFTER_MAX,
    TRIED_FOR,
    base_wait_after,
    read_retry_after,
    wait_after,
)
from bookwell.domain.windows import PAUSE_SECONDS_MAX, ROOM_MAX, Window

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CHANCES = st.floats(0, 1, exclude_max=True)


@given(chances=st.lists(CHANCES, min_size=9, max_size=9))
def test_there_are_ten_attempts_in_about_a_minute(chances: list[float]) -> None:
    waits = [wait_after(number, chance=chance) for number, chance in enumerate(chances, start=1)]

    assert timedelta(seconds=45) <= sum(waits, timedelta()) <= timedelta(seconds=75)


@given(attempt=st.integers(1, 500), chance=CHANCES)
def test_no_wait_is_shorter_than_its_base_nor_much_longer(attempt: int, chance: float) -> None:
    base = base_wait_after(attempt)

    assert base <= wait_after(attempt, chance=chance) <= base * 1.25


@given(attempt=st.integers(1, 500), chance=CHANCES, took_seconds=st.floats(0, 60))
def test_who_waited_in_vain_for_an_answer_has_waited_but_for_a_second(
    attempt: int, chance: float, took_seconds: float
) -> None:
    took = timedelta(seconds=took_seconds)

    wait = wait_after(attempt, chance=chance, took=took)

    assert wait == max(wait_after(attempt, chance=chance) - took, timedelta(seconds=1))


@given(attempt=st.integers(1, 500))
def test_waits_do_not_become_shorter(attempt: int) -> None:
    assert base_wait_after(attempt) <= base_wait_after(attempt + 1) <= timedelta(hours=8)


@given(chance=CHANCES)
def test_three_days_hold_some_two_dozen_attempts(chance: float) -> None:
    waited, attempts = timedelta(), 1
    while waited < TRIED_FOR:
        waited += wait_after(attempts, chance=chance)
        attempts += 1

    assert 22 <= attempts <= 28


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 12:00:30", 30),
        ("99999999999999999999999", RETRY_AFTER_MAX.total_seconds()),
        ("Sun, 22 Nov 2099 12:00:00 GMT", RETRY_AFTER_MAX.total_seconds()),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(text: str, seconds: float | None) -> None:
    asked = read_retry_after(text, now=NOW)

    assert asked == (None if seconds is None else timedelta(seconds=seconds))


@given(text=st.text(max_size=40))
def test_no_retry_after_is_too_strange(text: str) -> None:
    asked = read_retry_after(text, now=NOW)

    assert asked is None or timedelta(0) <= asked <= RETRY_AFTER_MAX


STEPS = st.lists(st.tuples(st.sampled_from(["taken", "slow", "missed"]), st.integers(0, 3)))


@given(steps=STEPS)
def test_a_window_has_always_room_for_one_and_never_for_too_many(
    steps: list[tuple[str, int]],
) -> None:
    window = Window()
    for what, late in steps:
        sent_in = max(0, window.turn - late)
        if what == "missed":
            window = window.after_missed(sent_in=sent_in)
        else:
            milliseconds = 5 if what == "taken" else 5000
            window = window.after_taken(sent_in=sent_in, milliseconds=milliseconds)
        assert 1 <= window.room <= ROOM_MAX
        assert 0 <= window.pause_seconds <= PAUSE_SECONDS_MAX


def test_a_hiccup_of_many_deliveries_halves_a_window_once() -> None:
    window = Window(room=32)

    for _ in range(32):
        window = window.after_missed(sent_in=0)

    assert (window.room, window.pause_seconds) == (16, 0)


def test_a_receiver_that_takes_nothing_is_left_alone_for_longer_and_longer() -> None:
    window, pauses = Window(room=1), []

    for _ in range(10):
        window = window.after_missed(sent_in=window.turn)
        pauses.append(window.pause_seconds)

    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_SECONDS_MAX
    assert window.after_taken(sent_in=window.turn, milliseconds=5).pause_seconds == 0


def test_a_slow_receiver_is_sent_fewer_at_once() -> None:
    assert Window(room=8).after_taken(sent_in=0, milliseconds=9000).room == 4
    assert Window(room=8).after_taken(sent_in=0, milliseconds=90).room == 9
