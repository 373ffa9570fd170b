"""The stream of a provider's open times: what may be booked, at once and whenever it changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from clinic import Clinic, said
from envelope import refused
from streams import Stream, streaming
from world import LOOP, LOOPBIO

ZONE = "UTC"


def path_of(provider_id: str) -> str:
    return f"/v1/providers/{provider_id}/availability/stream"


@contextmanager
def watching(
    clinic: Clinic, provider_id: str, day: date, *, token: str | None = None, **more: Any
) -> Iterator[Stream]:
    wanted = {"brand_id": LOOP, "day": day, "time_zone": ZONE, **more}
    base_url = str(clinic.http.base_url)
    token = token or clinic.world.staff
    with streaming(base_url, path_of(provider_id), token, **wanted) as stream:
        assert stream.status == 200, stream.head
        yield stream


def starts_in(stream: Stream) -> list[str]:
    """When the times of the next message begin."""
    return [each["start_time"] for each in stream.next().data["times"]]


def day_of(clinic: Clinic) -> datetime:
    return clinic.world.at(0, days=40)


def test_the_open_times_come_at_once_and_again_when_one_is_booked(clinic: Clinic) -> None:
    provider_id, day = clinic.provider(), day_of(clinic)
    nine, ten = day + timedelta(hours=9), day + timedelta(hours=10)
    slot_id = clinic.slot(nine, provider_id=provider_id)
    clinic.slot(ten, provider_id=provider_id)
    with watching(clinic, provider_id, day.date()) as stream:
        first = stream.next()
        visit = clinic.visit(slot_id)
        booked = starts_in(stream)
        clinic.post(f"/v1/visits/{visit['id']}/cancel")
        cancelled = starts_in(stream)

    half_hour = timedelta(minutes=30)
    assert first.fields["event"] == "availability"
    assert first.data == {
        "provider_id": provider_id,
        "day": day.date().isoformat(),
        "time_zone": ZONE,
        "times": [{"start_time": said(t), "end_time": said(t + half_hour)} for t in (nine, ten)],
    }
    assert booked == [said(ten)]
    assert cancelled == [said(nine), said(ten)]


def test_a_visit_of_another_brand_takes_the_time_and_nobody_says_whose_it_is(
    clinic: Clinic,
) -> None:
    person, day = clinic.provider(LOOP, LOOPBIO), day_of(clinic)
    clinic.slot(day + timedelta(hours=9), provider_id=person)
    theirs = clinic.slot(day + timedelta(hours=9), provider_id=person, brand_id=LOOPBIO)
    with watching(clinic, person, day.date()) as stream:
        before = starts_in(stream)
        wanted = clinic.world.book(theirs, brand_id=LOOPBIO, patient_id="pat_eve")
        clinic.post("/v1/visits", wanted, token=clinic.world.platform)
        after = stream.next().data

    assert len(before) == 1
    assert after["times"] == []
    assert set(after) == {"provider_id", "day", "time_zone", "times"}


def test_a_hold_and_a_slot_that_goes_are_seen_too(clinic: Clinic) -> None:
    provider_id, day = clinic.provider(), day_of(clinic)
    slots = [clinic.slot(day + timedelta(hours=n), provider_id=provider_id) for n in (9, 10)]
    patient = clinic.patient()
    with watching(clinic, provider_id, day.date(), token=patient.token) as stream:
        before = starts_in(stream)
        clinic.hold(slots[0])
        held = starts_in(stream)
        clinic.call("DELETE", f"/v1/providers/{provider_id}/slots/{slots[1]}")
        gone = starts_in(stream)

    assert (len(before), len(held), len(gone)) == (2, 1, 0)


def test_the_day_is_that_of_the_zone(clinic: Clinic) -> None:
    provider_id, day = clinic.provider(), day_of(clinic)
    clinic.slot(day + timedelta(hours=23), provider_id=provider_id)
    with (
        watching(clinic, provider_id, day.date(), time_zone="Asia/Tokyo") as same_date,
        watching(
            clinic, provider_id, day.date() + timedelta(days=1), time_zone="Asia/Tokyo"
        ) as next_date,
    ):
        assert starts_in(same_date) == []
        assert starts_in(next_date) == [said(day + timedelta(hours=23))]


def test_what_a_search_refuses_is_refused(clinic: Clinic) -> None:
    provider_id, day = clinic.provider(), day_of(clinic).date()
    good: dict[str, Any] = {"brand_id": LOOP, "day": day, "time_zone": ZONE}

    def asked(path: str, **changes: Any) -> Any:
        return clinic.get(path, **{**good, **changes})

    path = path_of(provider_id)
    refused(asked(path_of("prv_never")), 404, "not_found")
    refused(asked(path_of(clinic.provider(LOOPBIO))), 404, "not_found")
    refused(asked(path, brand_id=LOOPBIO), 404, "not_found")
    refused(asked(path, time_zone="Mars/Base"), 400, "validation_error", field="time_zone")
    refused(asked(path, day="tomorrow"), 400, "validation_error", field="day")
    clinic.visit_type()
    refused(asked(path, visit_type="never"), 400, "validation_error", field="visit_type")
