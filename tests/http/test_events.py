"""The log over HTTP: on from a place, everything once, nobody else's; a day of it compared."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from brand_logs import a_brand, settled, until
from clinic import Clinic
from envelope import invalid, ok, refused
from world import LOOPBIO

CREATED, CANCELLED = "booking.visit.created.v1", "booking.visit.cancelled.v1"
WRITERS, EACH = 6, 12


def test_a_change_is_in_the_log_with_its_place_and_its_fact(clinic: Clinic) -> None:
    start = end_of_log(clinic)
    visit = clinic.visit()
    settled(clinic)

    page = ok(clinic.get("/v1/events", after=start, visit_id=visit["id"]))

    (event,) = page["events"]
    assert set(event) == {"id", "type", "occurred_at", "brand_id", "sequence", "position", "data"}
    assert (event["type"], event["brand_id"], event["sequence"]) == (CREATED, "loop", 1)
    assert event["data"]["visit_id"] == visit["id"]
    assert event["data"]["created_at"] == event["occurred_at"]
    assert event["position"] > start
    assert page["next_after"] >= event["position"]


def test_every_event_of_a_visit_is_found_by_its_id(clinic: Clinic) -> None:
    visit = clinic.hold()
    for verb in ("confirm", "check-in", "complete"):
        body = {"visit_type": "follow_up"} if verb == "confirm" else None
        ok(clinic.post(f"/v1/visits/{visit['id']}/{verb}", body))
    settled(clinic)

    page = ok(clinic.get("/v1/events", visit_id=visit["id"]))

    assert [event["sequence"] for event in page["events"]] == [1, 2, 3, 4]
    assert [event["type"].split(".")[2] for event in page["events"]] == [
        "held",
        "created",
        "checked_in",
        "completed",
    ]
    assert "next_cursor" not in page


def test_types_may_be_repeated_and_an_unknown_one_is_named(clinic: Clinic) -> None:
    start = end_of_log(clinic)
    visit = clinic.visit()
    ok(clinic.post(f"/v1/visits/{visit['id']}/cancel"))
    settled(clinic)

    both = read_on(clinic, start, type=[CREATED, CANCELLED])
    one = read_on(clinic, start, type=CANCELLED)

    assert [event["type"] for event in both] == [CREATED, CANCELLED]
    assert [event["type"] for event in one] == [CANCELLED]
    invalid(clinic.get("/v1/events", type="booking.visit.created"), "type")
    invalid(clinic.get("/v1/events", type=[CREATED, "*"]), "type")


@pytest.mark.parametrize("after", ["-1", "x", "", "1.5", "9" * 30])
def test_a_place_that_is_none_is_refused_by_name(clinic: Clinic, after: str) -> None:
    invalid(clinic.get("/v1/events", after=after), "after")


@pytest.mark.parametrize("cursor", ["", "zzz", "WyJhIl0", "WyItMSJd", "WyIwMSJd", "WzFd"])
def test_a_cursor_that_is_none_is_refused_by_name(clinic: Clinic, cursor: str) -> None:
    invalid(clinic.get("/v1/events", cursor=cursor), "cursor")


def test_at_the_end_there_is_nothing_new_and_nobody_was_beyond_it(clinic: Clinic) -> None:
    clinic.visit()
    settled(clinic)
    end = end_of_log(clinic)

    page = ok(clinic.get("/v1/events", after=end))

    assert page == {"events": [], "next_after": end}
    # Of a log that was restored from a backup, say, and that will have other events there.
    invalid(clinic.get("/v1/events", after=end + 10_000), "after")


def test_the_cursor_leads_through_the_log_like_the_place_does(clinic: Clinic) -> None:
    start = end_of_log(clinic)
    for _ in range(3):
        clinic.visit()
    settled(clinic)

    first = ok(clinic.get("/v1/events", after=start, limit=2))
    by_place = ok(clinic.get("/v1/events", after=first["next_after"], limit=2))
    by_cursor = ok(clinic.get("/v1/events", after=start, limit=2, cursor=first["next_cursor"]))

    assert by_cursor == by_place
    assert "next_cursor" not in by_place
    assert [len(page["events"]) for page in (first, by_place)] == [2, 1]


def test_a_patient_sees_what_is_about_them_and_nothing_else(clinic: Clinic) -> None:
    own, other = clinic.patient(), clinic.patient()
    visit = clinic.visit(patient_id=own.patient_id)
    foreign = clinic.visit(patient_id=other.patient_id)
    clinic.seat(own)
    settled(clinic)

    page = ok(clinic.get("/v1/events", token=own.token))
    by_visit = ok(clinic.get("/v1/events", token=own.token, visit_id=visit["id"]))
    of_other = ok(clinic.get("/v1/events", token=own.token, visit_id=foreign["id"]))

    assert {event["data"]["patient_id"] for event in page["events"]} == {own.patient_id}
    assert [event["type"].split(".")[1] for event in page["events"]] == [
        "visit",
        "office_hour_booking",
    ]
    assert [event["data"]["visit_id"] for event in by_visit["events"]] == [visit["id"]]
    assert of_other["events"] == []


def test_a_subject_who_is_no_patient_of_the_brand_sees_nothing(clinic: Clinic) -> None:
    clinic.visit()
    settled(clinic)
    nobody = clinic.token("patient", clinic.new_id("sub"))

    assert ok(clinic.get("/v1/events", token=nobody))["events"] == []


def test_another_brands_events_are_not_there(clinic: Clinic) -> None:
    settled(clinic)
    visit = clinic.visit()
    settled(clinic)

    by_visit = ok(clinic.get("/v1/events", token=clinic.world.foreign_staff, visit_id=visit["id"]))
    everything = ok(clinic.get("/v1/events", token=clinic.world.foreign_staff, limit=1000))

    assert by_visit["events"] == []
    assert {event["brand_id"] for event in everything["events"]} <= {LOOPBIO}


def test_a_reader_gets_every_event_once_while_writers_write(clinic: Clinic) -> None:
    start = end_of_log(clinic)
    people = [clinic.provider() for _ in range(WRITERS)]
    slots = [[clinic.slot(provider_id=person) for _ in range(EACH)] for person in people]
    is_over = threading.Event()
    with ThreadPoolExecutor(WRITERS + 2) as pool:
        whole = pool.submit(follow, clinic, start, is_over)
        filtered = pool.submit(follow, clinic, start, is_over, type=CANCELLED)
        for writing in [pool.submit(book_and_cancel, clinic, own) for own in slots]:
            writing.result()
        settled(clinic)
        is_over.set()
        passed, cancelled = whole.result(), filtered.result()

    rows = clinic.world.sql(
        "SELECT event_id FROM booking.event WHERE brand_id = 'loop' AND position > %s", start
    )
    assert [event["position"] for event in passed] == [
        *range(start + 1, start + 1 + 2 * WRITERS * EACH)
    ]
    assert {event["id"] for event in passed} == {event_id for (event_id,) in rows}
    assert cancelled == [event for event in passed if event["type"] == CANCELLED]
    by_visit: dict[str, list[int]] = {}
    for event in passed:
        by_visit.setdefault(event["data"]["visit_id"], []).append(event["sequence"])
    assert set(map(tuple, by_visit.values())) == {(1, 2)}


def test_a_reader_by_the_number_of_the_row_would_have_missed_one(clinic: Clinic) -> None:
    """What the places are for: the same two writers, read in the order of `event_no`."""
    insert = (
        "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
        " VALUES (%s, 'loop', 'booking.slot.created.v1', %s, 1, '{}') RETURNING event_no"
    )
    start = end_of_log(clinic)
    url = clinic.world.database_url
    with psycopg.connect(url) as late, psycopg.connect(url) as early:
        late.execute(insert, ("evt_late", "slt_late"))
        early_row = early.execute(insert, ("evt_early", "slt_early")).fetchone()
        early.commit()
        settled(clinic)
        read_first = read_on(clinic, start)
        late.commit()
    settled(clinic)
    assert early_row is not None

    by_place = read_on(clinic, read_first[-1]["position"])
    by_number = clinic.world.sql(
        "SELECT event_id FROM booking.event WHERE event_no > %s AND entity_id LIKE %s",
        early_row[0],
        "slt_%ly",
    )

    assert [event["id"] for event in read_first] == ["evt_early"]
    assert [event["id"] for event in by_place] == ["evt_late"]
    assert by_number == [], "the later one has the smaller number"


def test_who_asks_for_what_is_gone_is_told_from_where_on_there_is_something(
    clinic: Clinic,
) -> None:
    with a_brand(clinic) as brand:
        brand.write("2026-01-01", 3)
        brand.sweep(2)

        refused(brand.get(after=0), 410, "events_gone", kept_from=3)
        refused(brand.get(after=1), 410, "events_gone", kept_from=3)
        refused(brand.get(after=1, visit_id="vis_1"), 410, "events_gone", kept_from=3)
        on_time = ok(brand.get(after=2))
        from_the_start = ok(brand.get())

        assert [event["position"] for event in on_time["events"]] == [3]
        assert from_the_start == on_time


def test_a_days_digest_is_what_a_receiver_computes_of_what_it_has(clinic: Clinic) -> None:
    with a_brand(clinic) as brand:
        brand.write("2026-01-01", 2)
        brand.write("2026-01-02", 3)
        brand.write("2026-01-01", 1)  # committed late
        events = ok(brand.get())["events"]

        first, second = (ok(brand.digest(f"2026-01-0{day}")) for day in (1, 2))

        ids = sorted(e["id"] for e in events if e["occurred_at"].startswith("2026-01-01"))
        assert first == {
            "brand_id": brand.brand_id,
            "day": "2026-01-01",
            "event_count": 3,
            "counts": {"booking.slot.created.v1": 3},
            "first_position": 1,
            "last_position": 6,
            "hash": hashlib.sha256("".join(f"{one}\n" for one in ids).encode()).hexdigest(),
            "is_over": True,
        }
        assert (second["event_count"], second["hash"] != first["hash"]) == (3, True)


def test_a_day_without_events_has_the_hash_of_nothing(clinic: Clinic) -> None:
    with a_brand(clinic) as brand:
        digest = ok(brand.digest("2026-01-01"))

        assert (digest["event_count"], digest["counts"], digest["first_position"]) == (0, {}, None)
        assert digest["hash"] == hashlib.sha256(b"").hexdigest()
        assert digest["is_over"] is True


def test_a_day_is_not_over_before_all_that_may_still_be_of_it_is_in_the_log(
    clinic: Clinic,
) -> None:
    day = str(datetime.now(UTC).date())
    with a_brand(clinic) as brand, psycopg.connect(clinic.world.database_url) as late:
        assert ok(brand.digest(day))["is_over"] is False, "the day goes on"
        late.execute("SELECT 1")
        with clinic.clock_at(datetime.now(UTC) + timedelta(days=2)):
            assert ok(brand.digest(day))["is_over"] is False, "a transaction of that day is open"
            late.rollback()
            until(lambda: ok(brand.digest(day))["is_over"])
            late.execute("SELECT pg_advisory_xact_lock(hashtext('booking.number_events'))")
            brand.insert("2026-01-01")
            assert ok(brand.digest("2026-01-01"))["is_over"] is False, "an event waits"


def test_a_day_that_is_partly_gone_has_no_digest(clinic: Clinic) -> None:
    with a_brand(clinic) as brand:
        brand.write("2026-01-01", 2)
        brand.write("2026-01-02", 2)
        brand.sweep(1)

        refused(brand.digest("2026-01-01"), 410, "events_gone", kept_from=2)
        assert ok(brand.digest("2026-01-02"))["event_count"] == 2
        brand.sweep(1)
        refused(brand.digest("2026-01-01"), 410, "events_gone", kept_from=3)


def test_a_patient_compares_no_days(clinic: Clinic) -> None:
    answer = clinic.get("/v1/events/digest", token=clinic.world.patient, day="2026-01-01")

    refused(answer, 403, "forbidden")


@pytest.mark.parametrize("day", ["", "x", "2026-02-30", "2026-1-1", "0001-01-01", "9999-12-31"])
def test_a_day_that_is_none_is_refused_by_name(clinic: Clinic, day: str) -> None:
    invalid(clinic.get("/v1/events/digest", day=day), "day")
    invalid(clinic.get("/v1/events/digest"), "day")


def test_a_brand_that_does_not_exist_has_no_log_to_be_misread_as_empty(clinic: Clinic) -> None:
    wrong = {"X-Brand-Id": "loop-typo"}

    answers = [
        clinic.call("GET", path, token=clinic.world.platform, headers=wrong)
        for path in (
            "/v1/events",
            "/v1/events?after=5&visit_id=vis_any",
            "/v1/events/digest?day=2026-01-05",
            "/v1/events/stream",
        )
    ]

    for answer in answers:
        refused(answer, 404, "not_found")


def end_of_log(clinic: Clinic) -> int:
    """The place of loop's last event."""
    settled(clinic)
    ((place,),) = clinic.world.sql(
        "SELECT coalesce(max(last_position), 0) FROM booking.event_log WHERE brand_id = 'loop'"
    )
    return int(str(place))


def read_on(clinic: Clinic, after: int, **query: Any) -> list[dict[str, Any]]:
    """Everything after this place, by `next_after`, in small pages."""
    found: list[dict[str, Any]] = []
    while True:
        page = ok(clinic.get("/v1/events", after=after, limit=3, **query))
        found += page["events"]
        after = page["next_after"]
        if "next_cursor" not in page:
            return found


def follow(
    clinic: Clinic, after: int, is_over: threading.Event, **query: Any
) -> list[dict[str, Any]]:
    """Everything after this place, read on and on until it is over."""
    found: list[dict[str, Any]] = []
    while True:
        was_over = is_over.is_set()
        page = ok(clinic.get("/v1/events", after=after, limit=5, **query))
        found += page["events"]
        after = page["next_after"]
        if was_over and "next_cursor" not in page:
            return found


def book_and_cancel(clinic: Clinic, slots: list[str]) -> None:
    for slot_id in slots:
        visit = clinic.visit(slot_id)
        ok(clinic.post(f"/v1/visits/{visit['id']}/cancel"))
