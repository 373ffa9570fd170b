"""Requests made up from the OpenAPI document: no 5xx, and no answer that the document does not know.

Schemathesis makes them, those that fit the document and those that break it in one place; the seed
is fixed, so a failure comes back.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bookwell.domain.visit_types import LIMITS
from clinic import Clinic
from documented_operations import Operation
from operations import DOCUMENT, OPERATIONS
from streams import leaving_session
from world import LOOP

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SESSION = leaving_session()
STEADY = hypothesis.settings(
    derandomize=True,
    max_examples=15,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
# A request that fits the document may be refused for these, which no JSON Schema can say: a cursor
# is one of ours, an instant lies in a year that people live in and after another, a zone exists.
NOT_IN_WORDS = {
    "cursor",
    "from",
    "to",
    "start_time",
    "end_time",
    "slot_at",
    "time_zone",
    "duration_minutes",
    "valid_from",
    "valid_until",
    "scope",
    "brand_id",
    "expires_in",  # 60.0 is an integer to JSON Schema, and none to us
    "capacity",
    "visit_type",  # it is one of the brand's
    *LIMITS,  # as expires_in
    "amount_minor",
    "offset_minutes",
    "reminders",  # no two of one offset
    "slot_id",  # only a visit that moves has one
    "reason",  # and only one that is cancelled has this
    "provider_id",  # one of three ids is named, and no two of them
    "coach_id",
    "patient_id",
    "url",  # it leads to the public internet
    "event_types",  # they exist, each once, and * alone
    "overlap_minutes",  # as expires_in
    "after",  # the log is that long
    "Last-Event-ID",
    "after_position",
    "through_position",
    "before",
    "day",
    "until",
    "body",  # the documentation lets bodies be absent that have required fields
}
# A field of an item is named with its place, as in slots[3].start_time.
ITEM = re.compile(r"^(slots\[\d+\]|regions\[\d+\]|reminders\[\d+\]|late_cancel_price)\.|\[\d+\]$")


def without_brand_header(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without X-Brand-Id, which would end most requests before they begin."""
    copy = deepcopy(dict(document))
    for methods in copy["paths"].values():
        for operation in methods.values():
            operation["parameters"] = [
                each for each in operation["parameters"] if each["name"] != "X-Brand-Id"
            ]
    return copy


SCHEMA = schemathesis.openapi.from_dict(
    without_brand_header(DOCUMENT),
    config=schemathesis.Config.from_dict(
        {
            "generation": {"with-security-parameters": False},
            "checks": {"negative_data_rejection": {"expected-statuses": ["4xx", 503]}},
        }
    ),
)


@pytest.fixture(scope="module")
def known(clinic: Clinic) -> Mapping[str, list[Any]]:
    """Ids that are there, by what takes them, so that requests get past the first 404."""
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, capacity=50)
    return {
        "visits": [clinic.visit()["id"] for _ in range(6)],
        "providers": ["prv_kim", "prv_both"],
        "coaches": [coach, "coach_jo"],
        "bookings": [clinic.seat(clinic.patient(), coach)["id"] for _ in range(2)],
        "patients": [clinic.patient().patient_id],
        "visit_type": [clinic.visit_type() for _ in range(6)],
        "slot_id": [clinic.slot() for _ in range(6)],
        "new_slot_id": [clinic.slot() for _ in range(6)],
        "patient_id": [clinic.patient().patient_id, "pat_ada"],
        "provider_id": ["prv_kim"],
        "brand_id": [LOOP],
        "slot_at": [clinic.next_session(coach)],
        "webhook-endpoints": [clinic.endpoint() for _ in range(6)],
        "url": ["https://receiver.invalid/hook"],
        "event_types": [["*"], ["booking.visit.imported.v1"]],
    }


def make_real(case: Any, operation: Operation, ids: Mapping[str, list[Any]], draw: Any) -> None:
    """Put ids that are there where the document says "some string", most of the time."""
    noun = operation.path.removeprefix("/v1/").removeprefix("admin/").partition("/")[0]
    for holder in (case.path_parameters, case.query, case.body):
        for name in holder if isinstance(holder, dict) else ():
            known_here = ids.get(noun if name in {"id", "coachId"} else name)
            if known_here and draw(st.integers(0, 3)):
                holder[name] = draw(st.sampled_from(known_here))
    if draw(st.integers(0, 3)):
        case.headers.pop("If-Match", None)


def token_for(clinic: Clinic, operation: Operation) -> str:
    if operation.operation_id == "add_brand":
        return clinic.world.platform
    if operation.operation_id == "list_own_bookings":
        return clinic.world.patient
    return clinic.world.admin


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_a_request_that_fits_the_document_is_answered_as_it_says(
    clinic: Clinic, known: Mapping[str, list[Any]], operation_id: str
) -> None:
    operation = OPERATIONS[operation_id]
    headers = {"Authorization": f"Bearer {token_for(clinic, operation)}"}
    strategy = SCHEMA[operation.path][operation.method].as_strategy(GenerationMode.POSITIVE)
    statuses: set[int] = set()

    @STEADY
    @hypothesis.given(case=strategy, data=st.data())
    def run(case: Any, data: st.DataObject) -> None:
        make_real(case, operation, known, data.draw)
        answer = case.call(base_url=str(clinic.http.base_url), headers=headers, session=SESSION)
        case.validate_response(answer, checks=CHECKS, headers=headers)
        if answer.status_code == 400:
            field = answer.json()["details"]["field"]
            assert ITEM.sub("", field) in NOT_IN_WORDS, answer.text
        statuses.add(answer.status_code)

    run()

    assert statuses - {400}, "the document is of some use"


def is_breakable(operation: Operation) -> bool:
    """Whether the document says more of a request than its path, which may be any string."""
    names = {each["name"] for each in operation.spec["parameters"] if each["in"] != "path"}
    return bool(names - {"X-Brand-Id", "If-None-Match"}) or "requestBody" in operation.spec


@pytest.mark.parametrize(
    "operation_id", [name for name, operation in OPERATIONS.items() if is_breakable(operation)]
)
def test_a_request_that_breaks_the_document_is_refused_as_it_says(
    clinic: Clinic, operation_id: str
) -> None:
    operation = OPERATIONS[operation_id]
    headers = {"Authorization": f"Bearer {token_for(clinic, operation)}"}
    strategy = SCHEMA[operation.path][operation.method].as_strategy(GenerationMode.NEGATIVE)

    @STEADY
    @hypothesis.given(case=strategy)
    def run(case: Any) -> None:
        answer = case.call(base_url=str(clinic.http.base_url), headers=headers, session=SESSION)
        # A body of null is as good as none where none is needed.
        checks = CHECKS if case.body is None else [*CHECKS, negative_data_rejection]
        case.validate_response(answer, checks=checks, headers=headers)

    run()
