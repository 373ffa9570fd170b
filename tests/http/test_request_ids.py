"""X-Request-Id and traceparent: taken over where they are decent, and told with every answer."""

import pytest

from clinic import Clinic
from envelope import refused
from world import LOOP

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# An answer of each kind: a success, refusals at every layer, and what needs no token.
ANSWERS = [
    ("GET", f"/v1/visits?brand_id={LOOP}", 200),
    ("GET", "/v1/visits", 400),
    ("GET", "/v1/visits/vis_never", 404),
    ("POST", "/v1/visits", 400),
    ("PUT", "/v1/visits", 405),
    ("GET", "/never", 404),
    ("GET", "/healthz", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/docs", 200),
    ("GET", "/docs/ui/swagger-ui.css", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_a_request_keeps_its_id_and_its_trace(
    clinic: Clinic, method: str, path: str, status: int
) -> None:
    answer = clinic.call(
        method, path, headers={"X-Request-Id": "my-request/7", "traceparent": TRACE}
    )

    assert answer.status_code == status
    assert answer.headers["X-Request-Id"] == "my-request/7"
    assert answer.headers["traceparent"] == TRACE


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_a_request_without_an_id_gets_one_and_no_trace(
    clinic: Clinic, method: str, path: str, status: int
) -> None:
    first, second = clinic.call(method, path), clinic.call(method, path)

    assert first.status_code == status
    assert first.headers["X-Request-Id"].startswith("req_")
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert "traceparent" not in first.headers


def test_whoever_is_not_let_in_can_still_name_the_request(clinic: Clinic) -> None:
    for token in ("tok-never", clinic.world.unscoped):
        answer = clinic.call(
            "GET", f"/v1/visits?brand_id={LOOP}", token=token, headers={"X-Request-Id": "mine"}
        )

        assert answer.status_code in (401, 403)
        assert answer.headers["X-Request-Id"] == "mine"
        assert answer.json()["request_id"] == "mine"


@pytest.mark.parametrize(
    "request_id", ["", "two words", "x" * 129, 'a"b', "<script>", "a,b", "a;b", "ü", "a\tb"]
)
def test_an_id_that_could_break_a_log_line_is_not_taken_over(
    clinic: Clinic, request_id: str
) -> None:
    headers = {b"X-Request-Id": request_id.encode()}

    answer = clinic.http.get("/v1/never", headers=headers)

    assert refused(answer, 404, "not_found")["request_id"].startswith("req_")


@pytest.mark.parametrize(
    "trace",
    [
        "",
        "0af7651916cd43dd8448eb211c80319c",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        TRACE.upper(),
        TRACE + "-more",
        "ff" + TRACE[2:],  # the one version that can never be (W3C Trace Context, 3.2.2.1)
    ],
)
def test_a_trace_that_is_none_is_not_returned(clinic: Clinic, trace: str) -> None:
    answer = clinic.http.get("/healthz", headers={"traceparent": trace})

    assert answer.status_code == 200
    assert "traceparent" not in answer.headers


def test_a_requests_id_is_in_the_audit(clinic: Clinic) -> None:
    visit = clinic.visit()

    clinic.post(f"/v1/visits/{visit['id']}/cancel", headers={"X-Request-Id": "why-this"})

    ((request_id,),) = clinic.world.sql(
        "SELECT request_id FROM booking.audit WHERE entity_id = %s AND event_type ="
        " 'visit.cancelled'",
        visit["id"],
    )
    assert request_id == "why-this"
