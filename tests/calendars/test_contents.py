"""What stands in a calendar, as it changes; and what never does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import icalendar
import pytest

from agenda import events_of, feed_of, fetched, path_of
from bookwell.domain.calendars import STATUS, WINDOW_AHEAD, WINDOW_BACK
from bookwell.domain.visits import VisitStatus
from clinic import Clinic, Patient
from commands import running
from envelope import ok
from world import LOOP, World

WORD = "nachtigall"


def event_of(clinic: Clinic, feed: dict[str, Any]) -> icalendar.Component:
    (event,) = events_of(clinic, feed)
    return event


def said(event: icalendar.Component) -> tuple[int, str, str]:
    """What of an event changes: its number, its status, and whether it takes time."""
    return int(event.decoded("SEQUENCE")), str(event["STATUS"]), str(event["TRANSP"])


def times(event: icalendar.Component) -> tuple[datetime, datetime]:
    return event.decoded("DTSTART"), event.decoded("DTEND")


def test_every_status_of_a_visit_is_one_of_a_calendar() -> None:
    assert set(STATUS) == set(VisitStatus)


def test_a_visit_keeps_its_uid_and_its_number_rises_with_every_change(clinic: Clinic) -> None:
    provider_id = clinic.provider()
    visit = clinic.visit(clinic.slot(provider_id=provider_id))
    path = f"/v1/visits/{visit['id']}"
    feed = feed_of(clinic, provider_id=provider_id)
    first = event_of(clinic, feed)
    moved = ok(
        clinic.post(f"{path}/reschedule", {"new_slot_id": clinic.slot(provider_id=provider_id)})
    )
    second = event_of(clinic, feed)
    ok(clinic.post(f"{path}/cancel"))
    third = event_of(clinic, feed)

    assert {str(event["UID"]) for event in (first, second, third)} == {f"{visit['id']}@bookwell"}
    assert said(first) == (0, "CONFIRMED", "OPAQUE")
    assert said(second) == (1, "CONFIRMED", "OPAQUE")
    assert said(third) == (2, "CANCELLED", "TRANSPARENT")
    for event in (second, third):
        assert times(event) == (
            datetime.fromisoformat(moved["start_time"]),
            datetime.fromisoformat(moved["end_time"]),
        )
    stamps = [event.decoded("DTSTAMP") for event in (first, second, third)]
    assert stamps == sorted(stamps)
    assert third.decoded("DTSTAMP") == third.decoded("LAST-MODIFIED") >= third.decoded("CREATED")


def test_a_visit_that_goes_to_another_provider_goes_to_their_calendar(clinic: Clinic) -> None:
    old, new = clinic.provider(), clinic.provider()
    visit = clinic.visit(clinic.slot(provider_id=old))
    feeds = [feed_of(clinic, provider_id=each) for each in (old, new)]

    ok(
        clinic.post(
            f"/v1/visits/{visit['id']}/reschedule", {"new_slot_id": clinic.slot(provider_id=new)}
        )
    )

    assert events_of(clinic, feeds[0]) == []
    assert said(event_of(clinic, feeds[1])) == (1, "CONFIRMED", "OPAQUE")


def test_what_took_place_stays_as_it_was(clinic: Clinic) -> None:
    provider_id = clinic.provider()
    visit = clinic.visit(clinic.slot(provider_id=provider_id))
    feed = feed_of(clinic, provider_id=provider_id)

    ok(clinic.post(f"/v1/visits/{visit['id']}/check-in"))
    ok(clinic.post(f"/v1/visits/{visit['id']}/complete"))

    assert said(event_of(clinic, feed)) == (2, "CONFIRMED", "OPAQUE")


def test_a_hold_is_in_no_feed_and_tentative_in_its_own_file(clinic: Clinic) -> None:
    provider_id, patient = clinic.provider(), clinic.patient()
    slot_id = clinic.slot(provider_id=provider_id)
    hold = clinic.hold(slot_id, patient_id=patient.patient_id)
    feeds = [
        feed_of(clinic, provider_id=provider_id),
        feed_of(clinic, patient_id=patient.patient_id),
    ]

    file = clinic.get(f"/v1/visits/{hold['id']}/calendar.ics", token=patient.token)

    (event,) = icalendar.Calendar.from_ical(file.content).walk("VEVENT")
    assert said(event) == (0, "TENTATIVE", "OPAQUE")
    assert [events_of(clinic, feed) for feed in feeds] == [[], []]
    clinic.world.sql(
        "UPDATE booking.visit SET hold_expires_at = booking.now() WHERE visit_id = %s", hold["id"]
    )
    expired = clinic.get(f"/v1/visits/{hold['id']}/calendar.ics", token=patient.token)
    (event,) = icalendar.Calendar.from_ical(expired.content).walk("VEVENT")
    assert said(event) == (1, "CANCELLED", "TRANSPARENT")
    assert [events_of(clinic, feed) for feed in feeds] == [[], []]


def test_a_coachs_session_counts_its_seats_and_is_cancelled_when_it_is_empty(
    clinic: Clinic,
) -> None:
    coach_id = clinic.provider(kind="coach")
    clinic.office_hour(coach_id, capacity=3)
    feed = feed_of(clinic, coach_id=coach_id)
    assert events_of(clinic, feed) == []
    told = []
    taken = []
    for _ in range(2):
        patient = clinic.patient()
        taken.append((clinic.seat(patient, coach_id), patient))
        told.append(event_of(clinic, feed))
    for booking, patient in taken:
        ok(clinic.call("DELETE", f"/v1/bookings/{booking['id']}", token=patient.token))
        told.append(event_of(clinic, feed))
    clinic.seat(taken[0][1], coach_id)
    told.append(event_of(clinic, feed))

    assert len({str(event["UID"]) for event in told}) == 1
    assert [said(event)[:2] for event in told] == [
        (0, "CONFIRMED"),
        (1, "CONFIRMED"),
        (2, "CONFIRMED"),
        (3, "CANCELLED"),
        (4, "CONFIRMED"),
    ]
    seats = [str(event["DESCRIPTION"]) for event in told]
    assert seats == [f"Seats taken: {taken} of 3" for taken in (1, 2, 1, 0, 1)]
    starts_at = datetime.fromisoformat(taken[0][0]["slot_at"])
    assert {times(event) for event in told} == {(starts_at, starts_at + timedelta(minutes=30))}
    assert {str(event["SUMMARY"]) for event in told} == {"Office hour (Loop)"}


def test_a_patients_calendar_has_their_visits_and_their_seats(clinic: Clinic) -> None:
    patient, other = clinic.patient(), clinic.patient()
    visit = clinic.visit(patient_id=patient.patient_id)
    clinic.visit(patient_id=other.patient_id)
    seat = clinic.seat(patient)
    clinic.seat(other)
    feed = feed_of(clinic, patient.token, patient_id=patient.patient_id)

    before = {str(event["UID"]): said(event) for event in events_of(clinic, feed)}
    ok(clinic.call("DELETE", f"/v1/bookings/{seat['id']}", token=patient.token))
    after = {str(event["UID"]): said(event) for event in events_of(clinic, feed)}

    of_visit, of_seat = f"{visit['id']}@bookwell", f"{seat['id']}@bookwell"
    assert before == {
        of_visit: (0, "CONFIRMED", "OPAQUE"),
        of_seat: (0, "CONFIRMED", "OPAQUE"),
    }
    assert after == {**before, of_seat: (1, "CANCELLED", "TRANSPARENT")}


@pytest.mark.parametrize(
    ("away", "shows"),
    [
        (WINDOW_AHEAD - timedelta(hours=2), True),
        (WINDOW_AHEAD + timedelta(hours=2), False),
        (timedelta(hours=2) - WINDOW_BACK, True),
        (timedelta(hours=-2) - WINDOW_BACK, False),
    ],
)
@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_calendar_goes_so_far_back_and_so_far_ahead(
    clinic: Clinic, away: timedelta, shows: bool, is_cancelled: bool
) -> None:
    patient, provider_id = clinic.patient(), clinic.provider()
    slot_id = clinic.slot(provider_id=provider_id)
    visit = clinic.visit(slot_id, patient_id=patient.patient_id)
    if is_cancelled:
        ok(clinic.post(f"/v1/visits/{visit['id']}/cancel"))
    starts_at = datetime.now(UTC) + away
    clinic.world.sql(
        "UPDATE booking.visit SET starts_at = %s, ends_at = %s, taken_from = NULL,"
        " taken_until = NULL WHERE visit_id = %s",
        starts_at,
        starts_at + timedelta(minutes=30),
        visit["id"],
    )

    for owner in ({"provider_id": provider_id}, {"patient_id": patient.patient_id}):
        assert len(events_of(clinic, feed_of(clinic, **owner))) == shows


# ---------------------------------------------------------------------------- what is not in it


def test_nothing_that_somebody_wrote_and_nobody_elses_name_is_in_a_calendar(
    clinic: Clinic,
) -> None:
    provider_id = clinic.provider()
    patient = clinic.patient()
    words = {name: f"{WORD} {name}" for name in ("visit_type", "reason", "notes")}
    slots = [clinic.slot(provider_id=provider_id) for _ in range(2)]
    visits = [clinic.visit(slot, patient_id=patient.patient_id, **words) for slot in slots]
    ok(clinic.post(f"/v1/visits/{visits[0]['id']}/cancel", {"reason": WORD}))
    ok(clinic.post(f"/v1/visits/{visits[1]['id']}/complete", {"notes": WORD}))
    clinic.world.sql("UPDATE booking.affiliation SET name = %s WHERE name = 'N. N.'", WORD)
    coach_id = _seat_with_notes(clinic, patient)
    feeds = [
        feed_of(clinic, provider_id=provider_id),
        feed_of(clinic, patient_id=patient.patient_id),
        feed_of(clinic, coach_id=coach_id),
    ]

    texts = [fetched(clinic, feed).text for feed in feeds]
    texts += [clinic.get(f"/v1/visits/{each['id']}/calendar.ics").text for each in visits]

    assert [text.count("BEGIN:VEVENT") for text in texts] == [2, 3, 1, 1, 1]
    for text in texts:
        unfolded = text.replace("\r\n ", "").lower()
        for word in (WORD, provider_id, coach_id, patient.patient_id, "slt_", "organizer"):
            assert word not in unfolded
        assert unfolded.count("class:private") == unfolded.count("begin:vevent")
        assert "method:" not in unfolded
        assert "refresh-interval;value=duration:pt15m" in unfolded
        assert "x-published-ttl:pt15m" in unfolded


def _seat_with_notes(clinic: Clinic, patient: Patient) -> str:
    coach_id = clinic.provider(kind="coach")
    clinic.office_hour(coach_id)
    body = {"slot_at": clinic.next_session(coach_id), "notes": WORD}
    ok(clinic.post(f"/v1/coaches/{coach_id}/bookings", body, token=patient.token), 201)
    return coach_id


def test_no_address_is_in_any_log(tmp_path: Path, world: World) -> None:
    """Of a service that says all it can say, to those who come right, wrong and too late."""
    arguments = ("serve", "--port", "0", "--database-url", world.database_url)
    with running(tmp_path, *arguments, BOOKWELL_LOG_LEVEL="debug") as service:
        with httpx.Client(base_url=service.address(), timeout=30, trust_env=False) as http:
            clinic = Clinic(world, http)
            feed = feed_of(clinic, provider_id="prv_kim")
            path = path_of(feed)
            answers = [fetched(clinic, feed), http.head(path), http.post(path)]
            rotated = ok(clinic.post(f"/v1/calendar-feeds/{feed['id']}/rotate"))
            answers += [fetched(clinic, feed), fetched(clinic, rotated)]
            world.sql("ALTER TABLE booking.visit RENAME COLUMN version TO versions")
            answers.append(fetched(clinic, rotated))
        assert service.end() == 0
    log = service.err + service.out

    assert [answer.status_code for answer in answers] == [200, 200, 405, 404, 200, 500]
    assert log.count('"route":"/calendars/{file}"') >= 5
    assert '"event":"internal_error"' in log
    for each in (feed, rotated):
        secret = path_of(each).removeprefix("/calendars/").removesuffix(".ics")
        assert secret not in log
        assert clinic_hash(world, each) not in log


def clinic_hash(world: World, feed: dict[str, Any]) -> str:
    """The hash that is kept of the feed's address."""
    ((kept,),) = world.sql(
        "SELECT encode(secret_hash, 'hex') FROM booking.calendar_feed"
        " WHERE brand_id = %s AND feed_id = %s",
        LOOP,
        feed["id"],
    )
    return str(kept)
