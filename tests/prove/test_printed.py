"""What `bookwell prove` prints: everything that was found, on lines that fit."""

from io import StringIO

import pytest
from rich.console import Console

from bookwell.prove.printed import show_report
from bookwell.prove.proof import told
from bookwell.prove.report import Report
from histories import Told
from reports import BROKEN, KEPT, LEFT, UNDECIDED, a_report

WIDTH = 100


def printed(report: Report) -> str:
    sink = StringIO()
    show_report(report, Console(file=sink, width=WIDTH, highlight=False))
    return sink.getvalue()


def line_with(text: str, words: str) -> str:
    (line,) = [line for line in text.splitlines() if words in line]
    return " ".join(line.split())


def test_it_says_how_to_repeat_the_run_and_how_each_operation_went() -> None:
    said = printed(a_report())

    assert "16 clients, 12 seconds, seed 41" in said
    assert line_with(said, "book  ").startswith("book 1,204 402 795 7 (+31 by key) 4.2 17.5 161")
    # Nobody answered, so nothing took its time.
    assert line_with(said, "book seat") == "book seat 3 0 0 3"
    assert line_with(said, "790 slot") == "refused 790 slot_unavailable · 5 hold_expired"
    assert line_with(said, "each second").endswith("101 calls a second")
    assert "killed a worker (1)" in said


def test_how_facts_left_is_said_endpoint_by_endpoint() -> None:
    said = printed(a_report(left=LEFT))

    assert "3,000 changes, 16 clients, 12 seconds, seed 41" in said
    assert (
        line_with(said, "all, prove") == "all, prove-one-0… 1,790 2,701 1,795 1,795 200 · 401 500"
    )
    assert "endpoint" not in printed(a_report())


@pytest.mark.parametrize(
    ("check", "line", "verdict"),
    [
        (KEPT, "✓ double bookings 0", "Nothing was found wrong in 1,207 calls."),
        (BROKEN, "✗ lost acknowledgements 1", "Wrong: lost acknowledgements."),
        (UNDECIDED, "? linearizability prv_2", "1 of 1 checks stayed open."),
    ],
)
def test_each_check_has_its_mark_and_the_verdict_stands_last(
    check: object, line: str, verdict: str
) -> None:
    said = printed(a_report(checks=[check]))

    assert line in " ".join(said.split())
    assert said.rstrip().endswith(verdict)


def test_the_calls_that_show_a_breach_are_named() -> None:
    said = printed(a_report(checks=[BROKEN]))

    assert line_with(said, "client 3") == "17 client 3 booked slot slt_9 for pat_1."
    assert "The calls that show it" not in printed(a_report(named_calls={}))


def test_no_line_is_longer_than_the_terminal_is_wide() -> None:
    said = printed(a_report(checks=[KEPT, BROKEN, UNDECIDED], named_calls={17: "a word " * 60}))

    assert max(len(line) for line in said.splitlines()) <= WIDTH


def test_a_call_is_told_with_its_aim_its_times_and_its_answer() -> None:
    calls = Told()
    booked = calls.seated((0.25, 0.5), "ohb_1", "prove-test-patient-3")
    said = {"status": 409, "error": "slot_unavailable", "request_id": "req_1"}
    refused = calls.add(
        booked.operation.RESCHEDULE, (1, 2.5), visit_id="v1", slot_id="later", answer=said
    )
    lost = calls.add(booked.operation.CANCEL, (3, None), visit_id="v1", patient_id=None)

    assert told(booked, "prove-test") == (
        "client 1, book seat the session at 10:00 for patient-3, 0.250 to 0.500 s: 201 ohb_1 booked"
    )
    assert told(refused, "prove-test") == (
        "client 2, reschedule v1 to slot later for pat_ada, 1.000 to 2.500 s: "
        "409 slot_unavailable, request req_1"
    )
    assert told(lost, "prove-test") == (
        "client 3, cancel v1, called at 3.000 s: no answer (ReadError)"
    )
