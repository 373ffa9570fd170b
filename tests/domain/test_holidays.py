from datetime import date

import holidays
import pytest

from bookwell.domain.errors import InvalidInput
from bookwell.domain.holidays import check_region, public_holidays


def test_a_part_of_a_country_has_days_that_the_others_do_not_have() -> None:
    womens_day = date(2027, 3, 8)

    assert womens_day in public_holidays("DE-BE", 2027)
    assert womens_day not in public_holidays("DE", 2027)
    assert date(2027, 10, 3) in public_holidays("DE", 2027)


def test_a_day_taken_in_lieu_is_a_holiday_too() -> None:
    """The fourth of July 2027 is a Sunday, so offices are closed on the Monday."""
    assert {date(2027, 7, 4), date(2027, 7, 5)} <= public_holidays("US-NY", 2027)


def test_every_country_and_part_that_the_library_knows_is_a_region() -> None:
    listed = holidays.list_supported_countries(include_aliases=False)

    for country, parts in listed.items():
        check_region(country)
        for part in parts:
            check_region(f"{country}-{part}")
    assert len(listed) > 200


def test_a_day_in_lieu_belongs_to_the_year_in_which_it_lies() -> None:
    """New Year's Day of 2028 is a Saturday, so its Friday before is closed, a day of 2027."""
    assert date(2027, 12, 31) in public_holidays("US", 2027)
    assert {day.year for day in public_holidays("US", 2028)} == {2028}


@pytest.mark.parametrize(
    "region",
    ["", "-", "XX", "de", "DE-", "DE-XX", "DE-be", "DE-BE-X", "DEU", "XNYS", "B3", "Germany",
     "HolidayBase", "DE\n", "DE-BE\x00", "DE-" + "B" * 500],
)  # fmt: skip
def test_a_region_that_the_library_does_not_know_names_its_field(region: str) -> None:
    with pytest.raises(InvalidInput, match="must be a country") as refusal:
        check_region(region)

    assert refusal.value.facts == {"field": "holiday_region"}
