"""Many slots in one call: all of them, in their order, or none."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bookwell.domain.slots import SERIES_SLOTS_MAX
from bookwell.http.slots import SERIES_BYTES_MAX
from clinic import Clinic, later, said
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO

Times = list[dict[str, Any]]

FAR = datetime(2040, 1, 2, 9, tzinfo=UTC)


def half_hours(number: int, from_: datetime = FAR) -> Times:
    """So many half hours, one after the other."""
    starts = [from_ + n * timedelta(minutes=30) for n in range(number)]
    return [
        {"start_time": said(start), "end_time": said(start + timedelta(minutes=30))}
        for start in starts
    ]


def offer(
    clinic: Clinic, provider_id: str, slots: object, *, brand_id: str = LOOP, **more: Any
) -> httpx.Response:
    body = {"brand_id": brand_id, "slots": slots}
    return clinic.post(f"/v1/providers/{provider_id}/slots/bulk", body, **more)


def listed(clinic: Clinic, provider_id: str) -> list[dict[str, Any]]:
    path = f"/v1/providers/{provider_id}/slots"
    slots: list[dict[str, Any]] = ok(clinic.get(path, brand_id=LOOP, limit=1000))["slots"]
    return slots


def journal(clinic: Clinic) -> tuple[object, ...]:
    """How many slots, events, audit rows and keys there are."""
    (counts,) = clinic.world.sql(
        "SELECT (SELECT count(*) FROM booking.slot), (SELECT count(*) FROM booking.event),"
        " (SELECT count(*) FROM booking.audit), (SELECT count(*) FROM booking.idempotency)"
    )
    return counts


def test_slots_are_answered_in_the_order_asked_and_listed_in_the_order_of_time(
    clinic: Clinic,
) -> None:
    person = clinic.provider()
    times = half_hours(40)
    shuffled = times[20:] + times[:20][::-1]

    answered = ok(offer(clinic, person, shuffled), 201)

    assert set(answered) == {"slots"}
    assert [
        {"start_time": slot["start_time"], "end_time": slot["end_time"]}
        for slot in answered["slots"]
    ] == shuffled
    assert listed(clinic, person) == sorted(answered["slots"], key=lambda slot: slot["start_time"])


def test_a_slot_of_many_is_what_a_slot_made_alone_is(clinic: Clinic) -> None:
    person = clinic.provider()
    alone, together = half_hours(2)

    single = ok(clinic.post(f"/v1/providers/{person}/slots", {"brand_id": LOOP, **alone}), 201)
    (one,) = ok(offer(clinic, person, [together]), 201)["slots"]

    assert one == single | {"id": one["id"], "created_at": one["created_at"], **together}
    assert one["id"].startswith("slt_")


def test_offers_may_overlap_each_other_and_be_the_same(clinic: Clinic) -> None:
    person = clinic.provider()
    (half,) = half_hours(1)
    hour = {**half, "end_time": later(half["start_time"], hours=1)}

    slots = ok(offer(clinic, person, [half, half, hour]), 201)["slots"]

    assert len({slot["id"] for slot in slots}) == 3


def test_time_that_is_taken_is_booked_from_the_start_in_whatever_brand(clinic: Clinic) -> None:
    person = clinic.provider(LOOP, LOOPBIO)
    times = half_hours(6)
    taken = clinic.slot(
        datetime.fromisoformat(times[2]["start_time"]), 60, provider_id=person, brand_id=LOOPBIO
    )
    wanted = clinic.world.book(taken, brand_id=LOOPBIO, patient_id="pat_eve")
    ok(clinic.post("/v1/visits", wanted, token=clinic.world.foreign_staff), 201)

    slots = ok(offer(clinic, person, times), 201)["slots"]

    assert [slot["booked"] for slot in slots] == [False, False, True, True, False, False]
    assert [slot["booked"] for slot in listed(clinic, person)] == [slot["booked"] for slot in slots]


def test_each_slot_leaves_an_event_and_an_audit_row_in_the_order_asked(clinic: Clinic) -> None:
    person = clinic.provider()
    ((last_event,),) = clinic.world.sql("SELECT max(event_no) FROM booking.event")
    ((last_audit,),) = clinic.world.sql("SELECT max(id) FROM booking.audit")

    slots = ok(offer(clinic, person, half_hours(25)[::-1]), 201)["slots"]

    ids = [(slot["id"],) for slot in slots]
    told = clinic.world.sql(
        "SELECT data FROM booking.event WHERE event_no > coalesce(%s, 0) ORDER BY event_no",
        last_event,
    )
    assert [event for (event,) in told] == [
        {
            "slot_id": slot["id"],
            "provider_id": person,
            "brand_id": LOOP,
            "slot_start": slot["start_time"],
            "slot_end": slot["end_time"],
            "created_at": slot["created_at"],
        }
        for slot in slots
    ]
    assert ids == clinic.world.sql(
        "SELECT entity_id FROM booking.audit"
        " WHERE id > coalesce(%s, 0) AND event_type = 'slot.created' ORDER BY id",
        last_audit,
    )


WRONG = [
    ("start_time", "2039-01-01T00:00:00", "start_time"),
    ("end_time", "2039-02-30T00:00:00Z", "end_time"),
    ("start_time", "1899-12-31T23:00:00Z", "start_time"),
    ("end_time", said(FAR - timedelta(days=1)), "end_time"),
    ("end_time", said(FAR + timedelta(days=3)), "end_time"),
    ("start_time", "2020-01-01T09:00:00Z", "end_time"),
    ("start_time", None, "start_time"),
    ("end_time", 7, "end_time"),
]


@pytest.mark.parametrize(("field", "value", "named"), WRONG)
def test_one_time_that_nobody_can_keep_is_named_and_nothing_is_offered(
    clinic: Clinic, field: str, value: object, named: str
) -> None:
    person = clinic.provider()
    times = half_hours(20)
    times[17][field] = value
    before = journal(clinic)

    body = invalid(offer(clinic, person, times), f"slots[17].{named}")

    assert body["message"]
    assert journal(clinic) == before


def test_a_time_in_the_past_is_named(clinic: Clinic) -> None:
    times = half_hours(3)
    over = datetime.now(UTC) - timedelta(minutes=5)
    times[1] = {"start_time": said(over), "end_time": said(over + timedelta(hours=1))}

    body = invalid(offer(clinic, clinic.provider(), times), "slots[1].start_time")

    assert body["message"] == "slots[1].start_time must not be in the past."


@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_a_missing_end_of_a_time_is_named(clinic: Clinic, field: str) -> None:
    times = half_hours(3)
    del times[2][field]

    body = invalid(offer(clinic, clinic.provider(), times), f"slots[2].{field}")

    assert body["message"] == f"slots[2].{field} is required."


@pytest.mark.parametrize(
    ("slots", "field"),
    [
        ([], "slots"),
        (None, "slots"),
        ({}, "slots"),
        ("2040-01-02T09:00:00Z", "slots"),
        ([7], "slots[0]"),
        ([*half_hours(1), None], "slots[1]"),
        ([half_hours(1)], "slots[0]"),
    ],
)
def test_what_is_no_list_of_times_is_refused_by_name(
    clinic: Clinic, slots: object, field: str
) -> None:
    invalid(offer(clinic, clinic.provider(), slots), field)


def test_five_thousand_times_are_offered_and_one_more_is_not(clinic: Clinic) -> None:
    person = clinic.provider()
    before = journal(clinic)

    invalid(offer(clinic, person, half_hours(SERIES_SLOTS_MAX + 1)), "slots")
    assert journal(clinic) == before
    slots = ok(offer(clinic, person, half_hours(SERIES_SLOTS_MAX)), 201)["slots"]

    assert len({slot["id"] for slot in slots}) == SERIES_SLOTS_MAX
    assert [slot["start_time"] for slot in slots] == [
        time["start_time"] for time in half_hours(SERIES_SLOTS_MAX)
    ]
    assert journal(clinic) == tuple(
        count + added  # type: ignore[operator]  # both are numbers
        for count, added in zip(before, [SERIES_SLOTS_MAX] * 3 + [0], strict=True)
    )


def test_the_most_times_written_as_wide_as_they_may_be_fit_into_a_body(clinic: Clinic) -> None:
    person = clinic.provider()
    wide = [
        {
            "start_time": start.isoformat(timespec="microseconds"),
            "end_time": (start + timedelta(minutes=30)).isoformat(timespec="microseconds"),
        }
        for start in (FAR + n * timedelta(minutes=31, microseconds=1) for n in range(5_000))
    ]
    raw = json.dumps({"brand_id": LOOP, "slots": wide}, indent=4).encode()
    assert 700_000 < len(raw) < SERIES_BYTES_MAX

    ok(clinic.post(f"/v1/providers/{person}/slots/bulk", raw=raw), 201)


def test_a_body_beyond_this_routes_own_limit_is_refused(clinic: Clinic) -> None:
    path = f"/v1/providers/{clinic.provider()}/slots/bulk"
    raw = json.dumps({"brand_id": LOOP, "slots": half_hours(1)}).encode()

    ok(clinic.post(path, raw=raw.ljust(SERIES_BYTES_MAX)), 201)
    refused(clinic.post(path, raw=raw.ljust(SERIES_BYTES_MAX + 1)), 413, "payload_too_large")


@pytest.mark.parametrize("provider_id", ["prv_never", "prv_sam", "coach_jo"])
def test_only_a_clinician_of_the_brand_offers_slots(clinic: Clinic, provider_id: str) -> None:
    answer = offer(clinic, provider_id, half_hours(2))

    assert refused(answer, 404, "not_found")["message"] == "There is no such provider."


def test_another_brands_time_is_not_ours_to_offer(clinic: Clinic) -> None:
    refused(offer(clinic, "prv_both", half_hours(2), brand_id=LOOPBIO), 404, "not_found")


def test_a_patient_offers_no_time(clinic: Clinic) -> None:
    before = journal(clinic)

    refused(offer(clinic, "prv_kim", half_hours(2), token=clinic.world.patient), 403, "forbidden")

    assert journal(clinic) == before


def test_a_key_makes_two_calls_one_and_the_second_answer_the_first(clinic: Clinic) -> None:
    person = clinic.provider()
    headers = {"Idempotency-Key": clinic.new_id("key")}
    times = half_hours(200)

    first = offer(clinic, person, times, headers=headers)
    again = offer(clinic, person, times, headers=headers)

    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(listed(clinic, person)) == 200
    other = offer(clinic, person, times[1:], headers=headers)
    refused(other, 409, "idempotency_key_payload_mismatch")


def test_without_a_key_two_calls_offer_twice(clinic: Clinic) -> None:
    person = clinic.provider()

    for _ in range(2):
        ok(offer(clinic, person, half_hours(3)), 201)

    assert len(listed(clinic, person)) == 6


def test_each_of_many_can_be_booked_and_taken_back(clinic: Clinic) -> None:
    person = clinic.provider()
    booked, spare = ok(offer(clinic, person, half_hours(2)), 201)["slots"]

    clinic.visit(booked["id"])
    ok(clinic.call("DELETE", f"/v1/providers/{person}/slots/{spare['id']}"))

    assert listed(clinic, person) == [booked | {"booked": True}]
