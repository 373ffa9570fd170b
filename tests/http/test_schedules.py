"""A provider's week over HTTP: what is said is kept, and its slots are there at once."""

from datetime import timedelta
from typing import Any

import pytest

from clinic import Clinic
from envelope import invalid, ok, refused
from scheduled import Practice, every_day, week
from world import LOOP, LOOPBIO


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


def test_a_week_is_kept_as_it_was_said_and_its_rules_get_ids(practice: Practice) -> None:
    said = week(
        valid_from="2026-01-01",
        holiday_region="DE-BE",
        time_zone="Europe/Berlin",
        weekly=every_day("09:00", "00:00")[:1],
        recurring=[
            {"effect": "closed", "rrule": "FREQ=MONTHLY;BYDAY=1TU", "starts_on": "2026-01-01"}
        ],
        openings=[{"date": "2031-10-03", "start_time": "10:00", "end_time": "12:00"}],
    )

    kept = practice.schedule(**said)

    assert kept["version"] == 1
    weekly, recurring, opening = (kept[kind][0] for kind in ("weekly", "recurring", "openings"))
    ids = [rule.pop("id") for rule in (weekly, recurring, opening)]
    assert all(rule_id.startswith("rul_") for rule_id in ids)
    assert len(set(ids)) == 3
    assert (kept["time_zone"], kept["holiday_region"]) == ("Europe/Berlin", "DE-BE")
    assert (kept["valid_from"], kept["valid_until"]) == ("2026-01-01", None)
    assert weekly == {
        "weekday": "monday",
        "start_time": "09:00:00",
        "end_time": "00:00:00",
        "visit_types": ["follow_up"],
        "valid_from": None,
        "valid_until": None,
    }
    assert recurring["rrule"] == "FREQ=MONTHLY;BYDAY=1TU"
    assert (recurring["effect"], recurring["start_time"]) == ("closed", None)
    assert opening["date"] == "2031-10-03"
    read = practice.clinic.get(f"{practice.path}/schedules/{kept['id']}")
    assert ok(read)["weekly"][0]["id"] == ids[0]
    assert read.headers["ETag"] == '"1"'


def test_its_slots_are_there_at_once_for_ninety_days_and_each_knows_its_rule(
    practice: Practice,
) -> None:
    kept = practice.schedule()

    slots = practice.slots()

    tomorrow = practice.clinic.world.day
    assert practice.times(tomorrow) == ["09:00", "09:30", "10:00", "10:30"]
    assert practice.times(tomorrow + timedelta(days=88)) == ["09:00", "09:30", "10:00", "10:30"]
    assert practice.times(tomorrow + timedelta(days=91)) == []
    weekday = tomorrow.strftime("%A").lower()
    (rule,) = (rule["id"] for rule in kept["weekly"] if rule["weekday"] == weekday)
    assert {slot["rule_id"] for slot in practice.slots(tomorrow)} == {rule}
    assert not any(slot["booked"] for slot in slots)
    assert 89 * 4 <= len(slots) <= 91 * 4


def test_a_search_finds_them_at_once_and_no_longer_when_the_provider_is_away(
    practice: Practice,
) -> None:
    day = practice.clinic.world.day
    asked = {
        "brand_id": LOOP,
        "visit_type": "follow_up",
        "provider_id": practice.provider_id,
        "from": day.isoformat(),
        "to": (day + timedelta(days=1)).isoformat(),
    }

    practice.schedule()
    found = ok(practice.clinic.get("/v1/slots", **asked))["slots"]
    practice.away(f"{day:%Y-%m-%d}T09:00", f"{day:%Y-%m-%d}T10:00")
    left = ok(practice.clinic.get("/v1/slots", **asked))["slots"]

    assert [slot["start_time"][11:16] for slot in found] == ["09:00", "09:30", "10:00", "10:30"]
    assert [slot["start_time"][11:16] for slot in left] == ["10:00", "10:30"]


def test_a_slot_posted_by_hand_has_no_rule_and_lives_beside_the_schedule(
    practice: Practice,
) -> None:
    by_hand = practice.clinic.world.at(8)
    practice.clinic.slot(by_hand, provider_id=practice.provider_id)

    practice.schedule()

    first, second, *_ = practice.slots(practice.clinic.world.day)
    assert (first["start_time"][11:16], first["rule_id"]) == ("08:00", None)
    assert second["rule_id"] is not None


