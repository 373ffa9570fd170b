"""The documented operations are served exactly so, and the comparison that says it can fail."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from clinic import Clinic
from superset import shortfalls

Document = dict[str, Any]

PROMISED: Document = json.loads(
    (Path(__file__).parents[2] / "contract" / "documented.openapi.json").read_text()
)


@pytest.fixture(scope="module")
def served(clinic: Clinic) -> Document:
    answer = clinic.http.get("/openapi.json")
    assert answer.status_code == 200
    document: Document = answer.json()
    return document


def test_everything_documented_is_served_as_documented(served: Document) -> None:
    assert shortfalls(PROMISED, served) == []


def test_the_documentation_is_no_shorter_than_it_was() -> None:
    operations = [(method, path) for path, ms in PROMISED["paths"].items() for method in ms]

    assert len(operations) == 7


def visit_of(document: Document) -> Document:
    visit: Document = document["components"]["schemas"]["Visit"]
    return visit


def operation(document: Document, method: str, path: str) -> Document:
    found: Document = document["paths"][path][method]
    return found


CANCEL = ("post", "/v1/visits/{id}/cancel")
LIST = ("get", "/v1/visits")
NEW_SLOT = ("post", "/v1/providers/{id}/slots")
SEAT = ("post", "/v1/coaches/{coachId}/bookings")

BREAK: dict[str, Callable[[Document], object]] = {
    "an operation is gone": lambda d: d["paths"].pop("/v1/bookings/me"),
    "a method is gone": lambda d: d["paths"]["/v1/visits"].pop("get"),
    "a parameter is gone": lambda d: operation(d, *LIST)["parameters"].pop(1),
    "a parameter became required": lambda d: operation(d, *LIST)["parameters"][1].update(
        required=True
    ),
    "a parameter became optional": lambda d: operation(d, *LIST)["parameters"][0].update(
        required=False
    ),
    "a parameter has another type": lambda d: operation(d, *LIST)["parameters"][1]["schema"].update(
        type="integer"
    ),
    "a parameter may be null": lambda d: operation(d, *LIST)["parameters"][1]["schema"].update(
        type=["string", "null"]
    ),
    "a parameter moved to the path": lambda d: operation(d, *LIST)["parameters"][1].update(
        {"in": "header"}
    ),
    "one more parameter is required": lambda d: operation(d, *CANCEL)["parameters"].append(
        {"name": "why", "in": "query", "required": True, "schema": {"type": "string"}}
    ),
    "a body is required": lambda d: operation(d, *CANCEL)["requestBody"].update(required=True),
    "a body is gone": lambda d: operation(d, *CANCEL).pop("requestBody"),
    "a field of a body is gone": lambda d: d["components"]["schemas"]["CancelVisit"][
        "properties"
    ].pop("reason"),
    "a field of a body may be null": lambda d: d["components"]["schemas"]["CancelVisit"][
        "properties"
    ]["reason"].update(type=["string", "null"]),
    "a field of a body is required": lambda d: d["components"]["schemas"]["CancelVisit"].update(
        required=["reason"]
    ),
    "a required field of a body is not": lambda d: d["components"]["schemas"]["CreateSlot"].update(
        required=["brand_id"]
    ),
    "a field of a body is no instant": lambda d: d["components"]["schemas"]["BookSeat"][
        "properties"
    ]["slot_at"].pop("format"),
    "a status is gone": lambda d: operation(d, *CANCEL)["responses"].pop("412"),
    "a title is another": lambda d: operation(d, *CANCEL)["responses"]["412"].update(
        description="Conflict"
    ),
    "a success has another status": lambda d: operation(d, *NEW_SLOT)["responses"].update(
        {"200": operation(d, *NEW_SLOT)["responses"].pop("201")}
    ),
    "one more success": lambda d: operation(d, *SEAT)["responses"].update(
        {"202": {"description": "Accepted"}}
    ),
    "an answer is no JSON": lambda d: operation(d, *CANCEL)["responses"]["200"].update(
        content={"text/plain": {}}
    ),
    "a field of an answer is gone": lambda d: visit_of(d)["properties"].pop("cancel_reason"),
    "a field of an answer has another type": lambda d: visit_of(d)["properties"]["status"].update(
        type="integer"
    ),
    "a field of an answer is never null": lambda d: visit_of(d)["properties"]["reason"].update(
        type="string"
    ),
    "a field of an answer may be absent": lambda d: visit_of(d)["required"].remove("notes"),
    "the list of an answer is of other things": lambda d: d["components"]["schemas"]["VisitList"][
        "properties"
    ]["visits"].update(items={"$ref": "#/components/schemas/Slot"}),
    "an error has another shape": lambda d: d["components"]["schemas"]["Error"]["properties"].pop(
        "message"
    ),
    "no token is asked for": lambda d: operation(d, *CANCEL).update(security=[]),
    "the scheme is another": lambda d: d["components"]["securitySchemes"]["bearer"].update(
        scheme="basic"
    ),
    "the tag is another": lambda d: operation(d, *CANCEL).update(tags=["appointments"]),
}


@pytest.mark.parametrize("broken", BREAK)
def test_the_comparison_notices_when(broken: str, served: Document) -> None:
    copy = deepcopy(served)
    BREAK[broken](copy)

    assert shortfalls(PROMISED, copy) != []


def test_more_than_was_promised_is_no_shortfall(served: Document) -> None:
    copy = deepcopy(served)
    copy["paths"]["/v1/more"] = {"get": {"responses": {}}}
    operation(copy, *LIST)["parameters"].append(
        {"name": "more", "in": "query", "required": False, "schema": {"type": "string"}}
    )
    visit_of(copy)["properties"]["more"] = {"type": "string"}
    operation(copy, *CANCEL)["responses"]["418"] = {"description": "A teapot"}

    assert shortfalls(PROMISED, copy) == []
