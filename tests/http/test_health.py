"""/healthz and /readyz, for whoever watches the service."""

import socket

import pytest

from clinic import Clinic, kept_running
from conftest import serving, settings_for
from envelope import ok

PATHS = ["/healthz", "/readyz"]


@pytest.mark.parametrize("path", PATHS)
def test_a_service_with_its_database_is_ready(clinic: Clinic, path: str) -> None:
    body = ok(clinic.http.get(path))

    assert body["status"] == "ready"
    assert body["uptime_seconds"] >= 0
    assert set(body) == {"status", "uptime_seconds", "checks"}
    assert set(body["checks"]) == {"db"}
    assert body["checks"]["db"]["ok"] is True
    assert body["checks"]["db"]["latency_ms"] > 0


@pytest.mark.parametrize("path", PATHS)
def test_nobody_needs_a_token_to_ask_and_a_bad_one_does_no_harm(clinic: Clinic, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer tok-never"}):
        assert clinic.http.get(path, headers=headers).status_code == 200


def test_a_service_without_its_database_is_not_ready_and_says_so(clinic: Clinic) -> None:
    with socket.socket() as listening:  # bound and not listening: nobody answers there
        listening.bind(("127.0.0.1", 0))
        nowhere = f"postgresql://nobody@127.0.0.1:{listening.getsockname()[1]}/nowhere"
        with kept_running(lambda: serving(settings_for(nowhere))) as base_url:
            for path in PATHS:
                answer = clinic.http.get(base_url + path)
                body = ok(answer, 503)
                assert body["status"] == "not_ready"
                assert body["checks"]["db"]["ok"] is False
                assert "nowhere" not in answer.text
