"""Days that recur, as the RRULE of RFC 5545 says them: whole days only, and bounded.

Taken are FREQ (DAILY, WEEKLY, MONTHLY or YEARLY), INTERVAL, BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS,
COUNT, UNTIL (a date) and WKST. Anything else is refused, not ignored. A rule is read one calendar
year at a time, so that a rule that matches nothing does not make anybody search the centuries for
its next day, as the usual libraries do.
"""

import re
from calendar import isleap, monthrange
from contextlib import suppress
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from msgspec import Struct, structs

from bookwell.domain.errors import InvalidInput

RRULE_LENGTH_MAX = 256
# More is a typing error: a thousand years, or the days of nearly three.
INTERVAL_MAX = 1000
COUNT_MAX = 1000
# COUNT is counted from the first day on, year by year, so the years must be few.
FIRST_YEAR, LAST_YEAR = 2000, 2199

# The ordinal of the first day of the first week there is.
_A_MONDAY = 1
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_ORDINAL_WEEKDAY = re.compile(rf"([+-]?[0-9]{{1,2}})?({'|'.join(_WEEKDAYS)})")
_NUMBER = re.compile(r"[+-]?[0-9]{1,6}")
_DATE = re.compile(r"[0-9]{8}")
# Ordinals of a weekday in a month and in a year, days of a month, and days of a year.
_WEEKS_OF_MONTH, _WEEKS_OF_YEAR, _DAYS_OF_MONTH, _DAYS_OF_YEAR = 5, 53, 31, 366


class Frequency(StrEnum):
    """How long a rule's period is; `interval` counts periods."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


class Recurrence(Struct, frozen=True, kw_only=True):
    """A rule, read. Weekdays are 0 for Monday to 6; in `by_day` the ordinal 0 is every one."""

    frequency: Frequency
    interval: int = 1
    by_day: tuple[tuple[int, int], ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_position: tuple[int, ...] = ()
    count: int | None = None
    until: date | None = None
    week_begins: int = 0

    def starting(self, day: date) -> "Recurrence":
        """This rule with what it leaves open filled in from its first day, as RFC 5545 says."""
        if self.by_day or self.by_month_day or self.frequency is Frequency.DAILY:
            return self
        if self.frequency is Frequency.WEEKLY:
            return structs.replace(self, by_day=((0, day.weekday()),))
        if self.frequency is Frequency.YEARLY and not self.by_month:
            return structs.replace(self, by_month=(day.month,), by_month_day=(day.day,))
        return structs.replace(self, by_month_day=(day.day,))

    def period(self, day: date) -> int:
        """The number of the day's period, counted from some day long ago."""
        match self.frequency:
            case Frequency.DAILY:
                return day.toordinal()
            case Frequency.WEEKLY:
                return (day.toordinal() - _A_MONDAY - self.week_begins) // 7
            case Frequency.MONTHLY:
                return day.year * 12 + day.month
            case Frequency.YEARLY:
                return day.year


class _Day(NamedTuple):
    """A day with its numbers, from the start and, below 0, from the end: as the BY parts ask."""

    day: date
    month_days: tuple[int, int]
    in_month: frozenset[tuple[int, int]]
    in_year: frozenset[tuple[int, int]]


def read_rrule(text: str, *, field: str) -> Recurrence:
    """The rule that an RRULE value, such as `FREQ=WEEKLY;INTERVAL=2;BYDAY=TU`, says.

    Raises:
        InvalidInput: It is malformed, too long, or says what is not taken here.
    """
    try:
        return _read(text)
    except ValueError as error:
        raise InvalidInput(f"{field} {error}", field=field) from None


def days_of_year(text: str, starts_on: date, year: int) -> frozenset[date]:
    """The days of the year that recur by this RRULE value, from `starts_on` on.

    `starts_on` is one of them only where the rule says so too.

    Raises:
        InvalidInput: It is no RRULE value that `read_rrule` takes.
    """
    recurrence = read_rrule(text, field="rrule")
    days = _days_of_year(recurrence, starts_on, year)
    if recurrence.count is not None:
        earlier = sum(
            len(_days_of_year(recurrence, starts_on, y)) for y in range(starts_on.year, year)
        )
        days = days[: max(0, recurrence.count - earlier)]
    until = recurrence.until or date.max
    return frozenset(day for day in days if day <= until)


@lru_cache(maxsize=4096)
def _days_of_year(recurrence: Recurrence, starts_on: date, year: int) -> tuple[date, ...]:
    """The days of one year in order, COUNT and UNTIL not applied."""
    rule = recurrence.starting(starts_on)
    first_period = rule.period(starts_on)
    days = [
        day
        for day in _matching(rule, year)
        if (rule.period(day) - first_period) % rule.interval == 0
    ]
    if rule.by_position:
        days = [
            day
            for _, alike in groupby(days, key=rule.period)
            for day in _at_positions(list(alike), rule.by_position)
        ]
    return tuple(day for day in days if day.year == year and day >= starts_on)


def _matching(rule: Recurrence, year: int) -> list[date]:
    """The days of the year, and of its outermost weeks, that all BY parts but positions take."""
    months, by_day = frozenset(rule.by_month or range(1, 13)), frozenset(rule.by_day)
    month_days = frozenset(rule.by_month_day)
    of_year = rule.frequency is Frequency.YEARLY and not rule.by_month
    return [
        each.day
        for each in _calendar(year)
        if each.day.month in months
        and (not month_days or not month_days.isdisjoint(each.month_days))
        and (not by_day or not by_day.isdisjoint(each.in_year if of_year else each.in_month))
    ]


