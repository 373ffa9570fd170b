"""What Litestar's OpenAPI document gets wrong or cannot know, put right once.

It writes `oneOf` where JSON Schema 2020-12 has shorter words, lets query parameters be null,
demands bodies that may be absent, takes a wall time for a duration, forgets that an operation needs
no token, and knows nothing of the headers that every route reads.
"""

from inspect import cleandoc
from typing import Any

from bookwell.domain.ids import VISIT_TYPE
from bookwell.http.fields import WALL_TIME

Node = dict[str, Any]

# The platform's documentation of these does not say that a body is required, so neither do we.
# Without one they answer 400.
_BODY_NOT_SAID_TO_BE_REQUIRED = {"cancel_visit", "reschedule_visit", "create_slot", "book_seat"}
_DEFAULTS = (("deprecated", False), ("allowEmptyValue", False), ("allowReserved", False))
_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


def put_right(document: Node) -> Node:
    """The document as clients should read it."""
    document = _plain(document)
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = {
        _public(name): _named(schema, _public(name)) for name, schema in sorted(schemas.items())
    }
    for schema in document["components"]["schemas"].values():
        _limit_items(schema)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _put_operation_right(path, method, operation)
    return document


def _put_operation_right(path: str, method: str, operation: Node) -> None:
    operation.setdefault("security", [])  # without it the document's own would hold
    parameters = [_never_null(each) for each in operation.get("parameters", [])]
    operation["parameters"] = [*parameters, *_headers_read(path, method, operation)]
    body = operation.get("requestBody")
    answers: Node = operation["responses"]
    if body is not None:
        may_be_absent = _may_be_absent(body["content"]["application/json"])
        said = operation["operationId"] not in _BODY_NOT_SAID_TO_BE_REQUIRED
        body["required"] = said and not may_be_absent
        answers["413"] = {"description": "Request body too long", "content": _ERROR}
    answers["431"] = {"description": "Request line and headers too long", "content": _ERROR}
    if method != "get":
        title = "Idempotency key used for another request"
        answers.setdefault("409", {"description": title, "content": _ERROR})
    for status, answer in answers.items():
        headers = _headers_written(status, answer)
        if headers:
            answer["headers"] = headers
    operation["responses"] = dict(sorted(answers.items()))


def _headers_read(path: str, method: str, operation: Node) -> list[Node]:
    """The header parameters that `http/auth.py` and `http/calls.py` read for any route."""
    if path.startswith("/calendars/"):
        return [_header("If-None-Match", "The `ETag` of the calendar as last seen.")]
    if not operation["security"]:
        return []
    found = [_header("X-Brand-Id", "The brand to act for, where the token leaves that open.")]
    if method != "get":
        found.append(
            _header(
                "Idempotency-Key",
                "The same key with the same request happens once: 1 to 128 visible characters.",
                pattern=r'^("[!#-~ ]{1,128}"|[!#-~]{1,128})$',
            )
        )
    thing = _versioned(path, method)
    if thing is not None:
        found.append(_header("If-Match", f"The `ETag` of {thing} as last seen."))
    if path == "/v1/events/stream":
        place = "The `id` of the last message that was read: go on from there, whatever `after` is."
        found.append(_header("Last-Event-ID", place, pattern="^[0-9]{0,15}$"))
    return found


# Changes that heed If-Match, by the beginning of their path, and of what it names the version.
_VERSIONED = (
    (("post",), "/v1/visits/{id}/", "the visit"),
    (("post",), "/v1/visits", "the hold that `hold_id` names"),
    (("patch", "delete"), "/v1/visit-types/{visit_type}", "the visit type"),
    (("put", "delete"), "/v1/providers/{id}/schedules/{schedule_id}", "the schedule"),
    (("post", "put"), "/v1/disruptions/{id}/", "the disruption"),
    (("post", "delete"), "/v1/calendar-feeds/{id}", "the calendar feed"),
    (("patch", "delete"), "/v1/webhook-endpoints/{id}", "the webhook endpoint"),
    (("post",), "/v1/webhook-endpoints/{id}/rotate-secret", "the webhook endpoint"),
    (("put", "delete"), "/v1/reminder-rules", "the reminder rule"),
    (("put",), "/v1/quiet-hours", "the quiet hours"),
)


