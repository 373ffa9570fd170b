"""The stream of events: everything once and in order, from the log and then as it comes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clinic import Clinic
from envelope import refused
from streams import Stream, streaming
from world import ALL_SCOPES, LOOPBIO

PATH = "/v1/events/stream"


@contextmanager
def following(clinic: Clinic, token: str | None = None, **more: Any) -> Iterator[Stream]:
    token = token or clinic.world.admin
    with streaming(str(clinic.http.base_url), PATH, token, **more) as stream:
        assert stream.status == 200, stream.head
        yield stream


def reader(clinic: Clinic, brand_id: str) -> str:
    return clinic.token("service", "reader", brand_id=brand_id, scopes=["read:events"])


def last_place(clinic: Clinic) -> int:
    """The last place in the log, once all that happened has one."""
    while clinic.world.sql("SELECT 1 FROM booking.event WHERE position IS NULL"):
        time.sleep(0.01)
    ((last,),) = clinic.world.sql(
        "SELECT last_position FROM booking.event_log WHERE brand_id = 'loop'"
    )
    assert isinstance(last, int)
    return last


def logged(clinic: Clinic, place: int) -> dict[str, Any]:
    """The event at that place, as the log tells it."""
    page = clinic.get("/v1/events", token=clinic.world.admin, after=place - 1, limit=1).json()
    event: dict[str, Any] = page["events"][0]
    return event


def test_an_event_is_sent_when_it_happens_with_its_place_and_its_type(clinic: Clinic) -> None:
    with following(clinic) as stream:
        stream.next_block()
        visit = clinic.visit()

        message = stream.next()

    assert message.fields["event"] == "booking.visit.created.v1"
    assert message.data["data"]["visit_id"] == visit["id"]
    assert message.data["position"] == message.place
    assert message.data == logged(clinic, message.place)


def test_the_answer_begins_at_once_and_nobody_on_the_way_may_keep_it(clinic: Clinic) -> None:
    with following(clinic) as stream:
        first = stream.next_block()

    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["cache-control"] == "no-store"
    assert stream.headers["x-accel-buffering"] == "no"
    assert 1000 <= int(first.fields["retry"]) <= 5000


def test_who_comes_back_gets_what_they_missed_and_then_what_comes_each_once(
    clinic: Clinic,
) -> None:
    with following(clinic) as stream:
        clinic.visit()
        seen = stream.next()
    missed = [clinic.visit()["id"] for _ in range(3)]
    last_place(clinic)

    back = {"Last-Event-ID": str(seen.place)}
    with following(clinic, headers=back, after=0) as stream:
        caught_up = [stream.next() for _ in missed]
        later = clinic.visit()["id"]
        live = stream.next()

    assert [each.data["data"]["visit_id"] for each in [*caught_up, live]] == [*missed, later]
    assert [each.place for each in [*caught_up, live]] == [seen.place + n for n in range(1, 5)]


def test_only_the_types_and_the_visit_that_were_asked_for_are_sent(clinic: Clinic) -> None:
    visit, other = clinic.visit(), clinic.visit()
    start = last_place(clinic)
    wanted = ["booking.visit.cancelled.v1", "booking.visit.checked_in.v1"]
    with (
        following(clinic, type=wanted, after=start) as of_types,
        following(clinic, visit_id=visit["id"], after=start) as of_visit,
    ):
        clinic.post(f"/v1/visits/{other['id']}/cancel")
        clinic.visit()
        clinic.post(f"/v1/visits/{visit['id']}/check-in")

        types = [of_types.next().data for _ in range(2)]
        only = of_visit.next().data

    assert [each["type"] for each in types] == wanted
    assert only["data"]["visit_id"] == visit["id"]
    assert only == types[1]


def test_a_patient_is_sent_their_own_events_and_nobody_elses(clinic: Clinic) -> None:
    patient, other = clinic.patient(), clinic.patient()
    subject = f"sub-{patient.patient_id}"
    token = clinic.token("patient", subject, scopes=[*ALL_SCOPES, "read:events"])
    before = clinic.visit(patient_id=patient.patient_id)
    clinic.visit(patient_id=other.patient_id)
    with following(clinic, token, after=0) as stream:
        clinic.visit(patient_id=other.patient_id)
        after = clinic.visit(patient_id=patient.patient_id)

        seen = [stream.next().data for _ in range(2)]

    assert [each["data"]["visit_id"] for each in seen] == [before["id"], after["id"]]


def test_no_event_of_another_brand_is_sent(clinic: Clinic) -> None:
    foreign = reader(clinic, LOOPBIO)
    with following(clinic, foreign) as stream:
        stream.next_block()
        clinic.visit()
        slot_id = clinic.slot(provider_id=clinic.provider(LOOPBIO), brand_id=LOOPBIO)
        wanted = clinic.world.book(slot_id, brand_id=LOOPBIO, patient_id="pat_eve")
        clinic.post("/v1/visits", wanted, token=clinic.world.platform)

        first = stream.next()

    assert first.data["brand_id"] == LOOPBIO


def test_a_place_that_is_not_kept_is_refused_before_the_stream_begins(clinic: Clinic) -> None:
    for _ in range(3):
        clinic.visit()
    last = last_place(clinic)
    clinic.world.sql("UPDATE booking.event_log SET kept_from = %s WHERE brand_id = 'loop'", last)
    try:
        gone = clinic.get(PATH, token=clinic.world.admin, after=last - 2)
        with following(clinic, after=last - 1) as stream:
            kept = stream.next().place
    finally:
        clinic.world.sql("UPDATE booking.event_log SET kept_from = 1 WHERE brand_id = 'loop'")

    refused(gone, 410, "events_gone", kept_from=last)
    assert kept == last


def test_who_takes_no_event_stream_is_told_so(clinic: Clinic) -> None:
    for accept in ("application/json", "text/html, text/event-stream;q=0"):
        answer = clinic.call("GET", PATH, token=clinic.world.admin, headers={"Accept": accept})

        refused(answer, 406, "not_acceptable")


def test_a_place_that_is_none_is_refused(clinic: Clinic) -> None:
    for bad in ("yesterday", "-1", str(2**60), str(2**40)):
        headers = {"Last-Event-ID": bad}
        answer = clinic.call("GET", PATH, token=clinic.world.admin, headers=headers)

        refused(answer, 400, "validation_error", field="Last-Event-ID")


def test_an_empty_place_is_none(clinic: Clinic) -> None:
    headers = {"Last-Event-ID": ""}

    answer = clinic.call("HEAD", PATH, token=clinic.world.admin, headers=headers)

    assert answer.status_code == 200


def test_a_head_request_is_answered_without_a_stream(clinic: Clinic) -> None:
    answer = clinic.call("HEAD", PATH, token=clinic.world.admin)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
