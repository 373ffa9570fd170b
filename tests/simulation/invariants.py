"""What must be so after every step: asked of the database, and compared with the book."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from simulation.book import Book, OfficeHour, Visit, differences, read, said
from simulation.calls import ADA, EVE, STAFF, STAFF_BIO, Person
from simulation.services import Connection, Service

# Short enough that listing what a simulation makes takes several pages.
_PAGE = 40
_SESSIONS_AHEAD = timedelta(hours=4)

# For others a confirmed hold is a visit like one that was booked at once.
_TOLD_AS = {"visit.confirmed": "visit.created"}

# Holds past their time take none, whether or not anybody wrote it down.
_OVERLAPS = """
WITH taking AS (
    SELECT visit_id, provider_no, starts_at, ends_at
    FROM booking.visit
    WHERE status IN ('booked', 'checked_in')
        OR (status = 'held' AND hold_expires_at > booking.now()))
SELECT a.visit_id, b.visit_id AS other_id
FROM taking AS a
JOIN taking AS b USING (provider_no)
WHERE a.visit_id < b.visit_id AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
"""

_SEATS_WRONG = """
SELECT s.office_hour_id, s.starts_at, s.capacity, s.seats_taken, count(b.booking_id) AS seats
FROM booking.office_hour_session AS s
LEFT JOIN booking.office_hour_booking AS b
    ON b.office_hour_id = s.office_hour_id AND b.slot_at = s.starts_at AND b.status = 'booked'
GROUP BY s.office_hour_id, s.starts_at
HAVING s.seats_taken <> count(b.booking_id) OR count(b.booking_id) > s.capacity
"""

_COACH_TWICE = """
SELECT a.office_hour_id, b.office_hour_id AS other_id
FROM booking.office_hour_session AS a
JOIN booking.office_hour_session AS b USING (provider_no)
WHERE (a.office_hour_id, a.starts_at) < (b.office_hour_id, b.starts_at)
    AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
    AND a.seats_taken > 0 AND b.seats_taken > 0
"""

_VISITS = """
SELECT v.visit_id, v.brand_id, v.patient_id, p.provider_id, v.slot_id, v.starts_at, v.ends_at,
       v.status, v.version
FROM booking.visit AS v
JOIN booking.provider AS p USING (provider_no)
"""

_SLOTS = """
SELECT s.slot_id, s.brand_id, p.provider_id, s.starts_at, s.ends_at,
       s.deleted_at IS NOT NULL AS is_deleted
FROM booking.slot AS s
JOIN booking.provider AS p USING (provider_no)
"""

_SEATS = """
SELECT booking_id, brand_id, patient_id, slot_at, status, version FROM booking.office_hour_booking
"""

_EVENTS = """
SELECT entity_id, array_agg(sequence ORDER BY event_no) AS numbers,
       array_agg(event_type ORDER BY event_no) AS types
