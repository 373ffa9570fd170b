"""Public holidays by region: a country, or a part of one, as the `holidays` package knows them."""

from datetime import date
from functools import cache, lru_cache

import holidays

from bookwell.domain.errors import InvalidInput

# "DE", or "DE-BE": the country's code, and after the first hyphen the code of its part.
_SEPARATOR = "-"


def check_region(region: str, *, field: str = "holiday_region") -> None:
    """Raise InvalidInput naming the field, unless there is a calendar for the region."""
    country, separator, part = region.partition(_SEPARATOR)
    parts = _parts_by_country().get(country)
    if parts is None or (separator and part not in parts):
        raise InvalidInput(
            f"{field} must be a country or a part of one, such as DE or DE-BE.", field=field
        )


@lru_cache(maxsize=1024)
def public_holidays(region: str, year: int) -> frozenset[date]:
    """The days of the year that are public holidays there, days taken in lieu included.

    Empty where the calendar does not know the year.

    Raises:
        InvalidInput: There is no calendar for the region.
    """
    check_region(region)
    country, _, part = region.partition(_SEPARATOR)
    calendar = holidays.country_holidays(country, subdiv=part or None, years=year)
    return frozenset(day for day in calendar if day.year == year)


@cache
def _parts_by_country() -> dict[str, frozenset[str]]:
    listed = holidays.list_supported_countries()
    return {country: frozenset(parts) for country, parts in listed.items()}
