"""An event as others get it: one that reads it back has lost nothing, and CloudEvents are valid.

Source of the schema: CloudEvents 1.0.2, sections 3 (attributes) and its JSON format, 3.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bookwell.domain.envelopes import EventBody, Format, LoggedEvent, written

BIGINT_MAX = 2**63 - 1
INTEGER_MAX = 2**31 - 1
CLOUD_EVENT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["id", "source", "specversion", "type"],
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
        "specversion": {"const": "1.0"},
        "type": {"type": "string", "minLength": 1},
        "datacontenttype": {"type": "string", "pattern": "^[a-z]+/[a-z0-9.+-]+$"},
        "subject": {"type": "string", "minLength": 1},
        "time": {"type": "string", "format": "date-time"},
        "sequence": {"type": "string", "minLength": 1},
        "data": {"type": "object"},
    },
    # Of an extension: letters and digits, and a value that is no object and no list.
    "propertyNames": {"pattern": "^[a-z0-9]{1,20}$"},
    "additionalProperties": {"type": ["string", "integer", "boolean"]},
}
JUDGE = jsonschema_rs.Draft202012Validator(CLOUD_EVENT, validate_formats=True)

_ids = st.from_regex(r"[A-Za-z0-9_]{1,40}", fullmatch=True)
_values = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.text(max_size=40)
events = st.builds(
    LoggedEvent,
    event_id=_ids,
    event_type=st.from_regex(r"booking\.[a-z_]{1,20}\.[a-z_]{1,20}\.v1", fullmatch=True),
    brand_id=st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True),
    entity_id=_ids,
    sequence=st.integers(1, INTEGER_MAX),
    position=st.integers(1, BIGINT_MAX),
    occurred_at=st.datetimes(
        datetime(2020, 1, 1),  # noqa: DTZ001 - the zone is the strategy's
        datetime(2100, 1, 1),  # noqa: DTZ001 - as above
        timezones=st.just(UTC),
    ),
    data=st.dictionaries(_ids, _values, max_size=6).map(
        lambda data: msgspec.Raw(msgspec.json.encode(data))
    ),
)


def read_cloud_event(body: bytes) -> LoggedEvent:
    found: dict[str, Any] = json.loads(body)
    return LoggedEvent(
        event_id=found["id"],
        event_type=found["type"],
        brand_id=found["brandid"],
        entity_id=found["subject"],
        sequence=found["entitysequence"],
        position=int(found["sequence"]),
        occurred_at=datetime.fromisoformat(found["time"]),
        data=msgspec.Raw(msgspec.json.encode(found["data"])),
    )


def plain(event: LoggedEvent) -> tuple[object, ...]:
    """The event with its data as values, because the same JSON can be written in two ways."""
    named = msgspec.structs.asdict(event)
    return (json.loads(bytes(named.pop("data"))), named)


@given(events)
def test_a_cloud_event_is_valid_and_loses_nothing(event: LoggedEvent) -> None:
    body = written(event, Format.CLOUDEVENTS)

    JUDGE.validate(json.loads(body))
    assert plain(read_cloud_event(body)) == plain(event)


@given(events)
def test_a_body_of_our_own_loses_nothing(event: LoggedEvent) -> None:
    body = msgspec.json.decode(written(event, Format.STANDARD), type=EventBody)

    assert (body.id, body.type, body.brand_id) == (
        event.event_id,
        event.event_type,
        event.brand_id,
    )
    assert (body.sequence, body.position) == (event.sequence, event.position)
    assert body.occurred_at == event.occurred_at
    assert body.data == json.loads(bytes(event.data))


@given(events, events)
def test_cloud_events_of_a_brand_sort_as_strings_in_the_order_of_its_log(
    one: LoggedEvent, other: LoggedEvent
) -> None:
    first, second = (
        json.loads(written(each, Format.CLOUDEVENTS))["sequence"] for each in (one, other)
    )

    assert (first < second) == (one.position < other.position)


@given(events)
def test_the_same_event_is_written_byte_for_byte_the_same(event: LoggedEvent) -> None:
    for form in Format:
        assert written(event, form) == written(msgspec.structs.replace(event), form)


def test_the_time_of_a_cloud_event_is_utc() -> None:
    event = LoggedEvent(
        event_id="evt_1",
        event_type="booking.visit.created.v1",
        brand_id="loop",
        entity_id="vis_1",
        sequence=1,
        position=10,
        occurred_at=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        data=msgspec.Raw(b'{"visit_id":"vis_1"}'),
    )

    body = json.loads(written(event, Format.CLOUDEVENTS))

    assert body["time"] == "2026-11-22T09:30:00Z"
    assert re.fullmatch(r"/brands/[a-z0-9-]+", body["source"])
    assert (body["sequence"], body["entitysequence"]) == ("0000000000000000010", 1)