def test_a_changed_week_keeps_the_slots_that_it_still_offers(practice: Practice) -> None:
    kept = practice.schedule()
    day = practice.clinic.world.day
    before = {slot["start_time"]: slot["id"] for slot in practice.slots(day)}
    weekly = [{**rule, "start_time": "10:00", "end_time": "12:00"} for rule in kept["weekly"]]

    changed = ok(
        practice.clinic.call("PUT", f"{practice.path}/schedules/{kept['id']}", week(weekly=weekly))
    )

    assert changed["version"] == 2
    assert [rule["id"] for rule in changed["weekly"]] == [rule["id"] for rule in kept["weekly"]]
    after = {slot["start_time"]: slot["id"] for slot in practice.slots(day)}
    assert practice.times(day) == ["10:00", "10:30", "11:00", "11:30"]
    shared = before.keys() & after.keys()
    assert len(shared) == 2
    assert all(before[time] == after[time] for time in shared)


def test_a_new_rule_for_the_same_time_takes_the_slot_over(practice: Practice) -> None:
    kept = practice.schedule()
    day = practice.clinic.world.day
    before = [slot["id"] for slot in practice.slots(day)]

    changed = ok(practice.clinic.call("PUT", f"{practice.path}/schedules/{kept['id']}", week()))

    slots = practice.slots(day)
    assert [slot["id"] for slot in slots] == before
    assert {slot["rule_id"] for slot in slots} <= {rule["id"] for rule in changed["weekly"]}


def test_a_schedule_that_is_taken_away_takes_its_slots_along(practice: Practice) -> None:
    kept = practice.schedule()
    path = f"{practice.path}/schedules/{kept['id']}"

    deleted = ok(practice.clinic.call("DELETE", path))

    assert deleted["id"] == kept["id"]
    assert practice.slots() == []
    refused(practice.clinic.get(path), 404, "not_found")
    refused(practice.clinic.call("DELETE", path), 404, "not_found")


def test_a_change_of_another_version_is_refused(practice: Practice) -> None:
    kept = practice.schedule()
    path = f"{practice.path}/schedules/{kept['id']}"
    ok(practice.clinic.call("PUT", path, week(), headers={"If-Match": '"1"'}))

    late = practice.clinic.call("PUT", path, week(), headers={"If-Match": '"1"'})
    gone = practice.clinic.call("DELETE", path, headers={"If-Match": '"1"'})

    refused(late, 412, "version_mismatch", version=2)
    refused(gone, 412, "version_mismatch", version=2)


def test_schedules_are_listed_in_pages_in_the_order_they_were_made(practice: Practice) -> None:
    made = [practice.schedule(weekly=[])["id"] for _ in range(3)]
    path = f"{practice.path}/schedules"

    first = ok(practice.clinic.get(path, limit=2))
    rest = ok(practice.clinic.get(path, cursor=first["next_cursor"]))

    listed = [schedule["id"] for schedule in (*first["schedules"], *rest["schedules"])]
    assert listed == sorted(made)
    assert "next_cursor" not in rest


def test_a_slot_that_a_person_took_back_stays_away_and_one_withdrawn_comes_again(
    practice: Practice,
) -> None:
    kept = practice.schedule()
    day = practice.clinic.world.day
    first = practice.slots(day)[0]
    ok(practice.clinic.call("DELETE", f"{practice.path}/slots/{first['id']}"))
    path = f"{practice.path}/schedules/{kept['id']}"

    ok(practice.clinic.call("PUT", path, week(weekly=every_day("13:00", "14:00"))))
    ok(practice.clinic.call("PUT", path, week()))

    assert practice.times(day) == ["09:30", "10:00", "10:30"]


def test_a_visit_that_would_be_left_behind_stops_the_change(practice: Practice) -> None:
    kept = practice.schedule()
    day = practice.clinic.world.day
    visit = practice.book(practice.slots(day)[0])
    path = f"{practice.path}/schedules/{kept['id']}"
    afternoon = week(weekly=every_day("13:00", "14:00"))

    for answer in (
        practice.clinic.call("PUT", path, afternoon),
        practice.clinic.call("DELETE", path),
    ):
        refused(
            answer,
            409,
            "visits_affected",
            count=1,
            visits=[
                {
                    "id": visit["id"],
                    "start_time": visit["start_time"],
                    "end_time": visit["end_time"],
                }
            ],
        )
    assert practice.times(day) == ["09:00", "09:30", "10:00", "10:30"]
    assert ok(practice.clinic.get(path))["version"] == 1


