"""What a change leaves behind: one event, one audit row and its key, in the one transaction.

The events that statements write in SQL and those that Python writes are held against the same
Structs of `domain/events.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from bookwell.domain.events import EVENTS
from bookwell.domain.visits import VisitStatus
from clinic import Clinic
from envelope import ok
from leavings import JOURNAL, TABLES
from operations import OPERATIONS, PREPARE, Call, make
from world import LOOP

CHANGES = [name for name, operation in OPERATIONS.items() if operation.is_change]


@dataclass(frozen=True)
class Journal:
    """The rows that were added to each table while something happened."""

    events: list[dict[str, Any]]
    audit: list[dict[str, Any]]
    keys: list[dict[str, Any]]

    def without(self, entity_type: str | None) -> "Journal":
        """The rows but those of things of this type."""
        things = {row["entity_id"] for row in self.audit if row["entity_type"] == entity_type}
        events, audit = (
            [row for row in rows if row["entity_id"] not in things]
            for rows in (self.events, self.audit)
        )
        return Journal(events, audit, self.keys)

    @property
    def is_empty(self) -> bool:
        return not (self.events or self.audit or self.keys)


class Watch:
    """What the journal's tables hold, beyond what they held when the watch began."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._seen = self._everything()

    def news(self) -> Journal:
        now = self._everything()
        events, audit, keys = (
            [row for row in rows if row not in seen]
            for rows, seen in zip(now, self._seen, strict=True)
        )
        return Journal(events, audit, keys)

    def _everything(self) -> tuple[list[dict[str, Any]], ...]:
        return tuple(
            _rows(self._clinic, query)
            for query in (
                "SELECT xmin::text, e.* FROM booking.event AS e ORDER BY event_no",
                "SELECT xmin::text, a.* FROM booking.audit AS a ORDER BY id",
                "SELECT xmin::text, i.* FROM booking.idempotency AS i ORDER BY key",
            )
        )


def _rows(clinic: Clinic, query: str) -> list[dict[str, Any]]:
    with (
        psycopg.connect(clinic.world.database_url) as connection,
        connection.cursor(row_factory=psycopg.rows.dict_row) as cursor,
    ):
        return cursor.execute(query.encode()).fetchall()


@dataclass(frozen=True)
class Done:
    """An operation that succeeded: its call, its answer, and what it left."""

    call: Call
    answer: httpx.Response
    left: Journal

    @property
    def answered(self) -> dict[str, Any]:
        """The thing as the answer has it; of a series, its only one."""
        body: dict[str, Any] = self.answer.json()
        if "slots" in body:
            (body,) = body["slots"]
        return body


def do(clinic: Clinic, operation_id: str) -> Done:
    """Make the operation's good call, with a key and a name of its own."""
    call = PREPARE[operation_id](clinic)
    watch = Watch(clinic)
    answer = make(
        clinic, operation_id, call, Idempotency_Key=clinic.new_id("key"), X_Request_Id="named"
    )
    assert answer.status_code < 300, answer.text
    return Done(call, answer, watch.news().without(JOURNAL[operation_id].also))


@pytest.fixture(autouse=True)
def _unnumbered(clinic: Clinic) -> Iterator[None]:
    """No event gets its place in the log meanwhile: who wrote a row is told by its `xmin`."""
    with clinic.unnumbered():
        yield


def test_every_change_has_its_place_in_the_journal() -> None:
    told = {leaves.event for leaves in JOURNAL.values() if leaves.event is not None}

    assert set(JOURNAL) == set(CHANGES)
    verbs = ("imported", "expired", "left_for_staff", "reminder_due")
    elsewhere = {f"booking.visit.{verb}.v1" for verb in verbs}
    assert told | elsewhere == set(EVENTS), "those four are tried where they live"


@pytest.mark.parametrize("operation_id", CHANGES)
def test_a_change_leaves_one_audit_row_at_most_one_event_and_its_key(
    clinic: Clinic, operation_id: str
) -> None:
    expected = JOURNAL[operation_id]

    done = do(clinic, operation_id)

    assert [row["event_type"] for row in done.left.audit] == [expected.audited]
    assert [row["event_type"] for row in done.left.events] == (
        [expected.event] if expected.event else []
    )
    assert [row["outcome"] for row in done.left.keys] == ["done"]


@pytest.mark.parametrize("operation_id", CHANGES)
def test_a_change_and_what_it_leaves_are_one_transaction(clinic: Clinic, operation_id: str) -> None:
    done = do(clinic, operation_id)

    (audit,) = done.left.audit
    table, column = TABLES[audit["entity_type"]]
    things = clinic.world.sql(
        f"SELECT xmin::text FROM booking.{table} WHERE {column} = %s",  # noqa: S608 - our own names
        audit["entity_id"],
    )
    transactions = {row["xmin"] for row in (*done.left.events, audit, *done.left.keys)}
    assert transactions == {audit["xmin"]}
    if not JOURNAL[operation_id].is_left_alone:
        assert things == ([] if JOURNAL[operation_id].is_gone else [(audit["xmin"],)])


