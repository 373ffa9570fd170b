"""`bookwell demo`: what a newcomer, and a program that reads the manifest, find in it."""

import json
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demos import Demo, a_folder_with_data, running_demo
from embedded_servers import ask


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with a_folder_with_data() as folder, running_demo(folder) as demo:
        yield demo


def test_the_manifest_has_the_shape_that_programs_expect(demo: Demo) -> None:
    assert set(demo.manifest) == {"base_url", "database_url", "brands"}
    assert [brand["id"] for brand in demo.manifest["brands"]] == ["loop", "loopbio"]
    for brand in demo.manifest["brands"]:
        assert set(brand) == {"id", "tokens", "patients", "providers", "coaches"}
        assert set(brand["tokens"]) == {"patient", "other_patient", "staff", "service"}
        assert len(brand["patients"]) >= 4
        assert brand["coaches"]
    loop, loopbio = (set(brand["providers"]) for brand in demo.manifest["brands"])
    assert (len(loop | loopbio), len(loop & loopbio)) == (6, 1)


def test_the_first_two_patients_are_those_of_the_tokens(demo: Demo) -> None:
    for brand in demo.manifest["brands"]:
        for patient_id, name in zip(brand["patients"], ("patient", "other_patient"), strict=False):
            ((subject,),) = ask(
                demo.manifest["database_url"],
                "SELECT subject FROM booking.patient WHERE brand_id = %s AND patient_id = %s",
                brand["id"],
                patient_id,
            )
            assert ask(
                demo.manifest["database_url"],
                "SELECT role, subject FROM booking.token WHERE token_hash = sha256(%s::bytea)",
                brand["tokens"][name],
            ) == [("patient", subject)]


def test_a_patient_books_reschedules_and_cancels(demo: Demo) -> None:
    for brand_id in ("loop", "loopbio"):
        first, second, *_ = demo.free_slots(brand_id)

        booked = demo.book(first, brand_id)
        assert booked.status_code == 201, booked.text
        path = f"/v1/visits/{booked.json()['id']}"
        moved = demo.call("POST", f"{path}/reschedule", "patient", {"new_slot_id": second}, brand_id=brand_id)  # fmt: skip
        cancelled = demo.call("POST", f"{path}/cancel", "patient", brand_id=brand_id)

        assert (moved.status_code, moved.json()["slot_id"]) == (200, second)
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")


def test_the_tokens_open_what_they_are_for(demo: Demo) -> None:
    visit = demo.book(demo.free_slots()[4]).json()

    seen = {
        name: demo.call("GET", f"/v1/visits/{visit['id']}", name).status_code
        for name in demo.brand("loop")["tokens"]
    }
    admin = {
        name: demo.call("GET", "/v1/admin/patients", name).status_code
        for name in demo.brand("loop")["tokens"]
    }

    assert seen == {"patient": 200, "other_patient": 404, "staff": 200, "service": 200}
    assert admin == {"patient": 403, "other_patient": 403, "staff": 403, "service": 200}
    assert demo.call("GET", f"/v1/visits/{visit['id']}", "staff", brand_id="loopbio").status_code == 404  # fmt: skip


def test_what_one_brand_books_of_the_shared_provider_the_other_sees_as_taken(demo: Demo) -> None:
    before = demo.free_slots("loopbio")

    visit = demo.book(demo.free_slots("loop")[6]).json()

    path = "/v1/providers/prv_farah/slots?brand_id=loopbio&booked=true"
    taken = demo.call("GET", path, "patient", brand_id="loopbio").json()["slots"]
    assert visit["start_time"] in {slot["start_time"] for slot in taken}
    assert len(set(before) - set(demo.free_slots("loopbio"))) == 1


def test_every_day_of_four_weeks_has_time_at_both_brands_and_every_clinician_offers_some(
    demo: Demo,
) -> None:
    now = datetime.now(UTC)
    for brand in demo.manifest["brands"]:
        starts: list[tuple[str, datetime]] = ask(
            demo.manifest["database_url"],
            "SELECT provider_id, starts_at FROM booking.slot JOIN booking.provider USING (provider_no)"
            " WHERE slot.brand_id = %s ORDER BY starts_at",
            brand["id"],
        )  # type: ignore[assignment]  # as the query says
        assert {provider_id for provider_id, _ in starts} == set(brand["providers"])
        for day in range(28):
            window = now + timedelta(days=day), now + timedelta(days=day + 1)
            assert any(window[0] < start < window[1] for _, start in starts), day


