"""What staff overruled as the audit has it, and the time that a visit takes."""

from datetime import UTC, datetime, timedelta

import pytest

from bookwell.domain.rules import Rule
from bookwell.domain.rulings import Taken, override_of, time_taken
from bookwell.domain.visit_types import Terms

START = datetime(2027, 1, 4, 12, tzinfo=UTC)
END = START + timedelta(minutes=30)


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


def test_an_override_names_its_rules_and_its_reason() -> None:
    override = override_of([Rule.NOTICE, "cancel_cutoff"], "clinical_need")

    assert override is not None
    assert override.as_details() == {
        "rules": ["notice", "cancel_cutoff"],
        "reason": "clinical_need",
    }


def test_without_a_reason_nothing_is_overruled() -> None:
    assert override_of([Rule.NOTICE], None) is None


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        (0, 0, Taken(None, None)),
        (10, 0, Taken(START - minutes(10), None)),
        (0, 15, Taken(None, END + minutes(15))),
        (10, 15, Taken(START - minutes(10), END + minutes(15))),
    ],
)
def test_a_visit_takes_its_time_and_its_buffers(before: int, after: int, taken: Taken) -> None:
    terms = Terms(duration_minutes=30, buffer_before_minutes=before, buffer_after_minutes=after)

    assert time_taken(terms, START, END) == taken
    assert time_taken(terms, START, END, overruled=[Rule.NOTICE]) == taken
    assert time_taken(terms, START, END, overruled=[Rule.BUFFERS]) == Taken(None, None)


def test_a_visit_without_terms_takes_its_time_alone() -> None:
    assert time_taken(None, START, END) == Taken(None, None)