@pytest.mark.parametrize(
    "operation_id", [name for name, leaves in JOURNAL.items() if leaves.event is not None]
)
def test_an_event_is_its_struct_key_by_key_and_value_by_value(
    clinic: Clinic, operation_id: str
) -> None:
    done = do(clinic, operation_id)

    (event,) = done.left.events
    struct = EVENTS[event["event_type"]]
    assert list(struct.__struct_fields__) == sorted(
        event["data"], key=struct.__struct_fields__.index
    ), "exactly these keys"
    assert msgspec.to_builtins(msgspec.convert(event["data"], struct)) == event["data"]
    assert event["event_id"].startswith("evt_")
    assert event["brand_id"] == event["data"]["brand_id"] == LOOP
    assert event["entity_id"] == done.left.audit[0]["entity_id"]
    assert event["entity_id"] in event["data"].values()
    assert event["occurred_at"] == done.left.audit[0]["occurred_at"]


@pytest.mark.parametrize(
    "operation_id", [name for name, leaves in JOURNAL.items() if leaves.event is not None]
)
def test_an_event_says_what_the_answer_says(clinic: Clinic, operation_id: str) -> None:
    """By other names in places: a visit's `start_time` is its event's `slot_start`."""
    done = do(clinic, operation_id)

    (event,) = done.left.events
    told, answered = event["data"], done.answered
    also_called = {
        "slot_start": "start_time",
        "slot_end": "end_time",
        "new_slot_start": "start_time",
        "new_slot_end": "end_time",
    }
    if operation_id == "confirm_visit":
        # The visit was there as a hold before; booked it is since now.
        also_called["created_at"] = "updated_at"
    for name, value in told.items():
        answered_as = also_called.get(name, name)
        if answered_as in answered:
            assert answered[answered_as] == value, name
    moments = {name for name in told if name.endswith("_at")} - {"slot_at", "hold_expires_at"}
    assert len(moments) == (0 if operation_id == "hold_slot" else 1)
    for moment in moments:
        told_at = datetime.fromisoformat(told[moment])
        assert told_at == event["occurred_at"], "when it happened is when it was written"


@pytest.mark.parametrize("operation_id", CHANGES)
def test_an_audit_row_says_who_did_what_to_what(clinic: Clinic, operation_id: str) -> None:
    expected = JOURNAL[operation_id]

    done = do(clinic, operation_id)

    (audit,) = done.left.audit
    ((role, subject, brand_id),) = clinic.world.sql(
        "SELECT role, subject, nullif(brand_id, '*') FROM booking.token"
        " WHERE token_hash = sha256(%s::bytea)",
        done.call.token,
    )
    del audit["xmin"]
    details, occurred_at = audit.pop("details"), audit.pop("occurred_at")
    assert audit == {
        "id": audit["id"],
        "actor_type": "service" if role == "service" else "user",
        "actor_id": subject,
        "actor_brand_id": brand_id,
        "event_type": expected.audited,
        "entity_type": expected.entity_type,
        "entity_id": done.call.entity_id or done.answered["id"],
        "brand_id": done.call.entity_id if operation_id == "add_brand" else LOOP,
        "request_id": "named",
    }
    ((now,),) = clinic.world.sql("SELECT booking.now()")
    assert isinstance(now, datetime)
    assert timedelta(0) <= now - occurred_at < timedelta(minutes=1)
    assert set(leaves_of(details)) <= {"str", "int", "bool"}, "ids, statuses, counts, yes or no"


