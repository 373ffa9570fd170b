"""The slots of providers: offered, listed, taken back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from clinic import Clinic, later, said
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO


def offer(clinic: Clinic, provider_id: str = "prv_kim", **changes: object) -> httpx.Response:
    """Offer an hour in which nothing else is offered."""
    starts_at = clinic.new_time()
    body = {
        "brand_id": LOOP,
        "start_time": said(starts_at),
        "end_time": said(starts_at + timedelta(hours=1)),
        **changes,
    }
    return clinic.post(f"/v1/providers/{provider_id}/slots", body)


def listed(clinic: Clinic, provider_id: str, **query: Any) -> list[dict[str, Any]]:
    path = f"/v1/providers/{provider_id}/slots"
    slots: list[dict[str, Any]] = ok(clinic.get(path, brand_id=LOOP, **query))["slots"]
    return slots


def test_a_slot_says_all_of_itself(clinic: Clinic) -> None:
    starts_at = said(clinic.new_time())

    slot = ok(offer(clinic, start_time=starts_at, end_time=later(starts_at, minutes=20)), 201)

    assert slot["id"].startswith("slt_")
    assert slot == {
        "id": slot["id"],
        "provider_id": "prv_kim",
        "brand_id": LOOP,
        "start_time": starts_at,
        "end_time": later(starts_at, minutes=20),
        "booked": False,
        "created_at": slot["created_at"],
        "rule_id": None,
    }
    assert slot["created_at"].endswith("Z")


def test_an_instant_may_be_said_with_any_offset_and_is_answered_in_utc(clinic: Clinic) -> None:
    day = clinic.new_time().replace(hour=0) + timedelta(days=300)

    slot = ok(
        offer(
            clinic,
            start_time=f"{day:%Y-%m-%d}T09:00:00+05:30",
            end_time=f"{day:%Y-%m-%d}T09:30:00.25+05:30",
        ),
        201,
    )

    assert slot["start_time"] == f"{day:%Y-%m-%d}T03:30:00Z"
    assert slot["end_time"] == f"{day:%Y-%m-%d}T04:00:00.250000Z"


def test_slots_may_overlap_each_other(clinic: Clinic) -> None:
    starts_at = said(clinic.new_time())
    times = {"start_time": starts_at, "end_time": later(starts_at, hours=1)}

    first = ok(offer(clinic, **times), 201)
    again = ok(offer(clinic, **times), 201)
    half = ok(offer(clinic, **{**times, "end_time": later(starts_at, minutes=30)}), 201)

    assert len({slot["id"] for slot in (first, again, half)}) == 3


def test_a_slot_offered_over_taken_time_is_booked_from_the_start(clinic: Clinic) -> None:
    visit = clinic.visit()

    slot = ok(
        offer(clinic, start_time=visit["start_time"], end_time=later(visit["end_time"], hours=1)),
        201,
    )

    assert slot["booked"] is True


@pytest.mark.parametrize(
    ("start", "length", "field"),
    [
        (timedelta(days=1), timedelta(0), "end_time"),
        (timedelta(days=1), timedelta(hours=-1), "end_time"),
        (timedelta(days=1), timedelta(hours=24, seconds=1), "end_time"),
        (timedelta(seconds=-10), timedelta(hours=1), "start_time"),
        (timedelta(days=-400), timedelta(hours=1), "start_time"),
    ],
)
def test_a_time_that_nobody_can_keep_is_refused_by_name(
    clinic: Clinic, start: timedelta, length: timedelta, field: str
) -> None:
    starts_at = datetime.now(UTC) + start

    answer = offer(clinic, start_time=said(starts_at), end_time=said(starts_at + length))

    invalid(answer, field)


def test_a_slot_may_last_24_hours(clinic: Clinic) -> None:
    starts_at = said(clinic.new_time() + timedelta(days=100))

    ok(offer(clinic, start_time=starts_at, end_time=later(starts_at, hours=24)), 201)


NO_INSTANT = [
    "",
    "tomorrow",
    "2027-05-01",
    "2027-05-01T09:00:00",
    "2027-02-30T09:00:00Z",
    "2027-05-01T25:00:00Z",
    "2027-05-01T09:00:00+25:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "12027-05-01T09:00:00Z",
    "2027-05-01T09:00:00Z\x00",
    1_900_000_000,
    1.5,
    None,
    True,
    ["2027-05-01T09:00:00Z"],
]


@pytest.mark.parametrize("wrong", NO_INSTANT)
@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_what_is_no_instant_is_refused_by_name(clinic: Clinic, field: str, wrong: object) -> None:
    invalid(offer(clinic, **{field: wrong}), field)  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize("field", ["brand_id", "start_time", "end_time"])
def test_a_required_field_is_named_when_it_is_missing(clinic: Clinic, field: str) -> None:
    starts_at = said(clinic.new_time())
    body = {"brand_id": LOOP, "start_time": starts_at, "end_time": later(starts_at, hours=1)}
    del body[field]

    invalid(clinic.post("/v1/providers/prv_kim/slots", body), field)


@pytest.mark.parametrize("provider_id", ["prv_never", "prv_sam", "coach_jo"])
def test_only_a_clinician_of_the_brand_offers_slots(clinic: Clinic, provider_id: str) -> None:
    answer = offer(clinic, provider_id)

    assert refused(answer, 404, "not_found")["message"] == "There is no such provider."


def test_another_brands_slots_are_not_ours_to_offer(clinic: Clinic) -> None:
    refused(offer(clinic, "prv_both", brand_id=LOOPBIO), 404, "not_found")


def test_a_patient_offers_and_takes_back_no_time(clinic: Clinic) -> None:
    starts_at = said(clinic.new_time())
    body = {"brand_id": LOOP, "start_time": starts_at, "end_time": later(starts_at, hours=1)}
    app = clinic.world.patient

    refused(clinic.post("/v1/providers/prv_kim/slots", body, token=app), 403, "forbidden")
    path = f"/v1/providers/prv_kim/slots/{clinic.slot()}"
    refused(clinic.call("DELETE", path, token=app), 403, "forbidden")


def test_slots_are_listed_earliest_first(clinic: Clinic) -> None:
    person = clinic.provider()
    times = [clinic.new_time() for _ in range(3)]
    for starts_at in (times[2], times[0], times[1]):
        clinic.slot(starts_at, provider_id=person)

    found = [slot["start_time"] for slot in listed(clinic, person)]

    assert found == [said(starts_at) for starts_at in times]


def test_a_list_begins_with_from_and_ends_before_to(clinic: Clinic) -> None:
    person = clinic.provider()
    first, second, third = (clinic.new_time() for _ in range(3))
    ids = [clinic.slot(starts_at, provider_id=person) for starts_at in (first, second, third)]

    def ids_between(**query: datetime) -> list[str]:
        window = {name.rstrip("_"): said(instant) for name, instant in query.items()}
        return [slot["id"] for slot in listed(clinic, person, **window)]

    assert ids_between(from_=second) == ids[1:]
    assert ids_between(to=third) == ids[:2]
    assert ids_between(from_=second, to=third) == [ids[1]]
    assert ids_between(from_=third + timedelta(seconds=1)) == []


def test_a_list_is_of_free_slots_or_of_taken_ones(clinic: Clinic) -> None:
    person = clinic.provider()
    starts_at = clinic.new_time()
    hour = clinic.slot(starts_at, minutes=60, provider_id=person)
    half = clinic.slot(starts_at, provider_id=person)
    free = clinic.slot(provider_id=person)
    clinic.visit(half)

    def ids_where(**query: object) -> set[str]:
        return {slot["id"] for slot in listed(clinic, person, **query)}

    assert ids_where(booked="true") == {hour, half}
    assert ids_where(booked="false") == {free}
    assert ids_where() == {hour, half, free}


@pytest.mark.parametrize("status", ["completed", "cancelled", "no_show", "expired"])
def test_a_visit_that_is_over_takes_no_time(clinic: Clinic, status: str) -> None:
    person = clinic.provider()
    visit = clinic.visit(clinic.slot(provider_id=person))
    clinic.world.sql(
        "UPDATE booking.visit SET status = now.status,"
        " cancelled_at = CASE WHEN now.status = 'cancelled' THEN now() END,"
        " hold_expires_at = CASE WHEN now.status = 'expired' THEN now() END"
        " FROM (SELECT %s::text AS status) AS now WHERE visit_id = %s",
        status,
        visit["id"],
    )

    assert [slot["booked"] for slot in listed(clinic, person)] == [False]


def hold(clinic: Clinic, visit_id: str, seconds: int) -> None:
    """Turn a booked visit into a hold with so many seconds left."""
    clinic.world.sql(
        "UPDATE booking.visit SET status = 'held', hold_place = 1,"
        " hold_expires_at = now() + make_interval(secs => %s) WHERE visit_id = %s",
        seconds,
        visit_id,
    )


def test_a_hold_takes_its_time_until_it_expires_and_not_a_second_longer(clinic: Clinic) -> None:
    person = clinic.provider()
    visit = clinic.visit(clinic.slot(provider_id=person), patient_id=clinic.patient().patient_id)
    times = {name: visit[name] for name in ("start_time", "end_time")}

    def shown() -> tuple[bool, bool]:
        """What the list says of the slot, and what a new offer of the time says of itself."""
        (slot,) = listed(clinic, person)
        again = ok(offer(clinic, person, **times), 201)
        clinic.world.sql("DELETE FROM booking.slot WHERE slot_id = %s", again["id"])
        return slot["booked"], again["booked"]

    hold(clinic, visit["id"], seconds=60)
    assert shown() == (True, True)
    hold(clinic, visit["id"], seconds=0)
    assert shown() == (False, False)


def test_a_slot_under_a_live_hold_is_not_taken_back_and_under_a_past_one_it_is(
    clinic: Clinic,
) -> None:
    visit = clinic.visit(patient_id=clinic.patient().patient_id)
    path = f"/v1/providers/prv_kim/slots/{visit['slot_id']}"

    hold(clinic, visit["id"], seconds=60)
    refused(clinic.call("DELETE", path), 412, "slot_not_deletable")
    hold(clinic, visit["id"], seconds=0)
    ok(clinic.call("DELETE", path))


def test_a_brand_sees_its_own_slots_of_a_shared_provider_only(clinic: Clinic) -> None:
    person = clinic.provider(LOOP, LOOPBIO)
    ours = clinic.slot(provider_id=person)
    clinic.slot(provider_id=person, brand_id=LOOPBIO)

    assert [slot["id"] for slot in listed(clinic, person)] == [ours]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "brand_id"),
        ({"brand_id": LOOP, "from": "2027-05-01T09:00:00"}, "from"),
        ({"brand_id": LOOP, "from": "1"}, "from"),
        ({"brand_id": LOOP, "from": ""}, "from"),
        ({"brand_id": LOOP, "to": "2027-02-30T00:00:00Z"}, "to"),
        ({"brand_id": LOOP, "to": "0001-01-01T00:00:00Z"}, "to"),
        ({"brand_id": LOOP, "from": "2027-05-02T00:00:00Z", "to": "2027-05-01T00:00:00Z"}, "to"),
        ({"brand_id": LOOP, "from": "2027-05-01T00:00:00Z", "to": "2027-05-01T00:00:00Z"}, "to"),
        ({"brand_id": LOOP, "booked": "maybe"}, "booked"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_by_name(
    clinic: Clinic, query: dict[str, str], field: str
) -> None:
    invalid(clinic.get("/v1/providers/prv_kim/slots", **query), field)


@pytest.mark.parametrize("provider_id", ["prv_never", "prv_sam", "coach_jo"])
def test_slots_of_whoever_is_no_clinician_of_the_brand_are_not_there(
    clinic: Clinic, provider_id: str
) -> None:
    refused(clinic.get(f"/v1/providers/{provider_id}/slots", brand_id=LOOP), 404, "not_found")


@pytest.mark.parametrize("brand_id", [LOOPBIO, "never", ""])
def test_slots_for_another_brand_are_not_there(clinic: Clinic, brand_id: str) -> None:
    refused(clinic.get("/v1/providers/prv_both/slots", brand_id=brand_id), 404, "not_found")


def test_a_slot_is_taken_back_once(clinic: Clinic) -> None:
    person = clinic.provider()
    slot_id = clinic.slot(provider_id=person)
    (before,) = listed(clinic, person)
    path = f"/v1/providers/{person}/slots/{slot_id}"

    deleted = ok(clinic.call("DELETE", path))

    assert deleted == before
    assert listed(clinic, person) == []
    refused(clinic.call("DELETE", path), 404, "not_found")


def test_a_booked_slot_is_not_taken_back_until_it_is_free(clinic: Clinic) -> None:
    visit = clinic.visit()
    path = f"/v1/providers/prv_kim/slots/{visit['slot_id']}"

    refused(clinic.call("DELETE", path), 412, "slot_not_deletable")
    ok(clinic.post(f"/v1/visits/{visit['id']}/cancel"))
    ok(clinic.call("DELETE", path))

    assert ok(clinic.get(f"/v1/visits/{visit['id']}"))["slot_id"] == visit["slot_id"]


def test_a_slot_belongs_to_its_provider_and_its_brand(clinic: Clinic) -> None:
    slot_id = clinic.slot()
    foreign = clinic.slot(provider_id="prv_both", brand_id=LOOPBIO)

    for path in (f"prv_both/slots/{slot_id}", f"prv_both/slots/{foreign}", "prv_kim/slots/never"):
        refused(clinic.call("DELETE", f"/v1/providers/{path}"), 404, "not_found")
