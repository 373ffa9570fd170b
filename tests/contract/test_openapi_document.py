"""The OpenAPI document: valid, whole, and what the service really does."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from bookwell.domain.callers import SCOPES
from clinic import Clinic
from documented_operations import operations_of
from operations import DOCUMENT, OPERATIONS, PREPARE, make

CONTRACT = (Path(__file__).parents[2] / "contract" / "CONTRACT.md").read_text()

# What CONTRACT.md section 1 lists beyond the documented operations: success and errors.
COMPLETING = {
    ("POST", "/v1/visits"): ("201", {"400", "404", "409"}),
    ("GET", "/v1/visits/{id}"): ("200", {"404"}),
    ("POST", "/v1/visits/{id}/check-in"): ("200", {"404", "412"}),
    ("POST", "/v1/visits/{id}/complete"): ("200", {"404", "412"}),
    ("POST", "/v1/visits/{id}/no-show"): ("200", {"404", "412"}),
    ("GET", "/v1/providers/{id}/slots"): ("200", {"404"}),
    ("DELETE", "/v1/providers/{id}/slots/{slot_id}"): ("200", {"404", "412"}),
    ("POST", "/v1/coaches/{coachId}/office-hours"): ("201", {"400", "403", "404"}),
    ("GET", "/v1/coaches/{coachId}/office-hours"): ("200", {"403", "404"}),
    ("GET", "/v1/coaches/{coachId}/slots"): ("200", {"403", "404"}),
    ("GET", "/healthz"): ("200", {"503"}),
    ("GET", "/readyz"): ("200", {"503"}),
}
TITLES = {
    ("POST", "/v1/visits", "201"): "Visit booked",
    ("POST", "/v1/visits", "409"): "Slot already booked",
}
# The shapes, with not one field more than they name.
STRICT = {
    name: {**schema, "additionalProperties": False} if "properties" in schema else schema
    for name, schema in DOCUMENT["components"]["schemas"].items()
}
# Any operation that needs a token may answer these.
ALWAYS = {"400", "401", "403", "429", "503"}


def test_the_service_serves_the_document_of_its_routes(clinic: Clinic) -> None:
    answer = clinic.http.get("/openapi.json")

    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == DOCUMENT


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(DOCUMENT)] == []


def test_every_schema_is_json_schema_2020_12_and_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        jsonschema_rs.meta.validate(schema)
    led = set(re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(DOCUMENT)))

    assert led == set(schemas), "each schema is spoken of, and each reference found"


def test_no_two_operations_share_an_id() -> None:
    count = sum(len(methods) for methods in DOCUMENT["paths"].values())

    assert len(operations_of(DOCUMENT)) == count


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_says_what_it_is_for_and_how_it_is_refused(operation_id: str) -> None:
    operation = OPERATIONS[operation_id]

    assert operation.spec["summary"]
    assert operation.spec["description"].endswith((".", "!"))
    assert set(operation.spec["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    if operation.scope is None:
        assert operation.path in {"/healthz", "/readyz", "/calendars/{file}"}
        return
    assert operation.scope in SCOPES
    assert set(operation.spec["responses"]) >= ALWAYS
    for status, answer in operation.spec["responses"].items():
        (content,) = answer["content"].values()
        is_error = content["schema"] == {"$ref": "#/components/schemas/Error"}
        assert is_error == (status >= "400"), status
    if operation.is_change:
        assert "409" in operation.spec["responses"]
        assert "Idempotency-Key" in {each["name"] for each in operation.spec["parameters"]}


@pytest.mark.parametrize(
    "thing",
    [
        "/v1/visits/{id}",
        "/v1/visit-types/{visit_type}",
        "/v1/providers/{id}/schedules/{schedule_id}",
        "/v1/disruptions/{id}",
        "/v1/calendar-feeds/{id}",
    ],
)
def test_whoever_changes_a_thing_with_versions_may_say_which_they_saw(thing: str) -> None:
    changes = [
        operation
        for operation in OPERATIONS.values()
        if operation.is_change and (operation.path + "/").startswith(thing + "/")
    ]

    assert changes
    for operation in changes:
        assert "If-Match" in {each["name"] for each in operation.spec["parameters"]}, operation.path


@pytest.mark.parametrize(("method", "path"), COMPLETING)
def test_a_completing_operation_is_there_with_its_statuses(method: str, path: str) -> None:
    success, errors = COMPLETING[method, path]
    responses: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]["responses"]

    assert {status for status in responses if status < "300"} == {success}
    assert errors <= set(responses)


@pytest.mark.parametrize(("method", "path", "status"), TITLES)
def test_a_completing_operation_has_the_titles_of_the_contract(
    method: str, path: str, status: str
) -> None:
    answer = DOCUMENT["paths"][path][method.lower()]["responses"][status]

    assert answer["description"] == TITLES[method, path, status]
    assert TITLES[method, path, status] in CONTRACT


def test_every_path_the_contract_names_is_served() -> None:
    named = set(re.findall(r"/(?:v1/[\w/{}-]+|healthz|readyz)", CONTRACT.partition("## 2.")[0]))
    written_short = {"/check-in", "/complete", "/no-show"}

    assert {path for path in named if path not in written_short} <= set(DOCUMENT["paths"])
    assert {f"/v1/visits/{{id}}{verb}" for verb in written_short} <= set(DOCUMENT["paths"])


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_a_success_has_the_status_and_the_fields_that_the_document_says_and_no_others(
    operation_id: str, clinic: Clinic
) -> None:
    operation = OPERATIONS[operation_id]

    answer = make(clinic, operation_id, PREPARE[operation_id](clinic))

    said = operation.spec["responses"][str(answer.status_code)]
    assert answer.status_code < 300, answer.text
    ((media_type, content),) = said["content"].items()
    assert answer.headers["Content-Type"].removesuffix("; charset=utf-8") == media_type
    if media_type != "application/json":
        return
    shape = content["schema"]
    schema = {**shape, "components": {"schemas": STRICT}}
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(answer.json())
