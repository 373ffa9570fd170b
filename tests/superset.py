"""Whether one OpenAPI document promises at least what another does, and nothing otherwise.

Each shortfall is a sentence. What the promise does not speak of (more operations, more optional
parameters, more fields, more error statuses, limits on values) is free.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]


def shortfalls(promised: Node, served: Node) -> list[str]:
    """Where `served` falls short of `promised`."""
    return list(_shortfalls(promised, served))


def _shortfalls(promised: Node, served: Node) -> Iterator[str]:
    for name, scheme in promised["components"]["securitySchemes"].items():
        theirs = served["components"].get("securitySchemes", {}).get(name, {})
        for key, value in scheme.items():
            if theirs.get(key) != value:
                yield f"security scheme {name}: {key} is {theirs.get(key)}, not {value}"
    for path, methods in promised["paths"].items():
        for method, operation in methods.items():
            place = f"{method.upper()} {path}"
            ours = served["paths"].get(path, {}).get(method)
            if ours is None:
                yield f"{place} is not served"
                continue
            documents = _Documents(promised, served)
            yield from _security(place, documents, operation, ours)
            yield from _parameters(place, documents, operation, ours)
            yield from _request_body(place, documents, operation, ours)
            yield from _responses(place, documents, operation, ours)
            missing = set(operation["tags"]) - set(ours.get("tags", []))
            if missing:
                yield f"{place}: has no tag {sorted(missing)}"


class _Documents:
    """The two documents, for following references in each."""

    def __init__(self, promised: Node, served: Node) -> None:
        self.promised = promised
        self.served = served

    def schemas(self, promised: Node, served: Node) -> tuple[Node, Node]:
        return _resolved(promised, self.promised), _resolved(served, self.served)


def _security(place: str, documents: _Documents, promised: Node, served: Node) -> Iterator[str]:
    needed = promised.get("security", documents.promised["security"])
    given = served.get("security", documents.served.get("security", []))
    for requirement in needed:
        for scheme in requirement:
            if not any(scheme in each for each in given):
                yield f"{place}: does not ask for {scheme}"


def _parameters(place: str, documents: _Documents, promised: Node, served: Node) -> Iterator[str]:
    ours = {(each["in"], each["name"]): each for each in served.get("parameters", [])}
    theirs = {(each["in"], each["name"]): each for each in promised.get("parameters", [])}
    for (where, name), parameter in theirs.items():
        at = f"{place}: {where} parameter {name}"
        mine = ours.get((where, name))
        if mine is None:
            yield f"{at} is missing"
            continue
        if mine.get("required", False) != parameter.get("required", False):
            yield f"{at}: required is {mine.get('required', False)}"
        yield from _kind(at, *documents.schemas(parameter["schema"], mine["schema"]))
    for (where, name), parameter in ours.items():
        if (where, name) not in theirs and parameter.get("required", False):
            yield f"{place}: {where} parameter {name} is required and was never promised"


def _request_body(place: str, documents: _Documents, promised: Node, served: Node) -> Iterator[str]:
    theirs, ours = promised.get("requestBody"), served.get("requestBody")
    if ours is not None and ours.get("required", False) > (theirs or {}).get("required", False):
        yield f"{place}: the body is required, which nobody said"
    if theirs is None:
        return
    if ours is None:
        yield f"{place}: takes no body"
        return
    for media, content in theirs["content"].items():
        if media not in ours["content"]:
            yield f"{place}: takes no {media}"
            continue
        wanted, given = documents.schemas(content["schema"], ours["content"][media]["schema"])
        yield from _schema(f"{place}: body", documents, wanted, given)
        more = set(given.get("required", [])) - set(wanted.get("required", []))
        if more:
            yield f"{place}: body requires {sorted(more)}, which nobody said"


def _responses(place: str, documents: _Documents, promised: Node, served: Node) -> Iterator[str]:
    for status, answer in promised["responses"].items():
        at = f"{place}: {status}"
        mine = served["responses"].get(status)
        if mine is None:
            yield f"{at} is not answered"
            continue
        if mine["description"] != answer["description"]:
            yield f"{at} is titled {mine['description']!r}, not {answer['description']!r}"
        for media, content in answer.get("content", {}).items():
            schema = mine.get("content", {}).get(media, {}).get("schema")
            if schema is None:
                yield f"{at} has no {media}"
                continue
            yield from _schema(at, documents, content["schema"], schema)
    for status in served["responses"]:
        if status.startswith("2") and status not in promised["responses"]:
            yield f"{place}: {status} is a success nobody promised"


def _schema(at: str, documents: _Documents, promised: Node, served: Node) -> Iterator[str]:
    promised, served = documents.schemas(promised, served)
    yield from _kind(at, promised, served)
    missing = set(promised.get("required", [])) - set(served.get("required", []))
    if missing:
        yield f"{at}: {sorted(missing)} may be absent"
    for name, schema in promised.get("properties", {}).items():
        if name not in served.get("properties", {}):
            yield f"{at}: has no {name}"
            continue
        yield from _schema(f"{at}.{name}", documents, schema, served["properties"][name])
    if "items" in promised:
        yield from _schema(f"{at}[]", documents, promised["items"], served.get("items", {}))


def _kind(at: str, promised: Node, served: Node) -> Iterator[str]:
    """Types with nullability, and the format where one was promised."""
    wanted, given = _types(promised), _types(served)
    if wanted != given:
        yield f"{at} is {sorted(given)}, not {sorted(wanted)}"
    if "format" in promised and served.get("format") != promised["format"]:
        yield f"{at} is no {promised['format']}"


def _types(schema: Node) -> set[str]:
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _resolved(schema: Node, document: Node) -> Node:
    while "$ref" in schema:
        found: Node = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema
