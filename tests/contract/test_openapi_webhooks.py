"""Every event stands in the document, and what is in the log is as the document says."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from bookwell.domain.envelopes import CONTENT_TYPES, Format, LoggedEvent, written
from bookwell.domain.events import EVENTS
from clinic import Clinic
from envelope import ok
from operations import DOCUMENT, OPERATIONS, PREPARE, make

WEBHOOKS = DOCUMENT["webhooks"]
# What no single call brings about; each is compared with its Struct where it lives.
ELSEWHERE = {"booking.visit.imported.v1", "booking.visit.left_for_staff.v1"} | {
    event_type for event_type in EVENTS if "reminder" in event_type
}


def test_every_type_of_event_is_a_webhook_of_the_document() -> None:
    assert set(WEBHOOKS) == set(EVENTS)
    for event_type, fact in EVENTS.items():
        operation = WEBHOOKS[event_type]["post"]
        assert operation["description"] == (fact.__doc__ or "").strip()
        assert operation["security"] == []
        assert set(operation["requestBody"]["content"]) == set(CONTENT_TYPES.values())


@pytest.fixture(scope="module")
def events(clinic: Clinic) -> list[dict[str, Any]]:
    """The log after every operation was called well, and a hold ran out."""
    for operation_id, prepare in PREPARE.items():
        if OPERATIONS[operation_id].is_change:
            assert make(clinic, operation_id, prepare(clinic)).status_code < 300
    hold = clinic.hold()
    clinic.world.sql(
        "UPDATE booking.visit SET hold_expires_at = now() - interval '1 s' WHERE visit_id = %s",
        hold["id"],
    )
    deadline = time.monotonic() + 30
    while "booking.visit.expired.v1" not in {event["type"] for event in logged(clinic)}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return [*logged(clinic)]


def logged(clinic: Clinic) -> Iterator[dict[str, Any]]:
    after = 0
    while True:
        page = ok(clinic.get("/v1/events", after=after, limit=1000))
        yield from page["events"]
        after = page["next_after"]
        if "next_cursor" not in page:
            return


def test_what_happens_is_in_the_log_as_the_document_says(events: list[dict[str, Any]]) -> None:
    for event in events:
        judge(event["type"], Format.STANDARD).validate(event)
    assert {event["type"] for event in events} >= set(EVENTS) - ELSEWHERE


def test_the_same_event_is_a_cloud_event_as_the_document_says(events: list[dict[str, Any]]) -> None:
    for event in events:
        body = written(
            LoggedEvent(
                event_id=event["id"],
                event_type=event["type"],
                brand_id=event["brand_id"],
                entity_id="vis_1",
                sequence=event["sequence"],
                position=event["position"],
                occurred_at=datetime.fromisoformat(event["occurred_at"]),
                data=msgspec.Raw(msgspec.json.encode(event["data"])),
            ),
            Format.CLOUDEVENTS,
        )
        judge(event["type"], Format.CLOUDEVENTS).validate(msgspec.json.decode(body))


@pytest.mark.parametrize(
    "spoilt",
    [
        {"type": "booking.visit.held.v1"},
        {"position": 0},
        {"sequence": None},
        {"occurred_at": "yesterday"},
        {"data": {}},
    ],
)
def test_an_event_that_is_not_as_the_document_says_is_found(
    events: list[dict[str, Any]], spoilt: dict[str, Any]
) -> None:
    event = next(each for each in events if each["type"] == "booking.visit.created.v1")

    assert judge(event["type"], Format.STANDARD).is_valid(event)
    assert not judge(event["type"], Format.STANDARD).is_valid({**event, **spoilt})


def judge(event_type: str, form: Format) -> jsonschema_rs.Draft202012Validator:
    content = WEBHOOKS[event_type]["post"]["requestBody"]["content"][CONTENT_TYPES[form]]
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
