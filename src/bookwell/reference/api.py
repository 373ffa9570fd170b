"""`api.md` and `openapi.json`: every operation, from the OpenAPI document the service serves."""

import json
from collections.abc import Mapping
from typing import Any

from bookwell.reference.markdown import code, page, table

Document = Mapping[str, Any]

_INTRODUCTION = """\
This is `/openapi.json` for reading; the document itself is [openapi.json](openapi.json), and a
running service shows it at `/docs`. What each error code means is in [errors.md](errors.md).

**Every operation but the health checks** needs `Authorization: Bearer …` with the scope it names.
`manage:x` is `read:x` and `write:x`; `admin:booking` is everything, and never a patient's.
A service whose token belongs to no brand says which it acts for in `X-Brand-Id`.

**Every change** honours `Idempotency-Key`, quoted or bare. A repeated answer carries
`Idempotency-Replayed: true`. **What has a version**, a visit above all, carries it as `ETag`;
changes of it honour `If-Match`. See [retry safely](../how-to/retry-safely.md).

**Every list** takes `limit` and `cursor`. Where there is more, the answer has `next_cursor`.

**Every answer** carries `X-Request-Id`: the request's own, or a new one. A valid `traceparent` is
returned too. Answers under `/v1/` are `Cache-Control: no-store`.

Instants are RFC 3339 in UTC with `Z`. A request may use another offset, but has to have one.
Fields the service does not know are ignored."""

_ON_SHAPES = """\
What bodies hold. A field that is there always is required in a request and present in an answer."""


def openapi_json(document: Document) -> str:
    """The document, as people compare it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def api_page(document: Document) -> str:
    """The page."""
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = []
    for tag in document["tags"]:
        own = [each for each in operations if tag["name"] in each[2]["tags"]]
        parts.append(f"## Operations: {tag['name']}\n\n{tag['description']}")
        parts.extend(_operation(method, path, operation) for method, path, operation in own)
    shapes = document["components"]["schemas"]
    parts.append(f"## Shapes\n\n{_ON_SHAPES}")
    parts.extend(_shape(name, shapes[name]) for name in sorted(shapes))
    return page("The API", "the routes", _INTRODUCTION, *parts)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    scope = ", ".join(code(s) for each in operation.get("security", []) for s in each["bearer"])
    parts = [
        f"### {method.upper()} {path}",
        f"**{operation['summary']}.** {operation['description']}",
        f"Scope: {scope or 'none, and no token'}. Operation: {code(operation['operationId'])}.",
    ]
    body = operation.get("requestBody")
    if body is not None:
        shape = _kind(body["content"]["application/json"]["schema"])
        parts.append(f"Body: {shape}{'' if body['required'] else ', or none'}.")
    if operation.get("parameters"):
        parts.append(
            table(
                ["Parameter", "In", "Type", "Required", "Meaning"],
                map(_parameter, operation["parameters"]),
            )
        )
    parts.append(
        table(
            ["Status", "Title", "Body"],
            (
                [status, answer["description"], _body_of(answer)]
                for status, answer in operation["responses"].items()
            ),
        )
    )
    return "\n\n".join(parts)


def _parameter(parameter: Mapping[str, Any]) -> list[str]:
    schema = parameter["schema"]
    meaning = parameter.get("description", "")
    if schema.get("default") is not None:
        meaning = f"{meaning} Without it: {schema['default']}."
    return [
        code(parameter["name"]),
        parameter["in"],
        _kind(schema),
        "yes" if parameter["required"] else "no",
        meaning,
    ]


def _body_of(answer: Mapping[str, Any]) -> str:
    content = answer.get("content", {}).get("application/json")
    return _kind(content["schema"]) if content else ""


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    head = f"### {name}\n\n{schema.get('description', '')}".rstrip()
    if "enum" in schema:
        return f"{head}\n\nOne of {', '.join(code(value) for value in schema['enum'])}."
    always = schema.get("required", [])
    fields = table(
        ["Field", "Type", "There always"],
        (
            [code(field), _kind(kind), "yes" if field in always else "no"]
            for field, kind in schema["properties"].items()
        ),
    )
    return f"{head}\n\n{fields}"


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    options = schema.get("oneOf") or schema.get("anyOf")
    if options:
        return " or ".join(_kind(option) for option in options)
    if "enum" in schema:
        return "one of " + ", ".join(code(value) for value in schema["enum"])
    kinds = schema.get("type", "anything")
    names = [_named(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(names) + _limits(schema)


def _named(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "array":
        return f"list of {_kind(schema['items'])}"
    if kind == "string" and "format" in schema:
        return str(schema["format"])
    return kind


def _limits(schema: Mapping[str, Any]) -> str:
    """The numbers a caller has to keep to."""
    words = []
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        words.append(f"{low:.0f} to {high:.0f}")
    least, most = schema.get("minLength"), schema.get("maxLength")
    if most is not None:
        words.append(f"{least} to {most} characters" if least else f"up to {most} characters")
    return f" ({', '.join(words)})" if words else ""