def leaves_of(value: Any) -> Iterator[str]:
    """The kinds of value in a piece of JSON."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from leaves_of(each)
    else:
        yield type(value).__name__


@pytest.mark.parametrize("operation_id", CHANGES)
def test_a_refused_change_leaves_nothing_but_its_key(clinic: Clinic, operation_id: str) -> None:
    call = refused_call(clinic, operation_id)
    watch = Watch(clinic)

    unkeyed = make(clinic, operation_id, call)
    assert 400 <= unkeyed.status_code < 500, unkeyed.text
    assert watch.news().is_empty
    keyed = make(clinic, operation_id, call, Idempotency_Key=clinic.new_id("key"))

    assert keyed.status_code == unkeyed.status_code
    left = watch.news()
    assert left.events == []
    assert left.audit == []
    assert "done" not in [row["outcome"] for row in left.keys]


REPEATABLE = {
    "add_schedule",
    "change_schedule",
    "add_time_off",
    "open_disruption",
    "choose_for_visit",
    "create_slot",
    "create_slots",
    "change_visit_type",
    "retire_visit_type",
    "set_visit_type_override",
    "add_licence",
    "change_licence",
    "set_patient_regions",
    "set_patient_time_zone",
    "rotate_calendar_feed",
    "change_webhook_endpoint",
    "delete_webhook_endpoint",
    "rotate_webhook_secret",
    "replay_events",
    "test_webhook_endpoint",
    "add_office_hour",
    "link_patient",
}


# What makes a good body one that is refused, where nothing else does.
SPOILT: dict[str, dict[str, Any]] = {
    "create_token": {"role": "king"},
    "set_reminder_rule": {"visit_type": "never"},
    "set_quiet_hours": {"end_time": "21:00"},
    "add_webhook_endpoint": {"event_types": ["booking.never.v1"]},
}


def refused_call(clinic: Clinic, operation_id: str) -> Call:
    """A call that was good and is not any more; what can be done again is asked of nobody."""
    call = PREPARE[operation_id](clinic)
    if operation_id in REPEATABLE:
        nobody = call.path.replace("prv_", "prv_never_").replace("coach_", "coach_never_")
        nobody = nobody.replace("pat_", "pat_never_").replace("dis_", "dis_never_")
        nobody = nobody.replace("visit-types/", "visit-types/never_").replace("cal_", "cal_never_")
        nobody = nobody.replace("whe_", "whe_never_")
        return Call(path=nobody, token=call.token, body=call.body)
    if operation_id == "create_calendar_feed":
        return Call(path=call.path, token=call.token, body={"provider_id": "prv_never"})
    if operation_id in SPOILT:
        body = {**(call.body or {}), **SPOILT[operation_id]}
        return Call(path=call.path, token=call.token, body=body)
    ok(make(clinic, operation_id, call), 201 if "201" in responses(operation_id) else 200)
    return call


def responses(operation_id: str) -> dict[str, Any]:
    found: dict[str, Any] = OPERATIONS[operation_id].spec["responses"]
    return found


def test_a_visits_events_are_numbered_without_a_gap_and_the_last_is_its_version(
    clinic: Clinic,
) -> None:
    visit = clinic.visit()
    path = f"/v1/visits/{visit['id']}"
    for _ in range(3):
        ok(clinic.post(f"{path}/reschedule", {"new_slot_id": clinic.slot()}))
        clinic.post(f"{path}/reschedule", {"new_slot_id": "slt_never"})  # refused: no number
        clinic.post(f"{path}/no-show")
    ok(clinic.post(f"{path}/check-in"))
    completed = ok(clinic.post(f"{path}/complete"))

    told = clinic.world.sql(
        "SELECT sequence, event_type FROM booking.event WHERE entity_id = %s ORDER BY event_no",
        visit["id"],
    )

    assert [number for number, _ in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1] == (completed["version"], "booking.visit.completed.v1")
    versions = clinic.world.sql(
        "SELECT (details ->> 'version')::int FROM booking.audit WHERE entity_id = %s ORDER BY id",
        visit["id"],
    )
    assert versions == [(1,), (2,), (3,), (4,), (5,), (6,)]


def test_a_seats_events_and_a_slots_are_numbered_too(clinic: Clinic) -> None:
    booking, slot = do(clinic, "cancel_booking"), do(clinic, "create_slot")
    slot_id = slot.answer.json()["id"]
    ok(clinic.call("DELETE", f"/v1/providers/prv_kim/slots/{slot_id}"))

    for entity_id in (booking.call.entity_id, slot_id):
        told = clinic.world.sql(
            "SELECT sequence FROM booking.event WHERE entity_id = %s ORDER BY event_no", entity_id
        )
        assert told == [(1,), (2,)]


def test_an_event_exists_for_every_status_a_request_can_lead_to() -> None:
    """The statement that changes a status makes the event's name of it."""
    led_to = {VisitStatus.CANCELLED, VisitStatus.CHECKED_IN, VisitStatus.COMPLETED}

    for status in led_to | {VisitStatus.NO_SHOW}:
        struct = EVENTS[f"booking.visit.{status}.v1"]
        assert f"{status}_at" in struct.__struct_fields__


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE booking.audit SET actor_id = 'nobody'",
        "UPDATE booking.audit SET actor_id = 'nobody' WHERE false",
        "DELETE FROM booking.audit",
        "TRUNCATE booking.audit",
    ],
)
def test_nobody_changes_the_audit_afterwards_not_even_its_owner(
    clinic: Clinic, statement: str
) -> None:
    clinic.visit()

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        clinic.world.sql(statement)

    assert clinic.world.sql("SELECT id FROM booking.audit WHERE actor_id = 'nobody'") == []


def test_a_change_that_cannot_be_audited_does_not_happen(clinic: Clinic) -> None:
    slot_id = clinic.slot()
    watch = Watch(clinic)
    clinic.world.sql("ALTER TABLE booking.audit ADD CONSTRAINT no_more CHECK (id < 0) NOT VALID")
    try:
        answer = clinic.post("/v1/visits", clinic.world.book(slot_id))
    finally:
        clinic.world.sql("ALTER TABLE booking.audit DROP CONSTRAINT no_more")

    assert answer.status_code == 500
    assert watch.news().is_empty
    assert clinic.world.sql("SELECT visit_id FROM booking.visit WHERE slot_id = %s", slot_id) == []
