"""`bookwell demo` is stopped, started again, killed, and started again; and how it grew older."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from commands import is_gone, run_to_its_end
from demos import Demo, running_demo
from embedded_servers import ask, nothing_runs_on

# Everything that is there twice if a second start adds what the first one had.
COUNTS = """
SELECT (SELECT count(*) FROM booking.brand), (SELECT count(*) FROM booking.affiliation),
       (SELECT count(*) FROM booking.patient), (SELECT count(*) FROM booking.office_hour),
       (SELECT count(*) FROM booking.token),
       (SELECT count(*) FROM booking.visit_type WHERE retired_at IS NULL), (SELECT count(*) FROM booking.visit_type_override),
       (SELECT count(*) FROM booking.licence), (SELECT count(*) FROM booking.patient_region),
       (SELECT count(*) FROM booking.schedule), (SELECT count(*) FROM booking.time_off),
       (SELECT count(*) FROM booking.slot), (SELECT count(DISTINCT (provider_no, brand_id, starts_at, ends_at)) FROM booking.slot),
       (SELECT max(starts_at) FROM booking.slot)
"""


def counts(demo: Demo) -> tuple[object, ...]:
    (row,) = ask(demo.manifest["database_url"], COUNTS)
    return row


def test_a_demo_keeps_its_data_and_tokens_through_ctrl_c_and_kill_9(empty_folder: Path) -> None:
    data_dir = empty_folder / "data"

    with running_demo(empty_folder) as demo:
        visit = demo.book(demo.free_slots()[0]).json()
        taken_back = demo.free_slots("loop", "prv_ben")[-1]
        deleted = demo.call("DELETE", f"/v1/providers/prv_ben/slots/{taken_back}", "staff")
        assert deleted.status_code == 200
        brands, before = demo.manifest["brands"], counts(demo)
        assert demo.running.end(signal.SIGTERM) == 0
        assert nothing_runs_on(data_dir)
        assert "Traceback" not in demo.running.err

    with running_demo(empty_folder) as demo:
        assert demo.manifest["brands"] == brands
        assert demo.call("GET", f"/v1/visits/{visit['id']}", "patient").json() == visit
        assert taken_back not in demo.free_slots("loop", "prv_ben")
        *things, slots, times, last = counts(demo)
        assert things == list(before[:-3])
        # Some minutes may have passed, and with them a new slot came within four weeks.
        assert slots == times
        assert last >= before[-1]  # type: ignore[operator]  # an instant

        workers = demo.running.workers
        assert demo.running.end(signal.SIGKILL) == -signal.SIGKILL
        assert not nothing_runs_on(data_dir)

    with running_demo(empty_folder) as demo:
        assert demo.manifest["brands"] == brands
        assert demo.call("GET", f"/v1/visits/{visit['id']}", "patient").json() == visit
        assert all(is_gone(worker) for worker in workers)
        assert demo.running.end(signal.SIGINT) == 0
        assert nothing_runs_on(data_dir)


def test_what_people_changed_of_the_demo_stays_as_they_made_it(empty_folder: Path) -> None:
    with running_demo(empty_folder) as demo:
        before = counts(demo)
        (schedule,) = listed(demo, "prv_amara", "schedules")
        (licence,) = listed(demo, "prv_carla", "licences?brand_id=loop", "licences")
        (off,) = listed(demo, "prv_ben", "time-off", "time_off")
        changes = [
            demo.call(method, path, "service", body)
            for method, path, body in (
                ("DELETE", f"/v1/providers/prv_amara/schedules/{schedule['id']}", None),
                ("DELETE", f"/v1/providers/prv_carla/licences/{licence['id']}", None),
                ("DELETE", "/v1/providers/prv_carla/visit-types/follow_up", None),
                ("DELETE", f"/v1/providers/prv_ben/time-off/{off['id']}", None),
                ("PUT", "/v1/admin/patients/pat_eva/regions", {"regions": []}),
                ("DELETE", "/v1/visit-types/case_review", None),
                ("PATCH", "/v1/visit-types/intake", {"name": "First hour", "notice_minutes": 60}),
            )
        ]
        assert {answer.status_code for answer in changes} == {200}
        changed = counts(demo)
        assert [now - then for now, then in zip(changed[5:11], before[5:11], strict=True)] == [-1] * 6  # type: ignore[operator]  # numbers  # fmt: skip
        assert demo.running.end(signal.SIGTERM) == 0

    with running_demo(empty_folder) as demo:
        assert counts(demo)[:11] == changed[:11]
        assert listed(demo, "prv_amara", "schedules") == []
        intake = demo.call("GET", "/v1/visit-types/intake?brand_id=loop", "patient").json()
        assert (intake["name"], intake["notice_minutes"]) == ("First hour", 60)


def test_a_demo_from_before_there_were_schedules_gets_them_and_keeps_its_slots_and_visits(
    empty_folder: Path,
) -> None:
    make_an_old_demo(empty_folder)

    with running_demo(empty_folder) as demo:
        url = demo.manifest["database_url"]
        by_hand = ask(url, "SELECT slot_id FROM booking.slot WHERE rule_id IS NULL AND deleted_at IS NULL ORDER BY starts_at")  # fmt: skip
        assert ask(url, "SELECT status, terms_no FROM booking.visit") == [("booked", None)]
        assert ask(url, "SELECT count(*) FROM booking.schedule") == [(7,)]
        assert ask(url, "SELECT count(*) FROM booking.patient_region") == [(10,)]
        assert len(by_hand) == 2

        booked = demo.book(str(by_hand[1][0]))

        assert booked.status_code == 201, booked.text
        assert booked.json()["slot_id"] not in demo.free_slots()


def make_an_old_demo(folder: Path) -> None:
    """A brand, a clinician with a slot posted by hand, a patient, and a visit just before it."""
    begins = (datetime.now(UTC) + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    starts, middle, ends = ((begins + timedelta(minutes=30 * n)).isoformat() for n in range(3))
    slots = folder / "slots.csv"
    slots.write_text(f"provider_id,start_time,end_time\nprv_farah,{middle},{ends}\n")
    visits = folder / "visits.csv"
    visits.write_text(
        "external_id,patient_id,provider_id,visit_type,booked_at,start_time,end_time,outcome\n"
        f"old-1,pat_ada,prv_farah,anything,,{starts},{middle},booked\n"
    )
    data = ("--data-dir", str(folder / "data"))
    for command in (
        ("migrate",),
        ("brand", "add", "loop", "--name", "Loop Health"),
        ("provider", "add", "prv_farah", "--brand", "loop", "--name", "Dr. Farah Haddad"),
        ("patient", "add", "pat_ada", "--brand", "loop", "--subject", "demo-pat_ada"),
        ("slots", "import", str(slots), "--brand", "loop"),
        ("import", "visits", str(visits), "--brand", "loop"),
    ):
        said = run_to_its_end(*command, *data)
        assert said.code == 0, said


def listed(demo: Demo, provider_id: str, path: str, name: str = "") -> list[dict[str, Any]]:
    """What staff of the first brand find under the provider."""
    answer = demo.call("GET", f"/v1/providers/{provider_id}/{path}", "staff")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()[name or path]
    return found
