"""Open times: found under every rule, told in a zone, page by page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clinic import Clinic, later, said
from envelope import invalid, ok, refused
from practice import Practice, minutes
from world import LOOP, LOOPBIO

MONDAY = datetime(2027, 3, 15, 8, tzinfo=UTC)
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


@pytest.fixture
def start(clinic: Clinic) -> datetime:
    """Each test has a brand and a provider of its own, so all may use the same time."""
    return clinic.world.at(9, days=3)


def asked(practice: Practice, **query: Any) -> dict[str, Any]:
    """What is answered to staff who look for a follow-up."""
    token = query.pop("token", practice.staff)
    query = {"brand_id": practice.brand_id, **query}
    return ok(practice.clinic.get("/v1/slots", token=token, **query))


def ids(slots: list[dict[str, Any]]) -> list[str]:
    return [slot["id"] for slot in slots]


def scheduled(practice: Practice, time_zone: str, rule_id: str, provider_id: str) -> None:
    """A schedule of the provider's, as far as slots are told in its zone."""
    practice.clinic.world.sql(
        "INSERT INTO booking.schedule (schedule_id, brand_id, provider_no, time_zone, rules)"
        " SELECT %s, %s, provider_no, %s, jsonb_build_object('weekly',"
        " jsonb_build_array(jsonb_build_object('rule_id', %s::text)))"
        " FROM booking.provider WHERE provider_id = %s",
        practice.clinic.new_id("sch"),
        practice.brand_id,
        time_zone,
        rule_id,
        provider_id,
    )


def derived(practice: Practice, slot_id: str, rule_id: str, *visit_types: str) -> str:
    """The slot, as a rule of a schedule would have made it."""
    practice.clinic.world.sql(
        "UPDATE booking.slot SET rule_id = %s, visit_types = %s WHERE slot_id = %s",
        rule_id,
        list(visit_types) or ["follow_up"],
        slot_id,
    )
    return slot_id


def test_an_open_slot_says_all_of_itself(practice: Practice, start: datetime) -> None:
    slot_id = practice.slot(start)

    answer = asked(practice)

    assert answer == {
        "slots": [
            {
                "id": slot_id,
                "provider_id": practice.provider_id,
                "brand_id": practice.brand_id,
                "start_time": said(start),
                "end_time": said(start + minutes(30)),
                "local_start": said(start),
                "time_zone": "UTC",
                "rule_id": None,
            }
        ],
        "next_available": None,
    }


def test_slots_come_earliest_first_of_all_providers(practice: Practice, start: datetime) -> None:
    other = practice.clinic.provider(practice.brand_id)
    third = practice.slot(start + minutes(60))
    first, second = practice.slot(start), practice.slot(start + minutes(30), provider_id=other)

    assert ids(asked(practice)["slots"]) == [first, second, third]


def test_where_several_begin_at_once_their_ids_decide(practice: Practice, start: datetime) -> None:
    others = [practice.clinic.provider(practice.brand_id) for _ in range(3)]
    offered = [practice.slot(start, provider_id=other) for other in others]

    assert ids(asked(practice)["slots"]) == sorted(offered)


def test_only_providers_who_are_named_are_asked(practice: Practice, start: datetime) -> None:
    second, third = (practice.clinic.provider(practice.brand_id) for _ in range(2))
    offered = {
        provider_id: practice.slot(start, provider_id=provider_id)
        for provider_id in (practice.provider_id, second, third)
    }

    found = asked(practice, provider_id=[second, third, third, "prv_never"])

    assert ids(found["slots"]) == sorted([offered[second], offered[third]])


def test_of_nobody_but_unknown_providers_there_is_nothing_to_find(practice: Practice) -> None:
    path, token = "/v1/slots", practice.staff
    foreign = practice.clinic.provider(LOOPBIO)

    for named in (["prv_never"], [foreign], [foreign, "prv_never"]):
        answer = practice.clinic.get(
            path, token=token, brand_id=practice.brand_id, provider_id=named
        )

        refused(answer, 404, "not_found")


def test_a_coach_offers_no_slots(practice: Practice) -> None:
    coach = practice.clinic.provider(practice.brand_id, kind="coach")

    answer = practice.clinic.get(
        "/v1/slots", token=practice.staff, brand_id=practice.brand_id, provider_id=coach
    )

    refused(answer, 404, "not_found")