@pytest.mark.parametrize("change", ["PUT", "DELETE"])
def test_visits_may_be_kept_and_their_time_is_not_offered_again_once_it_is_free(
    practice: Practice, change: str
) -> None:
    kept = practice.schedule()
    day = practice.clinic.world.day
    slot = practice.slots(day)[0]
    visit = practice.book(slot)
    path = f"{practice.path}/schedules/{kept['id']}"
    afternoon = week(weekly=every_day("13:00", "14:00"), keep_visits=True)

    if change == "PUT":
        ok(practice.clinic.call("PUT", path, afternoon))
    else:
        ok(practice.clinic.call("DELETE", path, query={"keep_visits": "true"}))

    still = ok(practice.clinic.get(f"/v1/visits/{visit['id']}"))
    assert (still["status"], still["slot_id"]) == ("booked", slot["id"])
    assert [s["id"] for s in practice.slots(day) if s["booked"]] == [slot["id"]]
    assert len(practice.slots(day)) == (3 if change == "PUT" else 1)
    # A change later on is not stopped by what was left behind before.
    if change == "PUT":
        ok(practice.clinic.call("PUT", path, week(weekly=every_day("14:00", "15:00"))))


def test_a_time_that_was_kept_for_a_visit_is_gone_the_moment_the_visit_is(
    practice: Practice,
) -> None:
    kept = practice.schedule()
    day = practice.clinic.world.day
    slot = practice.slots(day)[0]
    visit = practice.book(slot)
    afternoon = week(weekly=every_day("13:00", "14:00"), keep_visits=True)
    ok(practice.clinic.call("PUT", f"{practice.path}/schedules/{kept['id']}", afternoon))
    ok(practice.clinic.post(f"/v1/visits/{visit['id']}/cancel"))

    question = {"brand_id": LOOP, "visit_type": "follow_up", "provider_id": practice.provider_id}
    at_that_time = {"from": slot["start_time"], "to": slot["end_time"]}
    offered = ok(practice.clinic.get("/v1/slots", **question, **at_that_time))["slots"]
    explained = ok(
        practice.clinic.get("/v1/slots/explain", **question, start_time=slot["start_time"])
    )
    booked = practice.clinic.post("/v1/visits", practice.clinic.world.book(slot["id"]))

    assert offered == []
    assert [rule["rule"] for rule in explained["rules"] if not rule["passed"]] == ["hours"]
    # A worker takes the slot back within seconds; whether it did already, nobody can tell.
    assert (booked.status_code, booked.json()["error"]) in {
        (409, "rule_broken"),
        (404, "not_found"),
    }


def test_a_visit_whose_time_is_still_offered_stops_nothing(practice: Practice) -> None:
    kept = practice.schedule()
    day = practice.clinic.world.day
    practice.book(practice.slots(day)[0])

    longer = week(weekly=every_day("08:00", "12:00"))

    ok(practice.clinic.call("PUT", f"{practice.path}/schedules/{kept['id']}", longer))


def test_the_length_of_the_visit_type_is_the_length_of_the_slots(practice: Practice) -> None:
    practice.clinic.world.add_visit_type("checkup", LOOP, duration_minutes=60, grid_minutes=60)

    practice.schedule(weekly=every_day("09:00", "11:00", visit_types=["checkup"]))

    day = practice.clinic.world.day
    slots = practice.slots(day)
    assert [slot["start_time"][11:16] for slot in slots] == ["09:00", "10:00"]
    assert [slot["end_time"][11:16] for slot in slots] == ["10:00", "11:00"]


def test_a_brand_without_visit_types_has_no_lengths_to_make_slots_of(clinic: Clinic) -> None:
    provider_id = clinic.provider(LOOPBIO)
    added = clinic.post(
        f"/v1/providers/{provider_id}/schedules",
        week(brand_id=LOOPBIO, weekly=every_day(visit_types=None)),
        token=clinic.world.foreign_staff,
    )

    ok(added, 201)
    listed = clinic.get(
        f"/v1/providers/{provider_id}/slots", token=clinic.world.foreign_staff, brand_id=LOOPBIO
    )
    assert ok(listed)["slots"] == []