@lru_cache(maxsize=256)
def _calendar(year: int) -> tuple[_Day, ...]:
    """The days of the year, and of the weeks that reach into it whichever day they begin on."""
    first, last = date(year, 1, 1) - timedelta(days=6), date(year, 12, 31) + timedelta(days=6)
    return tuple(_numbered(first + timedelta(days=n)) for n in range((last - first).days + 1))


def _numbered(day: date) -> _Day:
    month_length = monthrange(day.year, day.month)[1]
    year_length = 366 if isleap(day.year) else 365
    return _Day(
        day,
        (day.day, day.day - month_length - 1),
        _ordinals(day.weekday(), day.day, month_length),
        _ordinals(day.weekday(), day.timetuple().tm_yday, year_length),
    )


def _ordinals(weekday: int, number: int, length: int) -> frozenset[tuple[int, int]]:
    """Each `by_day` that means the day with this number in a month or year of that length."""
    ordinals = (0, (number - 1) // 7 + 1, -((length - number) // 7 + 1))
    return frozenset((ordinal, weekday) for ordinal in ordinals)


def _at_positions(days: list[date], positions: tuple[int, ...]) -> list[date]:
    """The days at these places, 1 the first and -1 the last, in order and each once."""
    return [
        day
        for index, day in enumerate(days)
        if index + 1 in positions or index - len(days) in positions
    ]


@lru_cache(maxsize=1024)
def _read(text: str) -> Recurrence:
    """Raise ValueError, with the rest of a sentence about the field, where it is not taken."""
    if len(text) > RRULE_LENGTH_MAX:
        raise ValueError(f"must have at most {RRULE_LENGTH_MAX} characters.")
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name in parts:
            raise ValueError(f"says {name} twice.")
        parts[name] = value
    try:
        frequency = Frequency(parts.pop("FREQ", ""))
    except ValueError:
        raise ValueError("must have a FREQ of DAILY, WEEKLY, MONTHLY or YEARLY.") from None
    said: dict[str, object] = {}
    for name, value in parts.items():
        if name not in _READERS:
            raise ValueError(
                "may have FREQ, INTERVAL, BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS, COUNT, UNTIL and "
                "WKST, and nothing else."
            )
        attribute, read = _READERS[name]
        said[attribute] = read(name, value)
    recurrence = Recurrence(frequency=frequency, **said)  # type: ignore[arg-type]  # from a table
    _check(recurrence)
    return recurrence


def _check(rule: Recurrence) -> None:
    """Raise ValueError where the parts do not go together, as RFC 5545 has it."""
    if rule.count is not None and rule.until is not None:
        raise ValueError("may have COUNT or UNTIL, not both.")
    if rule.by_month_day and rule.frequency is Frequency.WEEKLY:
        raise ValueError("cannot have BYMONTHDAY in a WEEKLY rule.")
    if rule.by_position and not (rule.by_day or rule.by_month_day or rule.by_month):
        raise ValueError("must have another BY part with BYSETPOS.")
    by_month = rule.frequency is Frequency.MONTHLY or bool(rule.by_month)
    for ordinal, _ in rule.by_day:
        if ordinal and rule.frequency in {Frequency.DAILY, Frequency.WEEKLY}:
            raise ValueError("may number a BYDAY only in a MONTHLY or YEARLY rule.")
        if abs(ordinal) > (_WEEKS_OF_MONTH if by_month else _WEEKS_OF_YEAR):
            raise ValueError("numbers a BYDAY beyond the last one there is.")


def _number(name: str, value: str, *, least: int, most: int) -> int:
    if not _NUMBER.fullmatch(value) or not least <= int(value) <= most or int(value) == 0:
        raise ValueError(f"must have whole numbers from {least} to {most} as {name}, never 0.")
    return int(value)


def _interval(name: str, value: str) -> int:
    return _number(name, value, least=1, most=INTERVAL_MAX)


def _count(name: str, value: str) -> int:
    return _number(name, value, least=1, most=COUNT_MAX)


def _months(name: str, value: str) -> tuple[int, ...]:
    return tuple(_number(name, month, least=1, most=12) for month in value.split(","))


def _month_days(name: str, value: str) -> tuple[int, ...]:
    return tuple(
        _number(name, day, least=-_DAYS_OF_MONTH, most=_DAYS_OF_MONTH) for day in value.split(",")
    )


def _positions(name: str, value: str) -> tuple[int, ...]:
    return tuple(
        _number(name, place, least=-_DAYS_OF_YEAR, most=_DAYS_OF_YEAR) for place in value.split(",")
    )


def _weekday(name: str, value: str) -> int:
    if value not in _WEEKDAYS:
        raise ValueError(f"must have a weekday from MO to SU as {name}.")
    return _WEEKDAYS.index(value)


def _weekdays(name: str, value: str) -> tuple[tuple[int, int], ...]:
    found = []
    for day in value.split(","):
        said = _ORDINAL_WEEKDAY.fullmatch(day)
        if said is None or (said[1] is not None and int(said[1]) == 0):
            raise ValueError(
                f"must have weekdays from MO to SU, or such as 2TU or -1FR, as {name}."
            )
        found.append((int(said[1] or 0), _WEEKDAYS.index(said[2])))
    return tuple(found)


def _date(name: str, value: str) -> date:
    if _DATE.fullmatch(value):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise ValueError(f"must have a date such as 20270131 as {name}.")


_READERS = {
    "INTERVAL": ("interval", _interval),
    "BYDAY": ("by_day", _weekdays),
    "BYMONTHDAY": ("by_month_day", _month_days),
    "BYMONTH": ("by_month", _months),
    "BYSETPOS": ("by_position", _positions),
    "COUNT": ("count", _count),
    "UNTIL": ("until", _date),
    "WKST": ("week_begins", _weekday),
}
