"""Time off over HTTP: whole days, parts of a day, weeks; the slots go at once and come back."""

from datetime import timedelta
from typing import Any

import pytest

from clinic import Clinic
from envelope import invalid, ok, refused
from scheduled import Practice
from world import LOOP

ALL_DAY = ["09:00", "09:30", "10:00", "10:30"]


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


def test_days_off_are_named_by_their_dates_and_both_are_off(practice: Practice) -> None:
    practice.schedule()
    day = practice.clinic.world.day
    first, last = (day + timedelta(days=n) for n in (1, 2))

    off = practice.away(f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}")

    assert off["id"].startswith("off_")
    assert (off["from"], off["until"]) == (f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}")
    assert off["time_zone"] == "UTC"
    assert off["start_time"] == f"{first:%Y-%m-%d}T00:00:00Z"
    assert off["end_time"] == f"{last + timedelta(days=1):%Y-%m-%d}T00:00:00Z"
    days = [day + timedelta(days=n) for n in range(4)]
    assert [practice.times(d) for d in days] == [ALL_DAY, [], [], ALL_DAY]


def test_part_of_a_day_is_off_by_the_clock_on_the_wall(practice: Practice) -> None:
    practice.schedule()
    day = practice.clinic.world.day

    off = practice.away(f"{day:%Y-%m-%d}T09:30", f"{day:%Y-%m-%d}T10:15")

    assert (off["from"][11:], off["until"][11:]) == ("09:30", "10:15")
    assert practice.times(day) == ["09:00", "10:30"]


def test_the_zone_is_the_schedules_unless_it_is_named(practice: Practice) -> None:
    practice.schedule(time_zone="Asia/Tokyo")
    day = practice.clinic.world.day

    own = practice.away(f"{day:%Y-%m-%d}", f"{day:%Y-%m-%d}")
    named = practice.away(f"{day:%Y-%m-%d}", f"{day:%Y-%m-%d}", time_zone="America/New_York")

    assert own["start_time"] == f"{day - timedelta(days=1):%Y-%m-%d}T15:00:00Z"
    assert named["time_zone"] == "America/New_York"
    assert named["start_time"][11:] in ("04:00:00Z", "05:00:00Z")


def test_without_a_schedule_the_zone_must_be_named(practice: Practice) -> None:
    day = f"{practice.clinic.world.day:%Y-%m-%d}"
    body = {"brand_id": LOOP, "from": day, "until": day}

    invalid(practice.clinic.post(f"{practice.path}/time-off", body), "time_zone")

    assert practice.away(day, day, time_zone="UTC")["time_zone"] == "UTC"


def test_time_off_that_is_taken_back_gives_the_slots_back(practice: Practice) -> None:
    practice.schedule()
    day = practice.clinic.world.day
    off = practice.away(f"{day:%Y-%m-%d}", f"{day:%Y-%m-%d}")
    path = f"{practice.path}/time-off/{off['id']}"

    removed = ok(practice.clinic.call("DELETE", path))

    assert removed == off
    assert practice.times(day) == ALL_DAY
    assert ok(practice.clinic.get(f"{practice.path}/time-off"))["time_off"] == []
    refused(practice.clinic.call("DELETE", path), 404, "not_found")


def test_time_off_is_listed_in_pages_by_when_it_ends(practice: Practice) -> None:
    day = practice.clinic.world.day
    for number in (3, 1, 2):
        text = f"{day + timedelta(days=number):%Y-%m-%d}"
        practice.away(text, text, time_zone="UTC")
    path = f"{practice.path}/time-off"

    first = ok(practice.clinic.get(path, limit=2))
    rest = ok(practice.clinic.get(path, cursor=first["next_cursor"]))

    listed = [off["start_time"] for off in (*first["time_off"], *rest["time_off"])]
    assert listed == sorted(listed)
    assert len(listed) == 3


