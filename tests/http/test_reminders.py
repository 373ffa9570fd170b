"""Reminder rules, quiet hours and patients' zones over HTTP, and what the desk sees of a visit's."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from clinic import Clinic, said
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO

RULES, HOURS = "/v1/reminder-rules", "/v1/quiet-hours"
# A look comes every five seconds; this is for a busy machine.
PATIENCE_SECONDS = 40.0
REMINDER = {"offset_minutes": 1440, "channel": "sms", "template_key": "visit_tomorrow"}


def put(clinic: Clinic, path: str, body: object, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return clinic.call("PUT", path, body, token=clinic.world.admin, headers=named)


def rule(clinic: Clinic, visit_type: str | None, *offsets: int, **headers: str) -> httpx.Response:
    reminders = [{**REMINDER, "offset_minutes": each} for each in offsets]
    return put(clinic, RULES, {"visit_type": visit_type, "reminders": reminders}, **headers)


def test_a_types_reminders_are_said_as_a_whole_and_seen_nearest_first(clinic: Clinic) -> None:
    visit_type = clinic.visit_type()

    first = rule(clinic, visit_type, 10_080, 60, 1440)
    second = rule(clinic, visit_type, 30)

    offsets = [each["offset_minutes"] for each in ok(first)["reminders"]]
    assert offsets == [60, 1440, 10_080]
    assert ok(second)["id"] == first.json()["id"]
    assert second.headers["ETag"] == '"2"'
    listed = ok(clinic.get(RULES, brand_id=LOOP))["reminder_rules"]
    assert [each["reminders"] for each in listed if each["visit_type"] == visit_type] == [
        [{**REMINDER, "offset_minutes": 30}]
    ]


def test_a_rule_is_changed_and_deleted_only_as_it_was_seen(clinic: Clinic) -> None:
    visit_type = clinic.visit_type()
    refused(rule(clinic, visit_type, 60, If_Match='"1"'), 412, "version_mismatch")
    rule_id = ok(rule(clinic, visit_type, 60))["id"]
    ok(rule(clinic, visit_type, 30, If_Match='"1"'))
    path = f"{RULES}/{rule_id}"
    admin = clinic.world.admin

    stale = clinic.call("DELETE", path, headers={"If-Match": '"1"'}, token=admin)
    refused(stale, 412, "version_mismatch", version=2)
    ok(clinic.call("DELETE", path, headers={"If-Match": '"2"'}, token=admin))
    refused(clinic.call("DELETE", path, token=admin), 404, "not_found")


def test_the_pages_of_rules_go_on(clinic: Clinic) -> None:
    made = [ok(rule(clinic, clinic.visit_type(), 60))["id"] for _ in range(3)]
    found: list[str] = []
    cursor = None

    while True:
        query = {"brand_id": LOOP, "limit": "2", **({"cursor": cursor} if cursor else {})}
        page = ok(clinic.call("GET", RULES, query=query))
        found += [each["id"] for each in page["reminder_rules"]]
        cursor = page.get("next_cursor")
        if cursor is None:
            break

    assert set(made) <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"offset_minutes": 0}, "reminders[0].offset_minutes"),
        ({"offset_minutes": 43_201}, "reminders[0].offset_minutes"),
        ({"channel": "a word"}, "reminders[0].channel"),
        ({"template_key": ""}, "reminders[0].template_key"),
    ],
)
def test_a_reminder_out_of_its_limits_is_refused_by_its_field(
    clinic: Clinic, change: dict[str, object], field: str
) -> None:
    invalid(put(clinic, RULES, {"reminders": [{**REMINDER, **change}]}), field)


def test_two_reminders_of_one_offset_and_an_unknown_type_are_refused(clinic: Clinic) -> None:
    clinic.visit_type()
    invalid(rule(clinic, None, 60, 60), "reminders")
    invalid(rule(clinic, None, *range(1, 12)), "reminders")
    invalid(rule(clinic, "never", 60), "visit_type")


def test_quiet_hours_are_off_until_somebody_sets_them_and_have_versions(clinic: Clinic) -> None:
    unset = clinic.get(HOURS, brand_id=LOOPBIO, token=clinic.world.foreign_staff)
    night = {"start_time": "22:00", "end_time": "07:30", "brand_id": LOOPBIO}
    platform = clinic.world.platform

    first = clinic.call("PUT", HOURS, night, headers={"If-Match": '"1"'}, token=platform)
    stale = clinic.call("PUT", HOURS, night, headers={"If-Match": '"1"'}, token=platform)

    assert (ok(unset)["is_on"], unset.headers["ETag"]) == (False, '"1"')
    assert unset.json()["updated_at"] is None
    assert (ok(first)["start_time"], first.json()["end_time"]) == ("22:00:00", "07:30:00")
    assert (first.json()["is_on"], first.headers["ETag"]) == (True, '"2"')
    refused(stale, 412, "version_mismatch", version=2)
    invalid(clinic.call("PUT", HOURS, {**night, "end_time": "22:00"}, token=platform), "end_time")


@pytest.mark.parametrize("path", [RULES, HOURS])
def test_a_brand_that_does_not_exist_has_none(clinic: Clinic, path: str) -> None:
    read = clinic.get(path, brand_id="never", token=clinic.world.platform)
    refused(read, 404, "not_found")


def test_a_patient_says_their_own_time_zone_and_nobody_elses(clinic: Clinic) -> None:
    one, other = clinic.patient(), clinic.patient()
    path = f"/v1/patients/{one.patient_id}/time-zone"

    said_so = clinic.call("PUT", path, {"time_zone": "Asia/Tokyo"}, token=one.token)

    assert ok(said_so) == {"id": one.patient_id, "time_zone": "Asia/Tokyo"}
    assert ok(clinic.get(path)) == said_so.json()
    refused(clinic.get(path, token=other.token), 404, "not_found")
    refused(clinic.call("PUT", path, {"time_zone": "UTC"}, token=other.token), 404, "not_found")
    invalid(clinic.call("PUT", path, {"time_zone": "Mars/Olympus"}), "time_zone")
    assert ok(clinic.call("PUT", path, {"time_zone": None}))["time_zone"] is None


def test_the_audit_does_not_say_where_a_patient_is(clinic: Clinic) -> None:
    patient = clinic.patient()
    path = f"/v1/patients/{patient.patient_id}/time-zone"

    ok(clinic.call("PUT", path, {"time_zone": "Asia/Tokyo"}))

    assert clinic.world.sql(
        "SELECT event_type, details FROM booking.audit WHERE entity_id = %s", patient.patient_id
    ) == [("patient.time_zone_set", {"is_known": True})]


def test_a_repeated_change_of_rules_happens_once(clinic: Clinic) -> None:
    visit_type, key = clinic.visit_type(), clinic.new_id("key")

    first = rule(clinic, visit_type, 60, Idempotency_Key=key)
    again = rule(clinic, visit_type, 60, Idempotency_Key=key)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == ok(first)
    assert first.json()["version"] == 1


def test_a_visits_reminders_say_when_and_where_and_why_not(clinic: Clinic) -> None:
    visit_type = clinic.visit_type(time_zone="Europe/Berlin")
    ok(rule(clinic, visit_type, 43_200, 1440, 60))
    starts_at = clinic.new_time()
    patient = clinic.patient()
    visit = clinic.visit(
        clinic.slot(starts_at), visit_type=visit_type, patient_id=patient.patient_id
    )

    plan = ok(clinic.get(f"/v1/visits/{visit['id']}/reminders", token=patient.token))

    assert (plan["visit_id"], plan["time_zone"]) == (visit["id"], "Europe/Berlin")
    assert [
        (each["offset_minutes"], each["state"], each["because"], each["due_at"])
        for each in plan["reminders"]
    ] == [
        (minutes, state, because, said(starts_at - timedelta(minutes=minutes)))
        for minutes, state, because in (
            (43_200, "skipped", "booked_later"),
            (1440, "planned", None),
            (60, "planned", None),
        )
    ]


def test_a_running_service_reminds_and_the_next_change_hears_of_the_new_version(
    clinic: Clinic,
) -> None:
    visit_type = clinic.visit_type()
    starts_at = clinic.new_time()
    visit = clinic.visit(clinic.slot(starts_at), visit_type=visit_type)
    clinic.world.sql(
        "UPDATE booking.event SET occurred_at = now() - interval '9 days' WHERE entity_id = %s",
        visit["id"],
    )
    # Whatever another test set: it may be night now.
    clinic.world.sql("UPDATE booking.quiet_hours SET is_on = false WHERE brand_id = 'loop'")
    # Due within the last minute.
    offset = int((starts_at - datetime.now(UTC)) / timedelta(minutes=1)) + 1
    ok(rule(clinic, visit_type, offset))
    path = f"/v1/visits/{visit['id']}"

    deadline = time.monotonic() + PATIENCE_SECONDS
    while _state_of(clinic, path) != "sent":
        assert time.monotonic() < deadline
        time.sleep(0.1)

    stale = clinic.post(f"{path}/cancel", headers={"If-Match": '"1"'})
    refused(stale, 412, "version_mismatch", version=2)
    assert ok(clinic.get(path))["updated_at"] == visit["updated_at"]
    ok(clinic.post(f"{path}/cancel", headers={"If-Match": '"2"'}))
    told = clinic.world.sql(
        "SELECT sequence, event_type FROM booking.event WHERE entity_id = %s ORDER BY 1",
        visit["id"],
    )
    assert told == [
        (1, "booking.visit.created.v1"),
        (2, "booking.visit.reminder_due.v1"),
        (3, "booking.visit.cancelled.v1"),
    ]


def _state_of(clinic: Clinic, path: str) -> str:
    (reminder,) = ok(clinic.get(f"{path}/reminders"))["reminders"]
    state: str = reminder["state"]
    return state
