"""Public holidays by region: a country, or a part of one, as the `holidays` package knows them."""

import re
from datetime import date
from functools import lru_cache

import holidays

from bookwell.domain.errors import InvalidInput

# "DE" or "DE-BE": the country's two letters (ISO 3166-1), and the package's name of the part.
_REGION = re.compile(r"([A-Z]{2})(?:-(.{1,64}))?")
# Any year: whether a region is known does not depend on it.
_SOME_YEAR = 2027


def check_region(region: str, *, field: str = "holiday_region") -> None:
    """Raise InvalidInput naming the field, unless there is a calendar for the region."""
    try:
        public_holidays(region, _SOME_YEAR)
    except InvalidInput as refusal:
        raise _unknown(field) from refusal


@lru_cache(maxsize=1024)
def public_holidays(region: str, year: int) -> frozenset[date]:
    """The days of the year that are public holidays there, days taken in lieu included.

    Empty where the calendar does not know the year.

    Raises:
        InvalidInput: There is no calendar for the region.
    """
    said = _REGION.fullmatch(region)
    if said is None:
        raise _unknown("holiday_region")
    try:
        calendar = holidays.country_holidays(said[1], subdiv=said[2], years=year)
    except NotImplementedError:
        raise _unknown("holiday_region") from None
    return frozenset(calendar)


def _unknown(field: str) -> InvalidInput:
    return InvalidInput(
        f"{field} must be a country or a part of one, such as DE or DE-BE.", field=field
    )