FROM booking.event
GROUP BY entity_id
"""

_AUDIT = """
SELECT entity_id, array_agg(event_type ORDER BY id) AS types FROM booking.audit GROUP BY entity_id
"""


async def check(database: Connection, book: Book) -> None:
    """Every promise about what is stored.

    Raises:
        AssertionError: One of them is broken; the message says which, and by what.
    """
    # One picture: the services' own chores go on writing that holds have expired.
    async with database.transaction(isolation="repeatable_read", readonly=True):
        await _check_stored(database, book)


async def _check_stored(database: Connection, book: Book) -> None:
    for promise, broken in [
        ("no two visits take one provider's time", _OVERLAPS),
        ("the seats taken are those of the bookings, and within capacity", _SEATS_WRONG),
        ("no coach sits in two sessions at once", _COACH_TWICE),
    ]:
        found = [dict(row) for row in await database.fetch(broken)]
        assert not found, f"{promise}: {found}"
    written = await _visits_are_those_of(database, book)
    await _slots_are_those_of(database, book)
    await _seats_are_those_of(database, book)
    await _journal_is_whole(database, book, written)


async def _visits_are_those_of(database: Connection, book: Book) -> dict[str, Visit]:
    """Compare them, and return each as far as it is written down: a past hold may still be held."""
    rows = {row["visit_id"]: dict(row) for row in await database.fetch(_VISITS)}
    _same_ids("visits", rows, book.visits)
    written = {}
    for visit_id, row in rows.items():
        now = book.visits[visit_id].seen_at(book.now)
        kept = book.visits[visit_id] if row["status"] == "held" else now
        written[visit_id] = kept
        wanted = {name: getattr(kept, name) for name in row}
        _same(f"visit {visit_id}", row, wanted)
    return written


async def _slots_are_those_of(database: Connection, book: Book) -> None:
    rows = {row["slot_id"]: dict(row) for row in await database.fetch(_SLOTS)}
    _same_ids("slots", rows, book.slots)
    for slot_id, row in rows.items():
        slot = book.slots[slot_id]
        _same(f"slot {slot_id}", row, {name: getattr(slot, name) for name in row})


async def _seats_are_those_of(database: Connection, book: Book) -> None:
    rows = {row["booking_id"]: dict(row) for row in await database.fetch(_SEATS)}
    _same_ids("office-hour bookings", rows, book.seats)
    for booking_id, row in rows.items():
        seat = book.seats[booking_id]
        wanted = {
            "brand_id": seat.brand_id,
            "patient_id": seat.patient_id,
            "slot_at": seat.slot_at,
            "status": seat.status,
            "version": len(seat.facts),
        }
        _same(f"booking {booking_id}", row, wanted)


async def _journal_is_whole(database: Connection, book: Book, visits: Mapping[str, Visit]) -> None:
    """Each change has one event and one audit row, numbered from 1 without a gap."""
    events = {row["entity_id"]: row for row in await database.fetch(_EVENTS)}
    audited = {row["entity_id"]: row["types"] for row in await database.fetch(_AUDIT)}
    facts = {each.visit_id: each.facts for each in visits.values()}
    facts |= {each.slot_id: each.facts for each in book.slots.values()}
    facts |= {each.booking_id: each.facts for each in book.seats.values()}
    _same_ids("things with events", events, facts)
    _same_ids("things with audit rows", audited, facts)
    for entity_id, happened in facts.items():
        told = list(zip(events[entity_id]["numbers"], events[entity_id]["types"], strict=True))
        wanted = [(n, f"booking.{_TOLD_AS.get(f, f)}.v1") for n, f in enumerate(happened, 1)]
        assert told == wanted, f"events of {entity_id}: {told} instead of {wanted}"
        kept = audited[entity_id]
        assert kept == list(happened), f"audit of {entity_id}: {kept} instead of {happened}"


async def check_answers(service: Service, book: Book) -> None:
    """`booked` is true exactly where time is taken, in every list of slots ahead."""
    for provider_id, brands in book.providers.items():
        for brand_id in brands:
            who = STAFF if brand_id == "loop" else STAFF_BIO
            await _slots_say_what_is_taken(service, book, who, provider_id)


async def _slots_say_what_is_taken(
    service: Service, book: Book, who: Person, provider_id: str
) -> None:
    path = f"/v1/providers/{provider_id}/slots?brand_id={who.brand_id}&from={said(book.now)}"
    shown = {slot["id"]: slot["booked"] async for slot in _listed(service, who, path, "slots")}
    wanted = {
        slot.slot_id: book.is_taken(slot)
        for slot in book.slots.values()
        if not slot.is_deleted
        and (slot.brand_id, slot.provider_id) == (who.brand_id, provider_id)
        and slot.starts_at >= book.now
    }
    assert shown == wanted, f"booked of {provider_id}'s slots: {_differing(shown, wanted)}"


async def check_lists(service: Service, book: Book) -> None:
    """Lists of visits, of patients' bookings and of sessions with a seat left, page by page."""
    for who in (STAFF, STAFF_BIO):
        path = f"/v1/visits?brand_id={who.brand_id}"
        listed = [visit async for visit in _listed(service, who, path, "visits")]
        shown = {visit["id"]: (visit["status"], visit["version"]) for visit in listed}
        visits = [visit for visit in book.visits_now if visit.brand_id == who.brand_id]
        wanted = {visit.visit_id: (visit.status, visit.version) for visit in visits}
        assert shown == wanted, f"visits of {who.brand_id}: {_differing(shown, wanted)}"
        order = [(read(visit["start_time"]), visit["id"]) for visit in listed]
        assert order == sorted(order, reverse=True), "visits are listed newest slot first"
    for rule in book.office_hours:
        await _sessions_say_what_is_free(service, book, rule)
    for patient in (ADA, EVE):
        mine = {
            seat.booking_id: seat.status
            for seat in book.seats.values()
            if (seat.brand_id, seat.patient_id) == (patient.brand_id, patient.patient_id)
        }
        bookings = _listed(service, patient, "/v1/bookings/me?", "bookings")
        told = {booking["id"]: booking["status"] async for booking in bookings}
        assert told == mine, f"{patient.name}'s bookings: {_differing(told, mine)}"


async def _sessions_say_what_is_free(service: Service, book: Book, rule: OfficeHour) -> None:
    until = book.now + _SESSIONS_AHEAD
    path = f"/v1/coaches/{rule.coach_id}/slots?to={said(until)}"
    who = STAFF if rule.brand_id == "loop" else STAFF_BIO
    shown = {
        session["slot_at"]: session["seats_left"]
        async for session in _listed(service, who, path, "slots")
    }
    left = {
        slot_at: rule.capacity - len(book.seats_at(rule.coach_id, slot_at, rule.brand_id))
        for slot_at in rule.sessions(book.now)
        if slot_at < until and not book.coach_is_elsewhere(rule, slot_at)
    }
    wanted = {said(slot_at): seats for slot_at, seats in left.items() if seats > 0}
    assert shown == wanted, f"sessions of {rule.coach_id}: {_differing(shown, wanted)}"


async def _listed(
    service: Service, who: Person, path: str, plural: str
) -> AsyncIterator[dict[str, Any]]:
    """Everything of a list, page by page."""
    cursor = ""
    while True:
        headers = {"Authorization": f"Bearer {who.token}"}
        answer = await service.begin("GET", f"{path}&limit={_PAGE}{cursor}", headers)
        assert answer.status == 200, f"{path}: {answer}"
        for item in answer.body[plural]:
            yield item
        if not answer.body.get("next_cursor"):
            return
        cursor = f"&cursor={answer.body['next_cursor']}"


def _same_ids(what: str, shown: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    extra, missing = shown.keys() - wanted.keys(), wanted.keys() - shown.keys()
    assert not extra, f"{what} nobody was told of: {sorted(extra)}"
    assert not missing, f"{what} that are gone: {sorted(missing)}"


def _same(what: str, shown: Mapping[str, Any], wanted: Mapping[str, object]) -> None:
    wrong = list(differences(shown, wanted))
    assert not wrong, f"{what}: {'; '.join(wrong)}"


def _differing(shown: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    ids = sorted(shown.keys() | wanted.keys())
    return [
        f"{each}: {shown.get(each)} instead of {wanted.get(each)}"
        for each in ids
        if shown.get(each) != wanted.get(each)
    ]
