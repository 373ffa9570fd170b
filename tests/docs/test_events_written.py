"""What lies in the outbox and in the audit is what `domain/events.py` and the pages say."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec
import psycopg
import pytest

from bookwell.domain.events import EVENTS, data_of
from bookwell.domain.office_hours import Weekday
from clinic import Clinic

Events = Mapping[str, list[tuple[int, dict[str, object]]]]
# An import writes it; its own tests compare it.
WRITTEN_ELSEWHERE = {"booking.visit.imported.v1"}


def book(clinic: Clinic) -> str:
    body = clinic.world.book(clinic.slot())
    return str(clinic.post("/v1/visits", body).json()["id"])


def change(clinic: Clinic, visit_id: str, verb: str, body: object = None) -> None:
    assert clinic.post(f"/v1/visits/{visit_id}/{verb}", body).status_code == 200


@pytest.fixture(scope="module")
def written(clinic: Clinic) -> Events:
    """A day at the clinic in which everything happens; the events by type, with their sequence."""
    world = clinic.world
    moved, seen, missed = book(clinic), book(clinic), book(clinic)
    change(clinic, moved, "reschedule", {"new_slot_id": clinic.slot()})
    change(clinic, moved, "cancel", {"reason": "ill"})
    change(clinic, seen, "check-in")
    change(clinic, seen, "complete", {"notes": "well"})
    with clinic.clock_at(world.at(24 * 90)):
        change(clinic, missed, "no-show")
    offered = {
        "brand_id": "loop",
        "start_time": world.at(3).isoformat(),
        "end_time": (world.at(3) + timedelta(minutes=20, microseconds=5)).isoformat(),
    }
    slot = clinic.post("/v1/providers/prv_kim/slots", offered).json()
    assert clinic.call("DELETE", f"/v1/providers/prv_kim/slots/{slot['id']}").status_code == 200
    rule = {
        "weekday": Weekday.numbered(world.day.isoweekday()),
        "start_time": "09:00",
        "end_time": "10:00",
        "time_zone": "UTC",
        "duration_minutes": 30,
    }
    assert clinic.post("/v1/coaches/coach_jo/office-hours", rule).status_code == 201
    seat = {"slot_at": world.at(9).isoformat(), "patient_id": "pat_ada"}
    booking = clinic.post("/v1/coaches/coach_jo/bookings", seat).json()
    assert clinic.call("DELETE", f"/v1/bookings/{booking['id']}").status_code == 200
    found: dict[str, list[tuple[int, dict[str, object]]]] = {}
    for event_type, sequence, data in world.sql(
        "SELECT event_type, sequence, data FROM booking.event ORDER BY event_no"
    ):
        assert isinstance(sequence, int)
        assert isinstance(data, dict)
        found.setdefault(str(event_type), []).append((sequence, data))
    return found


def test_every_event_of_the_list_is_written_and_no_other(written: Events) -> None:
    assert set(written) == set(EVENTS) - WRITTEN_ELSEWHERE


@pytest.mark.parametrize("event_type", sorted(set(EVENTS) - WRITTEN_ELSEWHERE))
def test_an_event_written_in_sql_is_the_object_that_the_code_describes(
    written: Events, event_type: str
) -> None:
    for _, data in written[event_type]:
        fact = msgspec.convert(data, EVENTS[event_type])

        assert data_of(fact) == data


def test_the_events_of_each_thing_are_numbered_without_a_gap(
    clinic: Clinic, written: Events
) -> None:
    assert written

    numbered = clinic.world.sql(
        "SELECT entity_id, array_agg(sequence ORDER BY event_no), count(*)"
        " FROM booking.event GROUP BY entity_id"
    )

    assert [
        entity_id
        for entity_id, sequences, how_many in numbered
        if sequences != list(range(1, int(str(how_many)) + 1))
    ] == []


def test_a_visits_newest_event_bears_its_version(clinic: Clinic, written: Events) -> None:
    assert written

    versions = clinic.world.sql("SELECT visit_id, version FROM booking.visit ORDER BY 1")
    newest = clinic.world.sql(
        "SELECT entity_id, max(sequence) FROM booking.event"
        " WHERE event_type LIKE 'booking.visit.%' GROUP BY 1 ORDER BY 1"
    )

    assert len(versions) > 2
    assert newest == versions


def test_every_event_has_its_audit_row_of_the_same_transaction(
    clinic: Clinic, written: Events
) -> None:
    assert written

    alone = clinic.world.sql(
        "SELECT e.event_type, e.entity_id FROM booking.event AS e"
        " WHERE NOT EXISTS (SELECT FROM booking.audit AS a WHERE a.xmin = e.xmin"
        " AND a.entity_id = e.entity_id AND 'booking.' || a.event_type || '.v1' = e.event_type)"
    )

    assert alone == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE booking.audit SET actor_id = 'nobody'",
        "DELETE FROM booking.audit",
        "TRUNCATE booking.audit",
    ],
)
def test_nobody_changes_the_audit(clinic: Clinic, written: Events, statement: str) -> None:
    assert written
    before = clinic.world.sql("SELECT * FROM booking.audit ORDER BY id")

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        clinic.world.sql(statement)

    assert clinic.world.sql("SELECT * FROM booking.audit ORDER BY id") == before
