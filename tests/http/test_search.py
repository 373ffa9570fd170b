"""Open times: whose, when, page by page, and what cannot be asked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clinic import Clinic, said
from envelope import invalid, ok, refused
from practice import Practice, minutes
from searching import asked, ids
from world import LOOP, LOOPBIO

MONDAY = datetime(2027, 3, 15, 8, tzinfo=UTC)
BERLIN = "Europe/Berlin"


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


@pytest.fixture
def start(clinic: Clinic) -> datetime:
    """Each test has a brand and a provider of its own, so all may use the same time."""
    return clinic.world.at(9, days=3)


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