def test_every_slot_is_counted_by_the_event_and_the_audit_row_of_its_schedule(demo: Demo) -> None:
    slots, events, audits = (
        ask(demo.manifest["database_url"], query)
        for query in (
            "SELECT schedule_id, count(*) FROM booking.schedule, jsonb_path_query(rules, '$.*[*].rule_id') AS rule JOIN booking.slot ON rule_id = rule #>> '{}' GROUP BY 1 ORDER BY 1",
            "SELECT entity_id, (data ->> 'slots_added')::bigint FROM booking.event WHERE event_type = 'booking.schedule.created.v1' ORDER BY 1",
            "SELECT entity_id, (details ->> 'slots_added')::bigint FROM booking.audit WHERE event_type = 'schedule.created' AND actor_type = 'system' ORDER BY 1",
        )
    )

    assert slots == events == audits
    assert ask(demo.manifest["database_url"], "SELECT count(*) FROM booking.slot") == [
        (sum(number for _, number in slots),)  # type: ignore[misc]  # numbers
    ]


def test_every_visit_type_is_offered_by_somebody(demo: Demo) -> None:
    for brand in demo.manifest["brands"]:
        listed = demo.call("GET", f"/v1/visit-types?brand_id={brand['id']}", "patient", brand_id=brand["id"]).json()  # fmt: skip
        offered = ask(
            demo.manifest["database_url"],
            "SELECT DISTINCT unnest(visit_types) FROM booking.slot WHERE brand_id = %s ORDER BY 1",
            brand["id"],
        )
        assert len(offered) == 3
        assert [(each["id"],) for each in listed["visit_types"]] == offered


def test_the_schedules_show_each_thing_that_a_schedule_can_say(demo: Demo) -> None:
    said = [
        (schedule, provider_id)
        for brand in demo.manifest["brands"]
        for provider_id in brand["providers"]
        for schedule in demo.call(
            "GET", f"/v1/providers/{provider_id}/schedules", "staff", brand_id=brand["id"]
        ).json()["schedules"]
    ]

    assert len(said) == 7
    assert len({schedule["time_zone"] for schedule, _ in said}) == 5
    for thing in ("weekly", "recurring", "openings", "holiday_region"):
        assert any(schedule[thing] for schedule, _ in said), thing


def test_who_is_off_next_week_offers_nothing_then(demo: Demo) -> None:
    (off,) = demo.call("GET", "/v1/providers/prv_ben/time-off", "staff").json()["time_off"]

    window = f"from={off['start_time']}&to={off['end_time']}"
    path = f"/v1/providers/prv_ben/slots?brand_id=loop&{window}"
    assert demo.call("GET", path, "staff").json()["slots"] == []
    assert timedelta(0) < datetime.fromisoformat(off["start_time"]) - datetime.now(UTC) < timedelta(days=11)  # fmt: skip


def test_a_licence_decides_who_sees_whom(demo: Demo) -> None:
    slot_id, other_id = demo.free_slots("loop", "prv_amara")[:2]
    ada, eva = demo.brand("loop")["patients"][0], demo.brand("loop")["patients"][-1]

    answers = {
        patient_id: demo.call(
            "POST", "/v1/visits", "staff",
            {"brand_id": "loop", "patient_id": patient_id, "slot_id": wanted, "visit_type": "follow_up"},
        )
        for patient_id, wanted in ((eva, slot_id), (ada, other_id))
    }  # fmt: skip

    assert (answers[eva].status_code, answers[eva].json()["error"]) == (409, "rule_broken")
    assert answers[eva].json()["details"]["rule"] == "licence"
    assert answers[ada].status_code == 201, answers[ada].text


def test_staff_overrule_a_policy_and_patients_do_not(demo: Demo) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=62)).strftime("%Y-%m-%dT%H:%M:%SZ")
    path = f"/v1/providers/prv_ben/slots?brand_id=loop&from={ahead}&limit=1000"
    slot_id = next(
        slot["id"]
        for slot in demo.call("GET", path, "staff").json()["slots"]
        if length_of(slot) == timedelta(minutes=50)
    )
    wanted = {"brand_id": "loop", "patient_id": "pat_ada", "slot_id": slot_id, "visit_type": "intake"}  # fmt: skip
    because = {**wanted, "override_reason": "clinical_need"}

    refused = demo.call("POST", "/v1/visits", "staff", wanted)
    forbidden = demo.call("POST", "/v1/visits", "patient", because)
    booked = demo.call("POST", "/v1/visits", "staff", because)

    assert refused.json()["details"]["rules"] == ["horizon"]
    assert (forbidden.status_code, forbidden.json()["error"]) == (403, "insufficient_scope")
    assert booked.status_code == 201, booked.text


