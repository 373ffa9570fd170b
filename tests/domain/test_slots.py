from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval
from bookwell.domain.slots import offered_interval

NOW = datetime(2027, 1, 4, 12, tzinfo=UTC)
minutes = st.integers(-3000, 3000)


@given(starts_in=minutes, length=minutes)
def test_a_time_may_be_offered_when_it_lies_ahead_and_lasts_a_day_at_most(
    starts_in: int, length: int
) -> None:
    starts_at = NOW + timedelta(minutes=starts_in)
    ends_at = starts_at + timedelta(minutes=length)
    fine = starts_in >= 0 and 0 < length <= 24 * 60

    if fine:
        assert offered_interval(starts_at, ends_at, now=NOW) == Interval(starts_at, ends_at)
    else:
        with pytest.raises(InvalidInput) as refusal:
            offered_interval(starts_at, ends_at, now=NOW)
        assert refusal.value.facts["field"] in {"start_time", "end_time"}


@given(minutes, st.integers(1, 500), minutes, st.integers(1, 500))
def test_two_intervals_overlap_exactly_when_an_instant_is_in_both(
    a: int, a_len: int, b: int, b_len: int
) -> None:
    one = Interval(NOW + timedelta(minutes=a), NOW + timedelta(minutes=a + a_len))
    other = Interval(NOW + timedelta(minutes=b), NOW + timedelta(minutes=b + b_len))

    shared = max(a, b) < min(a + a_len, b + b_len)

    assert one.overlaps(other) == shared == other.overlaps(one)


def test_an_interval_is_never_naive_and_never_empty() -> None:
    for starts_at, ends_at in [
        (NOW, NOW),
        (NOW.replace(tzinfo=None), NOW),
        (NOW, NOW - timedelta(1)),
    ]:
        with pytest.raises((AssertionError, TypeError)):
            Interval(starts_at, ends_at)
