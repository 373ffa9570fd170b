"""The events in the OpenAPI document: each a webhook, with the whole body that a receiver gets."""

from datetime import datetime
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from bookwell.domain.envelopes import CLOUD_EVENTS_VERSION, CONTENT_TYPES, Format
from bookwell.domain.events import EVENTS

Node = dict[str, Any]

# What a delivery says beside its body.
HEADERS = {
    "webhook-id": "The event's `id`, the same at each attempt: to know it again by.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": (
        "`v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body` "
        "(Standard Webhooks 1.0); after a rotation two of them with a space between, one by the "
        "secret before."
    ),
    "X-Loop-Event-Id": "The event's `id`.",
    "X-Loop-Event-Type": "The event's `type`.",
    "X-Loop-Signature": "HMAC-SHA256 of the body as it stands, keyed by the whole secret, in hex.",
    "X-Loop-Delivery-Attempt": "1, 2, 3, …: which attempt this is; a replay begins anew.",
}
_ANSWERS = {
    "2XX": "Taken. Whatever else comes, the event is sent again later.",
    "410": "Never send anything here again: the endpoint is disabled.",
    "429": "Later; `Retry-After` is heeded.",
    "503": "Later; `Retry-After` is heeded.",
}
_ID: Node = {"type": "string", "minLength": 1}
_COUNT: Node = {"type": "integer", "minimum": 1}
_INSTANT: Node = {"type": "string", "format": "date-time"}
_OF_SCHEMAS = "#/components/schemas/"


def add_events(document: Node) -> Node:
    """The document with a webhook for each type of event."""
    schemas = dict(document["components"]["schemas"])
    schemas["CloudEvent"] = _cloud_event()
    webhooks = {}
    for event_type, fact in EVENTS.items():
        name = fact.__name__
        new = {name: _data(fact), f"{name}Event": _body(event_type, fact)}
        assert not new.keys() & schemas.keys(), "a fact is called as nothing else is"
        schemas.update(new)
        webhooks[event_type] = {"post": _operation(event_type, fact)}
    components = {**document["components"], "schemas": dict(sorted(schemas.items()))}
    return {**document, "webhooks": webhooks, "components": components}


def _operation(event_type: str, fact: type[Struct]) -> Node:
    schemas = {
        Format.STANDARD: _named(f"{fact.__name__}Event"),
        Format.CLOUDEVENTS: {
            **_named("CloudEvent"),
            "properties": {"type": {"const": event_type}, "data": _named(fact.__name__)},
        },
    }
    return {
        "operationId": f"receive_{event_type.replace('.', '_')}",
        "summary": event_type,
        "description": (fact.__doc__ or "").strip(),
        "tags": ["events"],
        # Who sends it is told by the signatures.
        "security": [],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "description": description,
                "schema": {"type": "string"},
                "required": True,
            }
            for name, description in HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {CONTENT_TYPES[form]: {"schema": schemas[form]} for form in Format},
        },
        "responses": {status: {"description": text} for status, text in _ANSWERS.items()},
    }


def _data(fact: type[Struct]) -> Node:
    schema: Node
    (schema,) = msgspec.json.schema_components([fact])[1].values()
    for name, hint in get_type_hints(fact).items():
        if hint is datetime:  # msgspec has a format only for what must have an offset
            schema["properties"][name] = _INSTANT
    return schema


def _body(event_type: str, fact: type[Struct]) -> Node:
    properties = {
        "id": _ID,
        "type": {"const": event_type},
        "occurred_at": _INSTANT,
        "brand_id": _ID,
        "sequence": _COUNT,
        "position": _COUNT,
        "data": _named(fact.__name__),
    }
    return _object(
        f"{fact.__name__}Event",
        "`position` counts the brand's events, `sequence` those of the thing it is about.",
        properties,
    )


def _cloud_event() -> Node:
    properties = {
        "specversion": {"const": CLOUD_EVENTS_VERSION},
        "id": _ID,
        "source": {"type": "string", "format": "uri-reference"},
        "type": _ID,
        "subject": _ID,
        "time": _INSTANT,
        "datacontenttype": {"const": "application/json"},
        "brandid": _ID,
        # The extension of that name is a text whose order is the order of events.
        "sequence": {"type": "string", "pattern": "^[0-9]{19}$"},
        "entitysequence": _COUNT,
        "data": {"type": "object"},
    }
    return _object("CloudEvent", "An event as CloudEvents 1.0 writes it.", properties)


def _object(title: str, description: str, properties: Node) -> Node:
    return {
        "title": title,
        "description": description,
        "type": "object",
        "properties": properties,
        "required": [*properties],
    }


def _named(name: str) -> Node:
    return {"$ref": f"{_OF_SCHEMAS}{name}"}
