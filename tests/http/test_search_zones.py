"""Open times on wall clocks: the zone they are told in, weekdays, parts of the day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clinic import Clinic, said
from practice import Practice, minutes
from searching import asked, derived, ids, scheduled

MONDAY = datetime(2027, 3, 15, 8, tzinfo=UTC)
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


def test_a_slot_is_told_in_the_zone_that_is_asked_for(practice: Practice) -> None:
    practice.slot(MONDAY)

    (slot,) = asked(practice, **{"from": said(MONDAY)}, time_zone=BERLIN)["slots"]

    assert slot["start_time"] == "2027-03-15T08:00:00Z"
    assert slot["local_start"] == "2027-03-15T09:00:00+01:00"
    assert slot["time_zone"] == BERLIN


def test_a_slot_is_told_in_its_schedules_zone(practice: Practice) -> None:
    scheduled(practice, NEW_YORK, "rul_1", practice.provider_id)
    derived(practice, practice.slot(MONDAY), "rul_1")

    (slot,) = asked(practice, **{"from": said(MONDAY)})["slots"]

    assert (slot["time_zone"], slot["rule_id"]) == (NEW_YORK, "rul_1")
    assert slot["local_start"] == "2027-03-15T04:00:00-04:00"


def test_where_schedules_have_different_zones_the_slots_rule_decides(practice: Practice) -> None:
    scheduled(practice, NEW_YORK, "rul_1", practice.provider_id)
    scheduled(practice, BERLIN, "rul_2", practice.provider_id)
    derived(practice, practice.slot(MONDAY), "rul_1")
    derived(practice, practice.slot(MONDAY + minutes(30)), "rul_2")
    practice.slot(MONDAY + minutes(60))

    found = asked(practice, **{"from": said(MONDAY)})["slots"]

    assert [slot["time_zone"] for slot in found] == [NEW_YORK, BERLIN, "UTC"]


def test_the_same_wall_time_twice_is_told_apart(practice: Practice) -> None:
    """Berlin goes back from three to two in the night to the 31st of October 2027."""
    first = datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    for at in (first, first + minutes(60)):
        practice.slot(at)

    found = asked(practice, **{"from": said(first)}, time_zone=BERLIN)["slots"]

    assert [slot["local_start"] for slot in found] == [
        "2027-10-31T02:30:00+02:00",
        "2027-10-31T02:30:00+01:00",
    ]


def week(practice: Practice) -> dict[str, str]:
    """A slot at 5:59, 6:00, 11:59, 12:00, 16:59, 17:00, 21:59 and 22:00 in Berlin, on each day."""
    offered = {}
    for day in range(7):
        for at in ("05:59", "06:00", "11:59", "12:00", "16:59", "17:00", "21:59", "22:00"):
            hours, rest = at.split(":")
            # Berlin is an hour ahead of UTC in that week.
            shift = timedelta(days=day, hours=int(hours) - 1 - 8, minutes=int(rest))
            offered[f"{day} {at}"] = practice.slot(MONDAY + shift, 1)
    return offered


WEEK = {"from": "2027-03-13T00:00:00Z", "to": "2027-04-10T00:00:00Z", "limit": 200}


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"weekday": "wednesday", "part_of_day": "morning"}, ["2 06:00", "2 11:59"]),
        ({"weekday": "monday", "part_of_day": "afternoon"}, ["0 12:00", "0 16:59"]),
        ({"weekday": "sunday", "part_of_day": "evening"}, ["6 17:00", "6 21:59"]),
        ({"weekday": "tuesday", "part_of_day": "night"}, ["1 05:59", "1 22:00"]),
        (
            {"weekday": ["saturday", "friday"], "part_of_day": ["evening", "night"]},
            [f"{day} {at}" for day in (4, 5) for at in ("05:59", "17:00", "21:59", "22:00")],
        ),
        (
            {"part_of_day": "morning"},
            [f"{day} {at}" for day in range(7) for at in ("06:00", "11:59")],
        ),
    ],
)
def test_weekdays_and_parts_of_the_day_are_those_of_the_zone(
    practice: Practice, filters: dict[str, Any], wanted: list[str], *, is_first: bool
) -> None:
    offered = week(practice)
    if is_first:
        filters, wanted = {**filters, "first_available": "true"}, wanted[:1]

    found = asked(practice, time_zone=BERLIN, **WEEK, **filters)["slots"]

    assert ids(found) == [offered[each] for each in wanted]


def test_without_a_zone_weekdays_are_those_of_each_providers_schedule(practice: Practice) -> None:
    """At one o'clock on a Tuesday in UTC it is Monday in New York."""
    tuesday = datetime(2027, 3, 23, 1, tzinfo=UTC)
    other = practice.clinic.provider(practice.brand_id)
    scheduled(practice, NEW_YORK, "rul_1", practice.provider_id)
    in_new_york = practice.slot(tuesday)
    in_utc = practice.slot(tuesday, provider_id=other)

    for is_first in ("false", "true"):
        on_monday, on_tuesday = (
            asked(practice, weekday=day, first_available=is_first, **WEEK)["slots"]
            for day in ("monday", "tuesday")
        )
        assert ids(on_monday) == [in_new_york]
        assert ids(on_tuesday) == [in_utc]


def test_without_a_zone_weekdays_follow_the_slots_rule_where_schedules_differ(
    practice: Practice,
) -> None:
    tuesday = datetime(2027, 3, 23, 1, tzinfo=UTC)
    scheduled(practice, NEW_YORK, "rul_1", practice.provider_id)
    scheduled(practice, BERLIN, "rul_2", practice.provider_id)
    there = derived(practice, practice.slot(tuesday), "rul_1")
    here = derived(practice, practice.slot(tuesday + minutes(30)), "rul_2")

    assert ids(asked(practice, weekday="monday", **WEEK)["slots"]) == [there]
    assert ids(asked(practice, weekday="tuesday", **WEEK)["slots"]) == [here]


def test_the_night_is_the_wall_clocks_also_when_it_changes(practice: Practice) -> None:
    """Berlin skips from two to three on the 28th of March 2027: seven hours are its night, not eight."""
    midnight = datetime(2027, 3, 27, 23, tzinfo=UTC)
    offered = [practice.slot(midnight + minutes(60) * hour) for hour in range(24)]

    found = asked(
        practice,
        time_zone=BERLIN,
        weekday="sunday",
        part_of_day="night",
        **{"from": said(midnight), "to": said(midnight + timedelta(days=1))},
    )["slots"]

    assert ids(found) == [*offered[:5], offered[21], offered[22]]
    assert found[1]["local_start"] == "2027-03-28T01:00:00+01:00"
    assert found[2]["local_start"] == "2027-03-28T03:00:00+02:00"
