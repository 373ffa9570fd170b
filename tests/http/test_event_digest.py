"""A day of the log, computed once more by somebody who has read docs/how-to/follow-events.md.

Nothing of the service is used here but its answers: the text has to be enough.
"""

import hashlib
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest

from brand_logs import Brand, a_brand, settled
from clinic import Clinic
from envelope import invalid, ok, refused

CREATED, DELETED = "booking.slot.created.v1", "booking.slot.deleted.v1"
# Of two days and the edges between them and their neighbours, in no order of time, and with ids
# whose order is another one where somebody sorts by the alphabet instead of by bytes.
WRITTEN = [
    ("2026-01-02", "00:00:00Z", CREATED, "b-1"),
    ("2026-01-01", "23:59:59.999999Z", CREATED, "B-2"),
    ("2026-01-01", "00:00:00Z", DELETED, "_-3"),
    ("2026-01-03", "00:00:00Z", CREATED, "a-4"),
    ("2026-01-02", "23:30:00-02:00", CREATED, "é-5"),
    ("2026-01-02", "00:30:00+02:00", DELETED, "A-6"),
    ("2026-01-01", "12:00:00Z", DELETED, "a-7"),
    ("2025-12-31", "23:59:59.999999Z", CREATED, "Z-8"),
]


def computed(events: list[dict[str, Any]], day: str) -> dict[str, Any]:
    """What the text says of a day, from the events that a receiver has."""
    own = [
        event
        for event in events
        if datetime.fromisoformat(event["occurred_at"]).astimezone(UTC).date().isoformat() == day
    ]
    lines = b"".join(event_id + b"\n" for event_id in sorted(e["id"].encode() for e in own))
    places = [event["position"] for event in own]
    return {
        "event_count": len(own),
        "counts": dict(Counter(event["type"] for event in own)),
        "first_position": min(places, default=None),
        "last_position": max(places, default=None),
        "hash": hashlib.sha256(lines).hexdigest(),
    }


def told(brand: Brand, day: str) -> dict[str, Any]:
    digest = ok(brand.digest(day))
    assert (digest.pop("brand_id"), digest.pop("day")) == (brand.brand_id, day)
    assert digest.pop("is_over") is True
    return dict(digest)


def received(brand: Brand) -> list[dict[str, Any]]:
    """The whole log, read in pages."""
    events: list[dict[str, Any]] = []
    page = ok(brand.get(limit=3))
    while page["events"]:
        events += page["events"]
        page = ok(brand.get(after=page["next_after"], limit=3))
    return events


def test_every_day_is_what_the_text_says_to_the_microsecond(clinic: Clinic) -> None:
    with a_brand(clinic) as brand:
        for day, clock, event_type, name in WRITTEN:
            brand.insert(day, clock, event_type=event_type, event_id=f"{name}-{brand.brand_id}")
        settled(clinic)
        events = received(brand)

        days = [f"2026-01-0{number}" for number in range(1, 5)] + ["2025-12-31", "2025-12-30"]
        digests = {day: told(brand, day) for day in days}

    assert digests == {day: computed(events, day) for day in days}
    assert [digests[day]["event_count"] for day in days] == [4, 1, 2, 0, 1, 0]
    # A stretch of the log has other days' events in it.
    first = digests["2026-01-01"]
    assert (first["first_position"], first["last_position"]) == (2, 7)


def test_whoever_lacks_an_event_or_has_one_too_many_sees_it(clinic: Clinic) -> None:
    with a_brand(clinic) as brand:
        brand.write("2026-01-01", 5)
        events = received(brand)
        digest = told(brand, "2026-01-01")

    assert computed(events, "2026-01-01") == digest
    assert computed(events[1:], "2026-01-01")["hash"] != digest["hash"]
    assert computed([*events, events[0]], "2026-01-01")["hash"] != digest["hash"]
    other = [{**events[0], "id": f"{events[0]['id']}x"}, *events[1:]]
    assert computed(other, "2026-01-01")["hash"] != digest["hash"]


def test_a_day_is_gone_from_its_first_event_on_and_those_beside_it_are_not(clinic: Clinic) -> None:
    with a_brand(clinic) as brand:
        for day in ("2026-01-02", "2026-01-01", "2026-01-02", "2026-01-03"):
            brand.write(day, 1)
        before = {day: told(brand, day) for day in ("2026-01-01", "2026-01-03", "2026-01-04")}
        brand.sweep(1)

        refused(brand.digest("2026-01-02"), 410, "events_gone", kept_from=2)
        assert {day: told(brand, day) for day in before} == before
        brand.sweep(3)
        for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
            refused(brand.digest(day), 410, "events_gone", kept_from=5)
        # Of a day that had nothing, nothing is gone.
        assert told(brand, "2026-01-04") == before["2026-01-04"]


@pytest.mark.parametrize(
    "day",
    [
        *("20260101", "2026-W01-4", "2026-001", "1767225600", "2026-01-01T00:00:00Z"),
        *("2026-01-01Z", "2026-01-01+02:00", " 2026-01-01", "2026-01-01 ", "26-01-01", "today"),
    ],
)
def test_a_day_is_written_in_one_way(clinic: Clinic, day: str) -> None:
    invalid(clinic.get("/v1/events/digest", day=day), "day")


def test_a_day_that_is_yet_to_come_has_nothing_and_is_not_over(clinic: Clinic) -> None:
    with a_brand(clinic) as brand:
        digest = ok(brand.digest(str(date(2099, 1, 1))))

    assert (digest["event_count"], digest["is_over"]) == (0, False)
    assert digest["hash"] == hashlib.sha256(b"").hexdigest()