def _versioned(path: str, method: str) -> str | None:
    """Of what the `ETag` is that a change of this path takes in If-Match, if of anything."""
    for methods, beginning, thing in _VERSIONED:
        if method in methods and path.startswith(beginning):
            return thing
    return None


def _header(name: str, description: str, **limits: str) -> Node:
    return {
        "name": name,
        "in": "header",
        "description": description,
        "schema": {"type": "string", **limits},
        "required": False,
    }


def _headers_written(status: str, answer: Node) -> Node:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    if schema.get("$ref") == "#/components/schemas/Visit":
        return _written("ETag", "The visit's version.")
    if schema.get("$ref") == "#/components/schemas/VisitType":
        return _written("ETag", "The visit type's version; none of a provider's.")
    if schema.get("$ref") == "#/components/schemas/CalendarFeed":
        return _written("ETag", "The calendar feed's version.")
    if status == "401":
        return _written("WWW-Authenticate", "The challenge of RFC 6750.")
    if status in ("429", "503"):
        return _written("Retry-After", "Seconds to wait.")
    return {}


def _written(name: str, description: str) -> Node:
    return {name: {"description": description, "schema": {"type": "string"}}}


def _never_null(parameter: Node) -> Node:
    """A parameter is there or it is not; it is never null."""
    schema = dict(parameter["schema"])
    schema.pop("description", None)
    options = [each for each in schema.pop("oneOf", []) if each != {"type": "null"}]
    if isinstance(schema.get("type"), list):
        schema["type"] = next(kind for kind in schema["type"] if kind != "null")
    return {**parameter, "schema": {**schema, **(options[0] if options else {})}}


def _may_be_absent(content: Node) -> bool:
    """Whether None was an option; takes it out of the schema, where it would mean a null body."""
    schema = content["schema"]
    options = [option for option in schema.get("oneOf", []) if option != {"type": "null"}]
    if len(options) == len(schema.get("oneOf", [])):
        return False
    content["schema"] = options[0]
    return True


def _public(name: str) -> str:
    """What a schema is called outside: our `VisitBody` is the documentation's `Visit`."""
    return name.removesuffix("Body")


def _limit_items(schema: Node) -> None:
    """Litestar forgets what an item of a list must be like."""
    visit_types = schema.get("properties", {}).get("visit_types", {})
    if visit_types.get("items") == {"type": "string"}:
        visit_types["items"] = _with_portable_pattern(
            {"type": "string", "minLength": 1, "maxLength": 128, "pattern": VISIT_TYPE}
        )


def _named(schema: Node, name: str) -> Node:
    schema = {**schema, "title": name}
    if "enum" in schema:  # Litestar puts one property's default here, where it holds for all
        schema.pop("default", None)
    if not schema.get("required", True):
        del schema["required"]
    return schema


def _plain(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same without needless `oneOf`, empty keys and Litestar's defaults."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, float) and node.is_integer():
        return int(node)
    if not isinstance(node, dict):
        return node
    node = {
        key: _plain(value)
        for key, value in node.items()
        if (key, value) not in _DEFAULTS and not (key == "headers" and not value)
    }
    if isinstance(node.get("$ref"), str):
        node["$ref"] = _public(node["$ref"])
    if isinstance(node.get("description"), str):
        node["description"] = cleandoc(node["description"])
    return _without_one_of(_with_portable_pattern(node))


def _with_portable_pattern(node: Node) -> Node:
    """Patterns that every engine reads; lone surrogates are none of JSON's anyway."""
    if node.get("type") == "string" and node.get("format") == "duration":
        node = {key: value for key, value in node.items() if key != "format"}
        node["pattern"] = WALL_TIME
    if isinstance(node.get("pattern"), str):
        portable = node["pattern"].replace(r"(?![\s\S])", "$").replace(r"\ud800-\udfff", "")
        return {**node, "pattern": portable}
    return node


def _without_one_of(node: Node) -> Node:
    options = node.get("oneOf")
    if not isinstance(options, list):
        return node
    rest = {key: value for key, value in node.items() if key != "oneOf"}
    if len(options) == 1 and "$ref" not in options[0]:
        return {**options[0], **rest}
    typed = [option for option in options if option != {"type": "null"}]
    if len(typed) == 1 and len(options) == 2 and isinstance(typed[0].get("type"), str):  # noqa: PLR2004 - one and null
        return {**typed[0], **rest, "type": [typed[0]["type"], "null"]}
    return node