RULE = {"weekday": "monday", "start_time": "09:00", "end_time": "10:00"}
YEARLY = {"effect": "closed", "rrule": "FREQ=YEARLY", "starts_on": "2026-12-24"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": None}, "time_zone"),
        ({"valid_from": "2027-02-01", "valid_until": "2027-01-31"}, "valid_until"),
        ({"valid_from": "tomorrow"}, "valid_from"),
        ({"holiday_region": "XX"}, "holiday_region"),
        ({"weekly": [{**RULE, "weekday": "someday"}]}, "weekly[0].weekday"),
        ({"weekly": [RULE, {**RULE, "end_time": "08:00"}]}, "weekly[1].end_time"),
        ({"weekly": [{**RULE, "start_time": "25:00"}]}, "weekly[0].start_time"),
        ({"weekly": [{**RULE, "start_time": "09:00:30"}]}, "weekly[0].start_time"),
        ({"weekly": [{**RULE, "visit_types": ["never"]}]}, "weekly[0].visit_types"),
        ({"weekly": [{**RULE, "visit_types": []}]}, "weekly[0].visit_types"),
        ({"weekly": [{"weekday": "monday"}]}, "weekly[0].start_time"),
        ({"weekly": "all"}, "weekly"),
        ({"recurring": [{**YEARLY, "rrule": "FREQ=SECONDLY"}]}, "recurring[0].rrule"),
        ({"recurring": [{**YEARLY, "starts_on": "0001-01-01"}]}, "recurring[0].starts_on"),
        ({"recurring": [{**YEARLY, "start_time": "09:00"}]}, "recurring[0].end_time"),
        ({"recurring": [{**YEARLY, "effect": "perhaps"}]}, "recurring[0].effect"),
        (
            {"openings": [{"date": "2026-02-30", "start_time": "09:00", "end_time": "10:00"}]},
            "openings[0].date",
        ),
        ({"weekly": [RULE] * 201}, "weekly"),
        ({"keep_visits": "yes"}, "keep_visits"),
    ],
)
def test_a_week_that_cannot_be_is_refused_by_its_place(
    practice: Practice, changes: dict[str, Any], field: str
) -> None:
    answer = practice.clinic.post(f"{practice.path}/schedules", week(**changes))

    invalid(answer, field)
    assert ok(practice.clinic.get(f"{practice.path}/schedules"))["schedules"] == []


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_week_may_be_valid_from_the_first_day_or_until_the_last(
    practice: Practice, day: str
) -> None:
    which = "valid_from" if day < "2000" else "valid_until"

    kept = practice.schedule(**{which: day})

    assert kept[which] == day
    assert practice.times(practice.clinic.world.day) == ["09:00", "09:30", "10:00", "10:30"]


def test_a_rule_cannot_take_an_id_that_the_schedule_does_not_have(practice: Practice) -> None:
    kept = practice.schedule()
    path = f"{practice.path}/schedules/{kept['id']}"
    own = kept["weekly"][0]["id"]

    unknown = practice.clinic.call("PUT", path, week(weekly=[{**RULE, "id": "rul_never"}]))
    twice = practice.clinic.call("PUT", path, week(weekly=[{**RULE, "id": own}] * 2))

    invalid(unknown, "weekly[0].id")
    assert twice.status_code == 400


def test_a_provider_has_only_so_many_schedules(practice: Practice) -> None:
    for _ in range(20):
        practice.schedule(weekly=[])

    one_more = practice.clinic.post(f"{practice.path}/schedules", week(weekly=[]))

    invalid(one_more, "schedules")


def test_a_patient_reads_a_week_and_changes_none(practice: Practice) -> None:
    kept = practice.schedule()
    patient = practice.clinic.patient()
    path = f"{practice.path}/schedules/{kept['id']}"

    ok(practice.clinic.get(path, token=patient.token))

    for method in ("PUT", "DELETE"):
        body = week() if method == "PUT" else None
        refused(practice.clinic.call(method, path, body, token=patient.token), 403, "forbidden")
    refused(
        practice.clinic.post(f"{practice.path}/schedules", week(), token=patient.token),
        403,
        "forbidden",
    )


def test_a_coach_has_no_schedule(clinic: Clinic) -> None:
    coach_id = clinic.provider(kind="coach")

    answer = clinic.post(f"/v1/providers/{coach_id}/schedules", week())

    refused(answer, 404, "not_found")


def test_more_slots_than_anybody_needs_are_refused_before_they_are_made(
    practice: Practice,
) -> None:
    practice.clinic.world.add_visit_type("tick", LOOP, duration_minutes=1, grid_minutes=1)
    all_day = every_day("00:00", "00:00", visit_types=["tick"])

    answer = practice.clinic.post(f"{practice.path}/schedules", week(weekly=all_day))

    invalid(answer, "rules")
    assert practice.slots() == []