def test_a_seat_with_each_coach_can_be_taken(demo: Demo) -> None:
    for brand in demo.manifest["brands"]:
        for coach_id in brand["coaches"]:
            path = f"/v1/coaches/{coach_id}"
            sessions = demo.call("GET", f"{path}/slots", "patient", brand_id=brand["id"]).json()
            booked = demo.call(
                "POST", f"{path}/bookings", "patient",
                {"slot_at": sessions["slots"][0]["slot_at"]}, brand_id=brand["id"],
            )  # fmt: skip
            assert booked.status_code == 201, booked.text


def test_nobody_is_held_up_by_rate_limits(demo: Demo) -> None:
    answers = {demo.call("GET", "/v1/admin/brands", "service").status_code for _ in range(101)}

    assert answers == {200}


def test_the_printed_page_shows_where_and_with_what_and_nothing_is_wrapped(demo: Demo) -> None:
    base_url = demo.manifest["base_url"]
    lines = demo.running.out.splitlines()

    assert any(line.endswith(f" {base_url}/docs") for line in lines)
    assert any(line.endswith(f" {base_url}/openapi.json") for line in lines)
    for brand in demo.manifest["brands"]:
        for name in ("patient", "staff", "service"):
            assert any(f" {brand['tokens'][name]}" in line and name in line for line in lines)
    assert "\x1b" not in demo.running.out
    assert demo.running.err.startswith("Starting the demo in ")
    assert demo.running.err.count("\n") == 1


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_printed_lines_can_be_pasted_into_a_shell(demo: Demo, shell: str) -> None:
    _, api, lines = demo.running.out.partition("API=")

    # As from a keyboard, and every statement must succeed.
    pasted = subprocess.run(
        [shell, "-es"],
        input=api + lines,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (pasted.returncode, pasted.stderr) == (0, "")
    found, booked, why, quote, moved, cancelled, heard = said_in(pasted.stdout)
    first = {slot["provider_id"]: slot["id"] for slot in found["slots"]}
    assert set(first) == {"prv_farah", "prv_amara", "prv_ben"}
    assert (booked["status"], booked["slot_id"]) == ("booked", first["prv_farah"])
    assert [rule["rule"] for rule in why["rules"] if not rule["passed"]] == ["busy"]
    assert (quote["visit_id"], quote["allowed"]) == (booked["id"], True)
    assert (moved["status"], moved["id"]) == ("booked", booked["id"])
    assert moved["start_time"] > booked["start_time"]
    assert (cancelled["status"], cancelled["cancel_reason"]) == ("cancelled", "feeling better")
    assert [event["type"].split(".")[2] for event in heard["events"]] == ["created", "rescheduled", "cancelled"]  # fmt: skip


def test_the_printed_commands_can_be_pasted_too(demo: Demo) -> None:
    lines = demo.running.out.splitlines()
    commands = [line.split(maxsplit=1 if "Commands" in line else 2)[-1] for line in lines if " --data-dir " in line]  # fmt: skip

    said = [
        subprocess.run(
            ["sh", "-c", command], check=True, capture_output=True, text=True, timeout=60
        ).stdout
        for command in commands
    ]

    patients, week = said
    assert "pat_ada" in patients
    assert week.startswith("Dr. Ben Fischer (prv_ben) in loop")


def test_files_with_tokens_are_for_their_owner_only(demo: Demo) -> None:
    folder = demo.running.folder

    for file in (folder / "manifest.json", folder / "data" / "demo-tokens.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def length_of(slot: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(slot["end_time"]) - datetime.fromisoformat(slot["start_time"])


def said_in(text: str) -> list[dict[str, Any]]:
    """The JSON objects that stand there one after the other."""
    objects, decoder = [], json.JSONDecoder()
    while text := text.strip():
        found, end = decoder.raw_decode(text)
        objects.append(found)
        text = text[end:]
    return objects