@pytest.mark.parametrize("is_first", ["false", "true"])
def test_the_window_ends_before_its_end(practice: Practice, start: datetime, is_first: str) -> None:
    early, late = practice.slot(start), practice.slot(start + minutes(30))
    window = {"from": said(start), "to": said(start + minutes(30)), "first_available": is_first}
    after = {**window, "from": said(start + minutes(1)), "to": said(start + minutes(31))}

    assert ids(asked(practice, **window)["slots"]) == [early]
    assert ids(asked(practice, **after)["slots"]) == [late]


def test_what_has_begun_is_never_offered(practice: Practice) -> None:
    practice.slot(datetime.now(UTC) - minutes(5))
    ahead = practice.slot(datetime.now(UTC) + minutes(5))

    found = asked(practice, **{"from": said(datetime.now(UTC) - timedelta(days=1))})

    assert ids(found["slots"]) == [ahead]


def test_the_window_is_thirty_days_from_now(practice: Practice) -> None:
    near = practice.slot(datetime.now(UTC) + timedelta(days=29))
    far = practice.slot(datetime.now(UTC) + timedelta(days=31))

    assert ids(asked(practice)["slots"]) == [near]
    assert ids(
        asked(practice, **{"from": said(datetime.now(UTC) + timedelta(days=2))})["slots"]
    ) == [
        near,
        far,
    ]


def test_now_is_the_clock_of_the_database(practice: Practice, start: datetime) -> None:
    slot_id = practice.slot(start + timedelta(days=100))

    with practice.clinic.clock_at(start + timedelta(days=99)):
        assert ids(asked(practice)["slots"]) == [slot_id]


def test_a_whole_year_is_searched_for_a_slot_at_its_end(practice: Practice) -> None:
    begins = datetime.now(UTC)
    slot_id = practice.slot(begins + timedelta(days=365, hours=23))

    found = asked(practice, **{"from": said(begins), "to": said(begins + timedelta(days=366))})

    assert ids(found["slots"]) == [slot_id]


# -------------------------------------------------------------------------------------- zones


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


# ------------------------------------------------------------------- weekdays, parts of the day


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


# ---------------------------------------------------------------------------- pages, and nothing


def test_pages_follow_each_other_without_a_gap(practice: Practice, start: datetime) -> None:
    other = practice.clinic.provider(practice.brand_id)
    offered = [
        practice.slot(start + timedelta(days=day), provider_id=provider_id)
        for day in range(12)
        for provider_id in (practice.provider_id, other)
    ]

    assert ids(practice.search(limit=5)) == offered
    assert ids(practice.search(limit=24)) == offered


def test_a_page_goes_on_where_it_ended_whatever_is_booked_meanwhile(
    practice: Practice, start: datetime
) -> None:
    offered = [practice.slot(start + minutes(30 * number)) for number in range(6)]
    first = asked(practice, limit=3)
    practice.booked(offered[1])
    practice.booked(offered[4])

    rest = asked(practice, limit=3, cursor=first["next_cursor"])

    assert ids(first["slots"]) == offered[:3]
    assert ids(rest["slots"]) == [offered[3], offered[5]]
    assert "next_cursor" not in rest


def test_the_first_of_each_come_in_pages_too(practice: Practice, start: datetime) -> None:
    others = [practice.clinic.provider(practice.brand_id) for _ in range(4)]
    offered = []
    for number, provider_id in enumerate(others):
        offered.append(practice.slot(start + minutes(10 * number), 5, provider_id=provider_id))
        practice.slot(start + timedelta(days=1), provider_id=provider_id)

    assert ids(practice.search(limit=3, first_available="true")) == offered


def test_the_first_of_a_provider_lies_behind_whatever_is_taken(
    practice: Practice, start: datetime
) -> None:
    """More is taken than is looked at in one go."""
    for number in range(30):
        practice.booked(practice.slot(start + minutes(30 * number)))
    practice.slot(start + timedelta(days=3))
    free = practice.slot(start + timedelta(days=2))

    assert ids(asked(practice, first_available="true")["slots"]) == [free]