def test_visits_in_that_time_stop_it_also_where_their_slot_was_posted_by_hand(
    practice: Practice,
) -> None:
    practice.schedule()
    day = practice.clinic.world.day
    by_hand = practice.clinic.slot(practice.clinic.world.at(15), provider_id=practice.provider_id)
    visits = [practice.book(practice.slots(day)[0]), practice.book({"id": by_hand})]
    body = {"brand_id": LOOP, "from": f"{day:%Y-%m-%d}", "until": f"{day:%Y-%m-%d}"}

    answer = practice.clinic.post(f"{practice.path}/time-off", body)

    said = refused(answer, 409, "visits_affected", count=2)
    assert [visit["id"] for visit in said["details"]["visits"]] == [v["id"] for v in visits]
    assert practice.times(day) == [*ALL_DAY, "15:00"]
    assert ok(practice.clinic.get(f"{practice.path}/time-off"))["time_off"] == []


def test_visits_may_be_kept_and_a_second_time_off_over_them_asks_no_more(
    practice: Practice,
) -> None:
    practice.schedule()
    day = practice.clinic.world.day
    visit = practice.book(practice.slots(day)[1])

    practice.away(f"{day:%Y-%m-%d}", f"{day:%Y-%m-%d}", keep_visits=True)
    practice.away(f"{day:%Y-%m-%d}T09:00", f"{day:%Y-%m-%d}T12:00")

    assert [slot["id"] for slot in practice.slots(day)] == [visit["slot_id"]]
    still = ok(practice.clinic.get(f"/v1/visits/{visit['id']}"))
    assert (still["status"], still["version"]) == ("booked", 1)


def test_a_visit_of_another_brand_is_nobodys_business_here(clinic: Clinic) -> None:
    practice = Practice(clinic, "loop", "loopbio")
    practice.schedule()
    day = clinic.world.day
    elsewhere = clinic.slot(day, provider_id=practice.provider_id, brand_id="loopbio")
    booked = clinic.post(
        "/v1/visits",
        clinic.world.book(elsewhere, brand_id="loopbio", patient_id="pat_eve"),
        token=clinic.world.foreign_staff,
    )
    ok(booked, 201)

    practice.away(f"{day:%Y-%m-%d}", f"{day:%Y-%m-%d}")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from": "2026-02-30"}, "from"),
        ({"from": "tomorrow"}, "from"),
        ({"from": "2031-01-01T09:00Z"}, "from"),
        ({"from": "2031-01-01T09:00:30"}, "from"),
        ({"from": "2031-01-01 09:00+01:00"}, "from"),
        ({"until": "2030-12-31"}, "until"),
        ({"until": "9999-12-31"}, "until"),
        ({"from": "2020-01-01", "until": "2020-01-02"}, "until"),
        ({"from": "0001-01-01"}, "from"),
        ({"from": "2031-01-01", "until": "2035-01-01"}, "until"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"until": None}, "until"),
    ],
)
def test_time_off_that_cannot_be_is_refused_by_its_field(
    practice: Practice, changes: dict[str, Any], field: str
) -> None:
    body = {
        "brand_id": LOOP,
        "from": "2031-01-01",
        "until": "2031-01-01",
        "time_zone": "UTC",
        **changes,
    }

    invalid(practice.clinic.post(f"{practice.path}/time-off", body), field)


def test_a_patient_takes_nobodys_time_off(practice: Practice) -> None:
    patient = practice.clinic.patient()
    body = {"brand_id": LOOP, "from": "2031-01-01", "until": "2031-01-01", "time_zone": "UTC"}
    off = practice.away("2031-01-01", "2031-01-01", time_zone="UTC")

    added = practice.clinic.post(f"{practice.path}/time-off", body, token=patient.token)
    removed = practice.clinic.call(
        "DELETE", f"{practice.path}/time-off/{off['id']}", token=patient.token
    )

    refused(added, 403, "forbidden")
    refused(removed, 403, "forbidden")
