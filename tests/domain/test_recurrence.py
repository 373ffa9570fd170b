from datetime import date, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from bookwell.domain.errors import InvalidInput
from bookwell.domain.recurrence import RRULE_LENGTH_MAX, days_of_year, read_rrule

WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
YEARS = range(2024, 2030)


def days(rrule: str, starts_on: date) -> list[date]:
    """What recurs in the years we look at."""
    return sorted(day for year in YEARS for day in days_of_year(rrule, starts_on, year))


def days_by_dateutil(rrule: str, starts_on: date) -> list[date]:
    first = datetime.combine(starts_on, datetime.min.time())
    last = datetime.combine(date(YEARS[-1], 12, 31), datetime.min.time())
    return [at.date() for at in rrulestr(rrule, dtstart=first).between(first, last, inc=True)]


def some(values: list[str], *, most: int = 3) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True).map(",".join)


@st.composite
def rrules(draw: st.DrawFn) -> tuple[str, date]:
    """A rule that recurs, and its first day.

    Left out is where the two may differ: weekdays with and without a number in one rule (dateutil
    wants a day to be both), positions in a first week that is cut (it counts from the cut), and
    rules that never match, through which it searches until the year 9999.
    """
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    starts_on = draw(st.dates(date(2024, 1, 1), date(2026, 12, 31)))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.sampled_from([1, 1, 2, 3, 5]))}"]
    limited = False
    if draw(st.booleans()):
        ordinals = ["1", "2", "-1", "-2"] if frequency in {"MONTHLY", "YEARLY"} else [""]
        numbers = draw(st.sampled_from([[""], ordinals]))
        parts.append("BYDAY=" + draw(some([n + day for n in numbers for day in WEEKDAYS])))
        limited = True
    elif frequency != "WEEKLY" and draw(st.booleans()):
        parts.append("BYMONTHDAY=" + draw(some(["1", "2", "13", "28", "31", "-1", "-5"])))
        limited = True
    if frequency in {"DAILY", "YEARLY"} and draw(st.booleans()):
        parts.append("BYMONTH=" + draw(some([str(month) for month in range(1, 13)])))
        limited = True
    if limited and frequency in {"MONTHLY", "YEARLY"} and draw(st.booleans()):
        parts.append("BYSETPOS=" + draw(some(["1", "-1", "2"])))
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(WEEKDAYS))}")
    match draw(st.integers(0, 2)):
        case 1:
            parts.append(f"COUNT={draw(st.integers(1, 40))}")
        case 2:
            until = starts_on + timedelta(days=draw(st.integers(0, 900)))
            parts.append(f"UNTIL={until:%Y%m%d}")
    return ";".join(parts), starts_on


@settings(max_examples=200, deadline=None)
@given(rule=rrules())
def test_the_days_are_those_that_dateutil_finds(rule: tuple[str, date]) -> None:
    assert days(*rule) == days_by_dateutil(*rule)


@pytest.mark.parametrize(
    ("rrule", "starts_on", "expected"),
    [
        # The second Tuesday, and every last day of a month that is a Friday.
        ("FREQ=MONTHLY;BYDAY=2TU;COUNT=2", date(2027, 1, 1), [(2027, 1, 12), (2027, 2, 9)]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1;BYDAY=FR;COUNT=1", date(2027, 1, 1), [(2027, 4, 30)]),
        # The last working day of a quarter.
        (
            "FREQ=MONTHLY;INTERVAL=3;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2",
            date(2027, 3, 1),
            [(2027, 3, 31), (2027, 6, 30)],
        ),
        # RFC 5545: a number and none in one rule are two ways of matching.
        (
            "FREQ=MONTHLY;BYDAY=1MO,FR;UNTIL=20270110",
            date(2027, 1, 1),
            [(2027, 1, 1), (2027, 1, 4), (2027, 1, 8)],
        ),
        # The first day is none where the rule does not say so.
        ("FREQ=WEEKLY;BYDAY=MO;COUNT=1", date(2027, 1, 6), [(2027, 1, 11)]),
        # A week that reaches over New Year is one week, whichever year is asked about.
        (
            "FREQ=WEEKLY;BYDAY=MO,FR,SA;BYSETPOS=2,-1;COUNT=4",
            date(2026, 12, 28),
            [(2027, 1, 1), (2027, 1, 2), (2027, 1, 8), (2027, 1, 9)],
        ),
        # RFC 5545's own example: every other week is another one where weeks begin on Sunday.
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            date(2025, 8, 5),
            [(2025, 8, 5), (2025, 8, 10), (2025, 8, 19), (2025, 8, 24)],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            date(2025, 8, 5),
            [(2025, 8, 5), (2025, 8, 17), (2025, 8, 19), (2025, 8, 31)],
        ),
        ("FREQ=YEARLY;COUNT=2", date(2024, 2, 29), [(2024, 2, 29), (2028, 2, 29)]),
        ("FREQ=YEARLY;BYDAY=20MO;COUNT=1", date(2027, 1, 1), [(2027, 5, 17)]),
    ],
)
def test_rules_as_people_say_them(
    rrule: str, starts_on: date, expected: list[tuple[int, int, int]]
) -> None:
    assert days(rrule, starts_on) == [date(*each) for each in expected]


