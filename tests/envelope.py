"""What every refusal looks like (CONTRACT.md section 2, decision 1)."""

from typing import Any

import httpx

MAY_SAY = {"error", "message", "request_id", "details", "retry_after_ms"}


def refused(answer: httpx.Response, status: int, code: str, /, **details: Any) -> dict[str, Any]:
    """Assert that this is a refusal of that kind which says these details; returns its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert body["error"] == code, body
    assert {"error", "message", "request_id"} <= set(body) <= MAY_SAY
    assert body["message"].endswith("."), "a sentence"
    assert "\n" not in body["message"], "one sentence"
    assert body["request_id"] == answer.headers["X-Request-Id"]
    said = body.get("details", {})
    assert {name: said.get(name) for name in details} == details, body
    return body


def invalid(answer: httpx.Response, field: str) -> dict[str, Any]:
    """Assert a 400 that names the field."""
    return refused(answer, 400, "validation_error", field=field)


def ok(answer: httpx.Response, status: int = 200, /) -> dict[str, Any]:
    """Assert success; returns the body."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body