def test_the_first_of_a_provider_is_found_behind_many_that_begin_at_once(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(duration_minutes=60)
    for length in range(1, 31):
        practice.slot(start, length)
    free = practice.slot(start + minutes(30), 60)

    assert ids(practice.search(first_available="true")) == [free]


@pytest.mark.parametrize("is_first", ["false", "true"])
def test_an_empty_window_says_what_comes_next(
    practice: Practice, start: datetime, is_first: str
) -> None:
    other = practice.clinic.provider(practice.brand_id)
    practice.slot(start + timedelta(days=5), provider_id=other)
    practice.booked(practice.slot(start + timedelta(days=3)))
    free = practice.slot(start + timedelta(days=4))
    window = {"from": said(start), "to": said(start + timedelta(days=1))}

    answer = asked(practice, first_available=is_first, time_zone=BERLIN, **window)

    assert answer["slots"] == []
    assert answer["next_available"]["id"] == free
    assert answer["next_available"]["time_zone"] == BERLIN
    assert "next_cursor" not in answer


def test_what_comes_next_is_what_is_looked_for(practice: Practice) -> None:
    """The next one is on a Wednesday too."""
    offered = [practice.slot(MONDAY + timedelta(days=day)) for day in range(7, 14)]
    window = {"from": said(MONDAY), "to": said(MONDAY + timedelta(days=5))}

    answer = asked(practice, weekday="wednesday", **window)

    assert answer["next_available"]["id"] == offered[2]


def test_after_a_window_long_past_comes_what_is_open_now(
    practice: Practice, start: datetime
) -> None:
    offered = practice.slot(start)

    answer = asked(practice, **{"from": "2001-03-01T00:00:00Z", "to": "2001-03-02T00:00:00Z"})

    assert (answer["slots"], answer["next_available"]["id"]) == ([], offered)


def test_where_nothing_is_planned_nothing_comes_next(practice: Practice) -> None:
    assert asked(practice) == {"slots": [], "next_available": None}


def test_a_last_page_without_slots_says_nothing_of_what_comes_next(
    practice: Practice, start: datetime
) -> None:
    offered = [practice.slot(start + minutes(30 * number)) for number in range(2)]
    practice.slot(start + timedelta(days=60))
    first = asked(practice, limit=1)
    practice.booked(offered[1])

    rest = asked(practice, limit=1, cursor=first["next_cursor"])

    assert rest == {"slots": [], "next_available": None}


# -------------------------------------------------------------------------- what hides a slot


def test_a_taken_time_is_offered_in_no_brand(
    clinic: Clinic, practice: Practice, start: datetime
) -> None:
    both = clinic.provider(LOOP, practice.brand_id)
    here = practice.slot(start, provider_id=both)
    there = clinic.slot(start + minutes(15), provider_id=both)
    assert ids(asked(practice, provider_id=both)["slots"]) == [here]

    clinic.visit(there)

    assert asked(practice, provider_id=both)["slots"] == []
    assert asked(practice, provider_id=both, first_available="true")["slots"] == []


def test_a_held_time_is_offered_to_nobody_until_it_expires(
    practice: Practice, start: datetime
) -> None:
    slot_id = practice.slot(start)
    held = ok(practice.hold(slot_id), 201)

    assert asked(practice)["slots"] == []
    with practice.clinic.clock_at(
        datetime.fromisoformat(later(held["hold_expires_at"], seconds=1))
    ):
        assert ids(asked(practice)["slots"]) == [slot_id]


def test_a_cancelled_visits_time_is_offered_again(practice: Practice, start: datetime) -> None:
    slot_id = practice.slot(start)
    visit = practice.booked(slot_id)
    assert asked(practice)["slots"] == []

    practice.clinic.post(f"/v1/visits/{visit['id']}/cancel", token=practice.staff)

    assert ids(asked(practice)["slots"]) == [slot_id]


def test_a_visit_of_a_day_before_hides_what_it_reaches_into(
    practice: Practice, start: datetime
) -> None:
    """24 hours long, with a day kept free before and after: the furthest that a visit reaches."""
    practice.visit_type(
        "long", duration_minutes=1440, buffer_before_minutes=1440, buffer_after_minutes=1440
    )
    practice.visit_type()
    hidden = [
        practice.slot(start - minutes(1440)),
        practice.slot(start + minutes(2 * 1440 - 30)),
    ]
    open_slots = [
        practice.slot(start - minutes(1440 + 30)),
        practice.slot(start + minutes(2 * 1440)),
    ]
    practice.booked(practice.slot(start, 1440), "long")

    for window in ({}, {"from": said(start + minutes(2 * 1440 - 30))}):
        found = ids(asked(practice, visit_type="follow_up", **window)["slots"])
        assert not set(hidden) & set(found)
        assert open_slots[1] in found
    assert open_slots[0] in ids(asked(practice, visit_type="follow_up")["slots"])


def test_an_unknown_visit_type_is_refused_by_name(practice: Practice, start: datetime) -> None:
    slot_id = practice.slot(start)
    path = "/v1/slots"
    query = {"brand_id": practice.brand_id, "visit_type": "never"}
    assert ids(asked(practice, visit_type="never")["slots"]) == [slot_id], "it has no types yet"
    practice.visit_type()

    for first_available in ("false", "true"):
        answer = practice.clinic.get(
            path, token=practice.staff, first_available=first_available, **query
        )
        invalid(answer, "visit_type")


def test_without_a_type_only_rules_that_need_none_are_asked(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(duration_minutes=60, notice_minutes=60 * 24 * 300)
    slot_id = practice.slot(start)
    practice.off(start + minutes(60), start + minutes(120))
    practice.slot(start + minutes(60))

    assert ids(asked(practice)["slots"]) == [slot_id]


def test_a_derived_slot_is_for_its_types_and_one_posted_by_hand_for_all_that_fit(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    practice.visit_type("intake", duration_minutes=60)
    short = practice.slot(start)
    long = practice.slot(start + minutes(60), 60)
    follow_up = derived(practice, practice.slot(start + minutes(120)), "rul_1", "follow_up")
    intake = derived(practice, practice.slot(start + minutes(180), 60), "rul_1", "intake")

    assert ids(asked(practice, visit_type="follow_up")["slots"]) == [short, long, follow_up]
    assert ids(asked(practice, visit_type="intake")["slots"]) == [long, intake]


def test_a_provider_has_the_terms_of_their_own(practice: Practice, start: datetime) -> None:
    other = practice.clinic.provider(practice.brand_id)
    practice.visit_type()
    practice.override(other, "follow_up", duration_minutes=45)
    usual = practice.slot(start)
    practice.slot(start, provider_id=other)
    longer = practice.slot(start + minutes(60), 45, provider_id=other)

    for first_available in ("false", "true"):
        assert ids(practice.search(first_available=first_available)) == [usual, longer]


# ---------------------------------------------------------------------------- patients and moves


def test_a_patient_finds_what_they_may_book(practice: Practice, start: datetime) -> None:
    practice.visit_type(licence_required=True)
    practice.licence("US-NY")
    slot_id = practice.slot(start)
    own = {"token": practice.patient.token, "visit_type": "follow_up"}
    assert asked(practice, **own)["slots"] == [], "nobody knows where they are"

    practice.patient_lives_in({"region": "US-NY"})

    assert ids(asked(practice, **own)["slots"]) == [slot_id]
    named = asked(practice, patient_id=practice.patient.patient_id, **own)
    assert ids(named["slots"]) == [slot_id]


def test_another_patients_search_is_empty(practice: Practice, start: datetime) -> None:
    practice.slot(start)
    other = practice.clinic.patient(practice.brand_id)

    answer = asked(practice, token=practice.patient.token, patient_id=other.patient_id)

    assert answer == {"slots": [], "next_available": None}


def test_a_token_that_is_no_patients_of_the_brand_finds_nothing(
    practice: Practice, start: datetime
) -> None:
    practice.slot(start)
    nobody = practice.clinic.token("patient", "sub-nobody", brand_id=practice.brand_id)

    assert asked(practice, token=nobody)["slots"] == []


def test_for_whoever_is_no_patient_of_the_brand_nothing_is_open(
    practice: Practice, start: datetime
) -> None:
    practice.slot(start)

    for patient_id in ("pat_never", "pat_ada"):
        assert asked(practice, patient_id=patient_id) == {"slots": [], "next_available": None}


def test_what_only_staff_book_is_not_offered_to_a_patient(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(booked_by="staff")
    slot_id = practice.slot(start)

    assert ids(practice.search()) == [slot_id]
    assert practice.search(token=practice.patient.token) == []


def test_the_time_of_the_visit_that_is_moved_counts_as_free(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(buffer_after_minutes=30)
    visit = practice.booked(practice.slot(start))
    overlapping = practice.slot(start + minutes(15))
    beside = practice.slot(start + minutes(45))
    assert practice.search() == []

    for first_available in ("false", "true"):
        moved = asked(practice, reschedule_of=visit["id"], first_available=first_available)
        wanted = [overlapping, beside] if first_available == "false" else [overlapping]
        assert ids(moved["slots"]) == wanted, "and not the slot that the visit has"


def test_the_visit_that_is_moved_says_whose_it_is_and_of_which_type(
    practice: Practice, start: datetime
) -> None:
    """It does not count against its own patient's cap, and another one does."""
    practice.visit_type(patient_cap=1, patient_cap_period="year")
    visit = practice.booked(practice.slot(start))
    free = practice.slot(start + minutes(60))
    whose = {"patient_id": practice.patient.patient_id}
    assert practice.search(**whose) == []

    assert ids(asked(practice, reschedule_of=visit["id"])["slots"]) == [free]


def test_a_visit_is_moved_as_a_type_that_its_brand_no_longer_has(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type()
    practice.visit_type("intake")
    visit = practice.booked(practice.slot(start))
    free = practice.slot(start + minutes(60))
    practice.clinic.call("DELETE", "/v1/visit-types/follow_up", token=practice.admin)

    found = asked(practice, reschedule_of=visit["id"])["slots"]

    assert ids(found) == [free]
    moved = practice.clinic.post(
        f"/v1/visits/{visit['id']}/reschedule", {"new_slot_id": free}, token=practice.staff
    )
    ok(moved)


def test_only_the_callers_own_visit_can_be_moved(clinic: Clinic, practice: Practice) -> None:
    own = practice.booked(practice.slot())
    other = practice.clinic.patient(practice.brand_id)
    of_another = practice.booked(practice.slot(), patient_id=other.patient_id)
    foreign = clinic.visit()
    query = {"brand_id": practice.brand_id}
    token = practice.patient.token

    ok(clinic.get("/v1/slots", token=token, reschedule_of=own["id"], **query))
    for visit_id in (of_another["id"], foreign["id"], "vis_never"):
        for path in ("/v1/slots", "/v1/slots/explain"):
            more = {"provider_id": practice.provider_id, "visit_type": "x"}
            more["start_time"] = "2030-01-01T00:00:00Z"
            answer = clinic.get(path, token=token, reschedule_of=visit_id, **query, **more)
            refused(answer, 404, "not_found")


# ------------------------------------------------------------------------------ what cannot be


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("from", "tomorrow"),
        ("from", "2027-01-01T00:00:00"),
        ("from", "1"),
        ("to", "2027-02-30T00:00:00Z"),
        ("to", "2020-01-01T00:00:00Z"),
        ("visit_type", ""),
        ("visit_type", "a\x00b"),
        ("visit_type", "v" * 129),
        ("provider_id", "a b"),
        ("provider_id", ["prv_kim", ""]),
        ("provider_id", ["prv_kim", "x\x00"]),
        ("provider_id", "p" * 129),
        ("provider_id", [f"prv_{number}" for number in range(501)]),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", ""),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "localtime"),
        ("time_zone", "e" * 1000),
        ("weekday", "funday"),
        ("weekday", ["monday", ""]),
        ("weekday", "1"),
        ("part_of_day", "noon"),
        ("part_of_day", ["morning", "NIGHT"]),
        ("patient_id", ""),
        ("patient_id", "x\x00"),
        ("reschedule_of", " "),
        ("first_available", "perhaps"),
        ("limit", 0),
        ("limit", 1001),
        ("cursor", "x"),
    ],
)
def test_what_cannot_be_is_refused_by_name(clinic: Clinic, field: str, value: Any) -> None:
    answer = clinic.get("/v1/slots", brand_id=LOOP, **{field: value})

    invalid(answer, field)
    assert "passwd" not in answer.text


def test_a_window_is_at_most_366_days(clinic: Clinic) -> None:
    begins = clinic.new_time()

    def window(length: timedelta) -> dict[str, str]:
        return {"from": said(begins), "to": said(begins + length)}

    ok(clinic.get("/v1/slots", brand_id=LOOP, **window(timedelta(days=366))))
    for length in (timedelta(days=366, seconds=1), timedelta(0), timedelta(days=-1)):
        invalid(clinic.get("/v1/slots", brand_id=LOOP, **window(length)), "to")


def test_the_brand_must_be_named_and_the_callers(clinic: Clinic) -> None:
    invalid(clinic.get("/v1/slots"), "brand_id")
    refused(clinic.get("/v1/slots", brand_id=LOOPBIO), 404, "not_found")
