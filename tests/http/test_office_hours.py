"""Office hours: a coach's weekly rule in wall time, and the sessions it means."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from clinic import Clinic, monday_morning, said
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO

# A Monday in a month without surprises, and the instant from which these tests look ahead.
MONDAY = datetime(2027, 5, 3, tzinfo=UTC)
SUNDAY_BEFORE = MONDAY - timedelta(days=1)


def add(clinic: Clinic, coach_id: str, **changes: object) -> httpx.Response:
    return clinic.post(f"/v1/coaches/{coach_id}/office-hours", monday_morning(**changes))


def sessions(
    clinic: Clinic, coach_id: str, *, of: datetime = MONDAY, days: int = 1, token: str | None = None
) -> list[dict[str, Any]]:
    """The sessions offered on that day (and the following), seen from the day before it."""
    with clinic.clock_at(of - timedelta(days=1)):
        answer = clinic.get(
            f"/v1/coaches/{coach_id}/slots",
            token=token,
            **{"from": said(of), "to": said(of + timedelta(days=days))},
        )
    found: list[dict[str, Any]] = ok(answer)["slots"]
    return found


def starts(found: list[dict[str, Any]]) -> list[str]:
    return [session["slot_at"] for session in found]


# ------------------------------------------------------------------------------------- the rule


def test_a_rule_says_all_of_itself(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")

    rule = ok(
        add(
            clinic,
            coach,
            time_zone="Europe/Berlin",
            capacity=3,
            valid_from="2027-05-03",
            valid_until="2027-05-31",
        ),
        201,
    )

    assert rule["id"].startswith("ofh_")
    assert rule == {
        "id": rule["id"],
        "brand_id": LOOP,
        "coach_id": coach,
        "weekday": "monday",
        "start_time": "09:00:00",
        "end_time": "10:00:00",
        "time_zone": "Europe/Berlin",
        "duration_minutes": 30,
        "capacity": 3,
        "valid_from": "2027-05-03",
        "valid_until": "2027-05-31",
        "created_at": rule["created_at"],
    }
    assert ok(clinic.get(f"/v1/coaches/{coach}/office-hours"))["office_hours"] == [rule]


def test_a_rule_may_leave_open_how_many_and_how_long(clinic: Clinic) -> None:
    rule = ok(add(clinic, clinic.provider(kind="coach")), 201)

    assert (rule["capacity"], rule["valid_from"], rule["valid_until"]) == (1, None, None)


def test_a_time_of_day_may_be_said_without_seconds(clinic: Clinic) -> None:
    rule = ok(add(clinic, clinic.provider(kind="coach"), start_time="08:30", end_time="09:00"), 201)

    assert (rule["start_time"], rule["end_time"]) == ("08:30:00", "09:00:00")


WRONG: list[tuple[str, object]] = [
    ("weekday", "funday"),
    ("weekday", "Monday"),
    ("weekday", 1),
    ("weekday", None),
    ("start_time", "9:00"),
    ("start_time", "24:00"),
    ("start_time", "09:60"),
    ("start_time", "09:00:00Z"),
    ("start_time", "09:00\n"),
    ("start_time", 9),
    ("end_time", "nine"),
    ("end_time", "09:00"),  # not after the start
    ("end_time", "08:00"),
    ("time_zone", "Mars/Phobos"),
    ("time_zone", "Europe"),
    ("time_zone", "/etc/passwd"),
    ("time_zone", "../UTC"),
    ("time_zone", "UTC\x00"),
    ("time_zone", ""),
    ("time_zone", "x" * 65),
    ("time_zone", 1),
    ("duration_minutes", 4),
    ("duration_minutes", 0),
    ("duration_minutes", -30),
    ("duration_minutes", 61),  # longer than it is open
    ("duration_minutes", 1_441),
    ("duration_minutes", 10**30),
    ("duration_minutes", "30"),
    ("duration_minutes", 30.5),
    ("capacity", 0),
    ("capacity", 1_001),
    ("capacity", "3"),
    ("capacity", True),
    ("capacity", None),
    ("valid_from", "2027-02-30"),
    ("valid_from", "2027-05-03T00:00:00Z"),
    ("valid_from", "0001-01-01"),
    ("valid_from", 20_270_503),
    ("valid_until", "yesterday"),
    ("valid_until", "9999-12-31"),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_rule_that_makes_no_sense_is_refused_by_name(
    clinic: Clinic, field: str, value: object
) -> None:
    invalid(add(clinic, "coach_jo", **{field: value}), field)


@pytest.mark.parametrize(
    "field", ["weekday", "start_time", "end_time", "time_zone", "duration_minutes"]
)
def test_a_required_field_is_named_when_it_is_missing(clinic: Clinic, field: str) -> None:
    rule = monday_morning()
    del rule[field]

    invalid(clinic.post("/v1/coaches/coach_jo/office-hours", rule), field)


def test_a_rule_ends_no_earlier_than_it_begins(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")

    ok(add(clinic, coach, valid_from="2027-05-03", valid_until="2027-05-03"), 201)
    invalid(add(clinic, coach, valid_from="2027-05-04", valid_until="2027-05-03"), "valid_until")


def test_a_patient_offers_no_office_hours(clinic: Clinic) -> None:
    path = "/v1/coaches/coach_jo/office-hours"

    refused(clinic.post(path, monday_morning(), token=clinic.world.patient), 403, "forbidden")


PATHS = [("POST", "office-hours"), ("GET", "office-hours"), ("GET", "slots")]


@pytest.mark.parametrize(("method", "of"), PATHS)
def test_a_coach_of_another_brand_is_forbidden(clinic: Clinic, method: str, of: str) -> None:
    answer = clinic.call(method, f"/v1/coaches/coach_max/{of}", monday_morning())

    assert refused(answer, 403, "forbidden")["message"] == (
        "The coach is outside the current brand."
    )


@pytest.mark.parametrize("coach_id", ["coach_never", "prv_kim", "prv_sam"])
@pytest.mark.parametrize(("method", "of"), PATHS)
def test_whoever_is_no_coach_is_not_there(
    clinic: Clinic, method: str, of: str, coach_id: str
) -> None:
    answer = clinic.call(method, f"/v1/coaches/{coach_id}/{of}", monday_morning())

    assert refused(answer, 404, "not_found")["message"] == "There is no such coach."


def test_a_brand_sees_its_own_rules_of_a_shared_coach_only(clinic: Clinic) -> None:
    coach = clinic.provider(LOOP, LOOPBIO, kind="coach")
    ours = clinic.office_hour(coach)
    clinic.post(
        f"/v1/coaches/{coach}/office-hours", monday_morning(), token=clinic.world.foreign_staff
    )

    listed = ok(clinic.get(f"/v1/coaches/{coach}/office-hours"))["office_hours"]

    assert listed == [ours]


# --------------------------------------------------------------------------------- its sessions


def test_a_rule_offers_sessions_back_to_back_while_they_fit(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, end_time="10:10", duration_minutes=30, capacity=4)

    assert sessions(clinic, coach) == [
        {"slot_at": "2027-05-03T09:00:00Z", "duration_minutes": 30, "seats_left": 4},
        {"slot_at": "2027-05-03T09:30:00Z", "duration_minutes": 30, "seats_left": 4},
    ]


def test_a_rule_is_kept_in_the_wall_time_of_its_zone(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, time_zone="Asia/Kolkata", end_time="09:30")
    clinic.office_hour(coach, time_zone="Pacific/Auckland", end_time="09:30")

    found = sessions(clinic, coach, of=SUNDAY_BEFORE, days=2)

    assert starts(found) == ["2027-05-02T21:00:00Z", "2027-05-03T03:30:00Z"]


def test_sessions_of_several_rules_come_earliest_first(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, start_time="13:00", end_time="13:30")
    clinic.office_hour(coach, end_time="09:30")
    clinic.office_hour(coach, weekday="sunday", end_time="09:30")

    assert starts(sessions(clinic, coach, of=SUNDAY_BEFORE, days=2)) == [
        "2027-05-02T09:00:00Z",
        "2027-05-03T09:00:00Z",
        "2027-05-03T13:00:00Z",
    ]


def test_a_rule_holds_from_its_first_day_to_its_last_both_included(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, end_time="09:30", valid_from="2027-05-10", valid_until="2027-05-17")

    found = sessions(clinic, coach, days=60)

    assert starts(found) == ["2027-05-10T09:00:00Z", "2027-05-17T09:00:00Z"]


def test_an_hour_that_the_clock_skips_offers_nothing(clinic: Clinic) -> None:
    """On 28 March 2027 clocks in Berlin went from 02:00 to 03:00."""
    coach = clinic.provider(kind="coach")
    skipped = {"weekday": "sunday", "time_zone": "Europe/Berlin"}
    clinic.office_hour(coach, start_time="02:00", end_time="03:00", **skipped)

    assert sessions(clinic, coach, of=datetime(2027, 3, 28, tzinfo=UTC)) == []
    assert starts(sessions(clinic, coach, of=datetime(2027, 3, 21, tzinfo=UTC))) == [
        "2027-03-21T01:00:00Z",
        "2027-03-21T01:30:00Z",
    ]


def test_what_is_left_of_a_rule_around_a_skipped_hour_is_offered(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(
        coach, weekday="sunday", start_time="01:30", end_time="03:30", time_zone="Europe/Berlin"
    )

    assert starts(sessions(clinic, coach, of=datetime(2027, 3, 28, tzinfo=UTC))) == [
        "2027-03-28T00:30:00Z",
        "2027-03-28T01:00:00Z",
    ]


def test_an_hour_that_happens_twice_is_offered_twice(clinic: Clinic) -> None:
    """On 31 October 2027 clocks in Berlin went from 03:00 back to 02:00."""
    coach = clinic.provider(kind="coach")
    clinic.office_hour(
        coach, weekday="sunday", start_time="02:00", end_time="03:00", time_zone="Europe/Berlin"
    )

    assert starts(sessions(clinic, coach, of=datetime(2027, 10, 31, tzinfo=UTC))) == [
        "2027-10-31T00:00:00Z",
        "2027-10-31T00:30:00Z",
        "2027-10-31T01:00:00Z",
        "2027-10-31T01:30:00Z",
    ]


def test_nine_oclock_stays_nine_oclock_across_the_change(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, end_time="09:30", time_zone="Europe/Berlin")

    found = sessions(clinic, coach, of=datetime(2027, 3, 22, tzinfo=UTC), days=14)

    assert starts(found) == ["2027-03-22T08:00:00Z", "2027-03-29T07:00:00Z"]


def test_every_offered_session_of_a_clock_change_is_bookable(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(
        coach, weekday="sunday", start_time="02:00", end_time="03:00", time_zone="Europe/Berlin"
    )
    offered = starts(sessions(clinic, coach, of=datetime(2027, 10, 31, tzinfo=UTC)))

    with clinic.clock_at(datetime(2027, 10, 30, tzinfo=UTC)):
        for slot_at in offered:
            body = {"slot_at": slot_at, "patient_id": "pat_ada"}
            ok(clinic.post(f"/v1/coaches/{coach}/bookings", body), 201)

    assert sessions(clinic, coach, of=datetime(2027, 10, 31, tzinfo=UTC)) == []


def test_a_session_that_has_begun_is_not_offered(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach)
    query = {"from": said(MONDAY), "to": said(MONDAY + timedelta(days=1))}

    with clinic.clock_at(MONDAY + timedelta(hours=9, seconds=5)):
        found = ok(clinic.get(f"/v1/coaches/{coach}/slots", **query))["slots"]

    assert starts(found) == ["2027-05-03T09:30:00Z"]


def test_where_no_end_is_named_28_days_are_shown(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, end_time="09:30")

    with clinic.clock_at(SUNDAY_BEFORE):
        found = ok(clinic.get(f"/v1/coaches/{coach}/slots"))["slots"]

    assert starts(found) == [said(MONDAY + timedelta(days=7 * week, hours=9)) for week in range(4)]


def test_a_window_that_is_over_is_empty(clinic: Clinic) -> None:
    clinic.office_hour("coach_jo")
    query = {"from": "2020-01-01T00:00:00Z", "to": "2020-03-01T00:00:00Z"}

    assert ok(clinic.get("/v1/coaches/coach_jo/slots", **query)) == {"slots": []}


def test_a_window_of_more_than_92_days_is_refused(clinic: Clinic) -> None:
    query = {"from": said(MONDAY), "to": said(MONDAY + timedelta(days=92, seconds=1))}

    with clinic.clock_at(SUNDAY_BEFORE):
        invalid(clinic.get("/v1/coaches/coach_jo/slots", **query), "to")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2027-05-01T09:00:00"}, "from"),
        ({"from": "today"}, "from"),
        ({"to": "1"}, "to"),
        ({"to": "2300-01-01T00:00:00Z"}, "to"),
        ({"from": "2027-05-02T00:00:00Z", "to": "2027-05-01T00:00:00Z"}, "to"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_by_name(
    clinic: Clinic, query: dict[str, Any], field: str
) -> None:
    invalid(clinic.get("/v1/coaches/coach_jo/slots", **query), field)


# --------------------------------------------------------------------------------------- seats


def take(clinic: Clinic, coach_id: str, slot_at: str, token: str | None = None) -> httpx.Response:
    body = {"slot_at": slot_at, "patient_id": clinic.patient().patient_id}
    if token is not None:
        body["patient_id"] = "pat_eve"
    with clinic.clock_at(SUNDAY_BEFORE):
        return clinic.post(f"/v1/coaches/{coach_id}/bookings", body, token=token)


def test_a_session_is_offered_until_its_last_seat_is_taken(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, end_time="09:30", capacity=2)
    slot_at = "2027-05-03T09:00:00Z"
    left = []

    for _ in range(2):
        left += [session["seats_left"] for session in sessions(clinic, coach)]
        ok(take(clinic, coach, slot_at), 201)

    assert left == [2, 1]
    assert sessions(clinic, coach) == []


def test_a_coach_who_sits_in_one_session_is_not_offered_in_another(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, end_time="10:00", duration_minutes=60)
    clinic.office_hour(coach, start_time="09:30", end_time="10:30", duration_minutes=60)

    ok(take(clinic, coach, "2027-05-03T09:00:00Z"), 201)

    assert sessions(clinic, coach) == []
    refused(take(clinic, coach, "2027-05-03T09:30:00Z"), 409, "slot_unavailable")


def test_a_coach_who_is_busy_for_another_brand_is_busy_and_nothing_more_is_said(
    clinic: Clinic,
) -> None:
    coach = clinic.provider(LOOP, LOOPBIO, kind="coach")
    clinic.office_hour(coach)
    theirs = clinic.world.foreign_staff
    path = f"/v1/coaches/{coach}/office-hours"
    ok(
        clinic.post(
            path,
            monday_morning(start_time="09:15", end_time="09:30", duration_minutes=15),
            token=theirs,
        ),
        201,
    )
    seat = ok(take(clinic, coach, "2027-05-03T09:15:00Z", theirs), 201)

    answer = take(clinic, coach, "2027-05-03T09:00:00Z")

    assert starts(sessions(clinic, coach)) == ["2027-05-03T09:30:00Z"]
    refused(answer, 409, "slot_unavailable")
    for foreign in (LOOPBIO, "pat_eve", seat["id"], seat["office_hour_id"], "09:15"):
        assert foreign not in answer.text


def test_a_seat_given_back_frees_the_coach_for_other_sessions(clinic: Clinic) -> None:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, end_time="10:00", duration_minutes=60)
    clinic.office_hour(coach, start_time="09:30", end_time="10:30", duration_minutes=60)
    seat = ok(take(clinic, coach, "2027-05-03T09:00:00Z"), 201)

    ok(clinic.call("DELETE", f"/v1/bookings/{seat['id']}"))

    assert len(sessions(clinic, coach)) == 2
    ok(take(clinic, coach, "2027-05-03T09:30:00Z"), 201)
