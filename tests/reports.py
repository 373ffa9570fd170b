"""A report of `bookwell prove` as a run could have made it, for what is made of reports."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from bookwell.prove.report import (
    Check,
    Fault,
    Latency,
    Left,
    Machine,
    Report,
    Second,
    Sent,
    Tally,
    Target,
)

BOOKED = Tally(
    operation="book",
    attempts=1_204,
    winners=402,
    losers={"slot_unavailable": 790, "hold_expired": 5},
    unanswered=7,
    resolved=31,
    latency=Latency(p50_ms=4.25, p90_ms=17.5, p99_ms=161.0, longest_ms=2_345.0),
)
SEATED = Tally(
    operation="book_seat",
    attempts=3,
    winners=0,
    losers={},
    unanswered=3,
    resolved=0,
    latency=None,
)
KEPT = Check(
    name="double bookings",
    holds=True,
    found=0,
    sentence="No two visits take the same time of a provider.",
)
BROKEN = Check(
    name="lost acknowledgements",
    holds=False,
    found=1,
    sentence="One booking that was acknowledged is not there.",
    calls=[17],
)
UNDECIDED = Check(
    name="linearizability", holds=None, found=None, sentence="prv_2 was not decided in 10 seconds."
)
REPORT = Report(
    began_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    seconds=12.0,
    seed=41,
    clients=16,
    target=Target(
        base_url="http://127.0.0.1:17371",
        is_embedded=True,
        workers=2,
        is_database_asked=True,
        database_version="PostgreSQL 18.1",
        brand_id="prove-41",
    ),
    machine=Machine(system="Linux 6.1 x86_64", processors=2, python="3.11.9", bookwell="0.3.0"),
    tallies=[BOOKED, SEATED],
    total=msgspec.structs.replace(BOOKED, operation="all", attempts=1_207, unanswered=10),
    timeline=[
        Second(at=at, attempts=100 + at, winners=33, lost=at % 3, p99_ms=float(at) or None)
        for at in range(12)
    ],
    checks=[KEPT],
    faults=[
        Fault(at=1.5, what="killed a worker", healed_at=2.25),
        Fault(at=7.125, what="killed PostgreSQL with all its processes"),
    ],
    named_calls={17: "client 3 booked slot slt_9 for pat_1."},
)

LEFT = Left(
    changes=3_000,
    planned_seconds=60.0,
    has_every_fault=False,
    events=3_512,
    sent=[
        Sent(
            name="all",
            brand_id="prove-one-01m8",
            events=1_790,
            requests=2_701,
            taken=1_795,
            conducts={"200": 1_795, "500": 401},
        )
    ],
    drained_seconds=11.25,
)


def a_report(**changes: Any) -> Report:
    """The report above, with these changes."""
    return msgspec.structs.replace(REPORT, **changes)
