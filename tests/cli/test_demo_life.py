"""`bookwell demo` is stopped, started again, killed, and started again."""

import signal
from pathlib import Path

from commands import is_gone
from demos import Demo, running_demo
from embedded_servers import ask, nothing_runs_on

# Everything that is there twice if a second start adds what the first one had.
COUNTS = """
SELECT (SELECT count(*) FROM booking.brand), (SELECT count(*) FROM booking.affiliation),
       (SELECT count(*) FROM booking.patient), (SELECT count(*) FROM booking.office_hour),
       (SELECT count(*) FROM booking.token),
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
        assert things == list(before[:5])
        # Some minutes may have passed, and with them a new slot came within four weeks.
        assert slots == times
        assert last >= before[7]  # type: ignore[operator]  # an instant

        workers = demo.running.workers
        assert demo.running.end(signal.SIGKILL) == -signal.SIGKILL
        assert not nothing_runs_on(data_dir)

    with running_demo(empty_folder) as demo:
        assert demo.manifest["brands"] == brands
        assert demo.call("GET", f"/v1/visits/{visit['id']}", "patient").json() == visit
        assert all(is_gone(worker) for worker in workers)
        assert demo.running.end(signal.SIGINT) == 0
        assert nothing_runs_on(data_dir)
