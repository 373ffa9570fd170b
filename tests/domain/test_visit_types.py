from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.domain.errors import InvalidInput
from bookwell.domain.visit_types import (
    LIMITS,
    BookedBy,
    Modality,
    Period,
    Terms,
    changed_terms,
    new_terms,
)

numbers = {
    name: st.integers(least, most)
    for name, (least, most) in LIMITS.items()
    if name not in ("duration_minutes", "late_cancel_price_minor")
}
caps = {name: st.none() | numbers[name] for name in ("patient_cap", "provider_day_cap")}
any_fields = st.fixed_dictionaries(
    {"duration_minutes": st.integers(*LIMITS["duration_minutes"])},
    optional={
        **numbers,
        **caps,
        "is_offered": st.booleans(),
        "modality": st.sampled_from(list(map(str, Modality))),
        "booked_by": st.sampled_from(list(map(str, BookedBy))),
        "licence_required": st.booleans(),
        "time_zone": st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"]),
        "patient_cap_period": st.sampled_from(list(map(str, Period))),
    },
)


@given(any_fields)
def test_terms_are_what_was_said_and_the_rest_asks_for_nothing(fields: dict[str, Any]) -> None:
    terms = new_terms(fields)

    unsaid = Terms(duration_minutes=fields["duration_minutes"])
    for name in Terms.__struct_fields__:
        if name == "grid_minutes":
            assert terms.grid_minutes == fields.get(name, fields["duration_minutes"])
        else:
            assert getattr(terms, name) == fields.get(name, getattr(unsaid, name))


@given(any_fields, any_fields)
def test_terms_have_one_digest_exactly_when_they_are_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = new_terms(one), new_terms(other)

    assert (first.digest == second.digest) == (first == second)
    assert first.digest == new_terms(one).digest


@pytest.mark.parametrize("name", Terms.__struct_fields__)
def test_every_field_counts_for_the_digest(name: str) -> None:
    other: dict[str, Any] = {
        "is_offered": False,
        "modality": "phone",
        "booked_by": "staff",
        "licence_required": True,
        "time_zone": "Europe/Berlin",
        "patient_cap_period": "week",
        "late_cancel_currency": "EUR",
    }
    terms = Terms(duration_minutes=30)

    assert terms.with_fields({name: other.get(name, 77)}).digest != terms.digest


@given(any_fields, any_fields, any_fields)
def test_an_override_wins_over_the_type_however_the_type_changes(
    fields: dict[str, Any], override: dict[str, Any], change: dict[str, Any]
) -> None:
    terms = new_terms(fields)

    merged = changed_terms(changed_terms(terms, change), override)

    for name in Terms.__struct_fields__:
        expected = override.get(name, change.get(name, getattr(terms, name)))
        assert getattr(merged, name) == expected


@pytest.mark.parametrize("name", LIMITS)
def test_a_number_outside_its_limits_is_refused_by_name(name: str) -> None:
    least, most = LIMITS[name]
    priced = {"late_cancel_price_minor": 1, "late_cancel_currency": "EUR"}
    terms = changed_terms(Terms(duration_minutes=30), priced)

    for value in (least, most):
        assert getattr(changed_terms(terms, {name: value}), name) == value
    for value in (least - 1, most + 1):
        with pytest.raises(InvalidInput, match=f"^{name} must be {least} to {most}") as refused:
            changed_terms(terms, {name: value})
        assert refused.value.facts == {"field": name}


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("time_zone", {"time_zone": "Mars/Olympus"}),
        ("late_cancel_currency", {"late_cancel_price_minor": 1}),
        ("late_cancel_currency", {"late_cancel_currency": "EUR"}),
        (
            "late_cancel_currency",
            {"late_cancel_price_minor": 1, "late_cancel_currency": "eur"},
        ),
        (
            "late_cancel_currency",
            {"late_cancel_price_minor": 1, "late_cancel_currency": "EUR\n"},
        ),
    ],
)
def test_fields_that_do_not_go_together_are_refused_by_name(
    field: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        new_terms({"duration_minutes": 30, **fields})
    with pytest.raises(InvalidInput) as refused_later:
        changed_terms(Terms(duration_minutes=30), fields)

    assert refused.value.facts == refused_later.value.facts == {"field": field}