@pytest.mark.parametrize(
    ("rrule", "sentence"),
    [
        ("", "must have a FREQ"),
        ("BYDAY=MO", "must have a FREQ"),
        ("FREQ=HOURLY", "must have a FREQ"),
        ("FREQ=SECONDLY", "must have a FREQ"),
        ("freq=daily", "must have a FREQ"),
        ("RRULE:FREQ=DAILY", "must have a FREQ"),
        ("FREQ=DAILY;", "nothing else"),
        ("FREQ=DAILY;BYHOUR=9", "nothing else"),
        ("FREQ=YEARLY;BYWEEKNO=20", "nothing else"),
        ("FREQ=YEARLY;BYYEARDAY=1", "nothing else"),
        ("FREQ=YEARLY;BYEASTER=0", "nothing else"),
        ("FREQ=DAILY\nEXDATE:20270101", "must have a FREQ"),
        ("FREQ=DAILY;COUNT=1;COUNT=2", "says COUNT twice"),
        ("FREQ=DAILY;FREQ=WEEKLY", "says FREQ twice"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=100000", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=²", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=٣", "INTERVAL"),
        ("FREQ=DAILY;COUNT=-1", "COUNT"),
        ("FREQ=DAILY;COUNT=1001", "COUNT"),
        ("FREQ=DAILY;COUNT=", "COUNT"),
        ("FREQ=DAILY;COUNT=1;UNTIL=20270101", "COUNT or UNTIL"),
        ("FREQ=DAILY;UNTIL=20270230", "must have a date"),
        ("FREQ=DAILY;UNTIL=2027-1-1", "must have a date"),
        ("FREQ=DAILY;UNTIL=20270101T000000Z", "must have a date"),
        ("FREQ=DAILY;UNTIL=2027W011", "must have a date"),
        ("FREQ=WEEKLY;BYDAY=MONDAY", "weekdays from MO to SU"),
        ("FREQ=WEEKLY;BYDAY=MO,", "weekdays from MO to SU"),
        ("FREQ=MONTHLY;BYDAY=0MO", "weekdays from MO to SU"),
        ("FREQ=WEEKLY;BYDAY=2MO", "only in a MONTHLY or YEARLY"),
        ("FREQ=MONTHLY;BYDAY=6MO", "beyond the last"),
        ("FREQ=YEARLY;BYMONTH=5;BYDAY=6MO", "beyond the last"),
        ("FREQ=YEARLY;BYDAY=54MO", "beyond the last"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY in a WEEKLY"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH"),
        ("FREQ=YEARLY;BYMONTH=-1", "BYMONTH"),
        ("FREQ=MONTHLY;BYSETPOS=1", "another BY part"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367", "BYSETPOS"),
        ("FREQ=WEEKLY;WKST=XX", "WKST"),
        ("FREQ=DAILY;BYMONTHDAY=" + ",".join(["1"] * RRULE_LENGTH_MAX), "at most 256"),
        ("FREQ=DAILY\x00", "must have a FREQ"),
    ],
)
def test_what_is_not_taken_is_refused_by_its_field(rrule: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence) as refusal:
        read_rrule(rrule, field="recurring[3].rrule")

    assert refusal.value.facts == {"field": "recurring[3].rrule"}
    assert refusal.value.message.startswith("recurring[3].rrule ")


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet="FREQ=DAILYWEKMOTUH;,0129-+INTVCSPBX \n\x00é²", max_size=60))
def test_no_text_is_more_than_refused(text: str) -> None:
    named = None
    try:
        read_rrule("FREQ=DAILY;" + text, field="rrule")
    except InvalidInput as refusal:
        named = refusal.facts

    assert named in (None, {"field": "rrule"})


@pytest.mark.parametrize(
    "rrule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=1000",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=5;COUNT=7",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=3",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=YEARLY;INTERVAL=1000;BYDAY=53TU",
    ],
)
def test_a_rule_that_matches_nothing_has_no_days_and_is_not_searched_for_any(rrule: str) -> None:
    """dateutil looks for a day until the year 9999: hours, for all the years asked about here."""
    found = [days_of_year(rrule, date(2001, 1, 2), year) for year in range(2001, 2200)]

    assert not any(found)


def test_a_year_before_the_first_day_has_none() -> None:
    first = date(2027, 1, 1)

    assert days_of_year("FREQ=DAILY;COUNT=3", first, 2026) == frozenset()
    assert first in days_of_year("FREQ=DAILY;COUNT=3", first, 2027)
