"""Every route refuses whoever has no business there.

The routes come out of the service's own document and its own router, so a new one is tried by
itself; it only has to have a good call in `operations.py`.
"""

import re

import httpx
import pytest

from bookwell.app import routes
from bookwell.domain.callers import ADMIN_SCOPE, SCOPES
from clinic import Clinic
from conftest import settings_for
from documented_operations import operations_of
from envelope import refused
from operations import OPERATIONS, PREPARE, Call, make

# What is open to everybody. This list may only shrink.
OPEN = {
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/docs",
    "/docs/ui/{file_path:path}",
    # The address is the permission: a secret of 256 bits.
    "/calendars/{file}",
}

GUARDED = [name for name, operation in OPERATIONS.items() if operation.path not in OPEN]


def knock(clinic: Clinic, operation_id: str, token: str | None) -> httpx.Response:
    """Call the operation with this token, and with a body that nobody should look at before."""
    operation = OPERATIONS[operation_id]
    path = re.sub(r"\{\w+\}", "some-id", operation.path)
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    content = b"{" if operation.is_change else None
    return clinic.http.request(operation.method, path, content=content, headers=headers)


def scopes_without(scope: str) -> list[str]:
    """All scopes that do not grant this one."""
    granting = {scope, f"manage:{scope.partition(':')[2]}", ADMIN_SCOPE}
    return [each for each in SCOPES if each not in granting]


def test_the_routes_tried_here_are_those_the_service_has(clinic: Clinic) -> None:
    served = operations_of(clinic.http.get("/openapi.json").json())
    router = routes(settings_for("postgresql://nowhere"))
    paths = {re.sub(r":str\}", "}", route.path) for route in router.routes}

    assert set(served) == set(OPERATIONS)
    assert paths == {operation.path for operation in served.values()} | OPEN
    assert set(PREPARE) == set(OPERATIONS), "every operation has one good call"


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_the_good_call_of_an_operation_is_let_in(clinic: Clinic, operation_id: str) -> None:
    """Or the refusals below would prove nothing."""
    assert make(clinic, operation_id, PREPARE[operation_id](clinic)).status_code < 300


@pytest.mark.parametrize("operation_id", GUARDED)
def test_nobody_without_a_token_is_let_in(clinic: Clinic, operation_id: str) -> None:
    answer = knock(clinic, operation_id, None)

    refused(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="bookwell"'


@pytest.mark.parametrize("operation_id", GUARDED)
@pytest.mark.parametrize("whose", ["nobody's", "expired", "revoked", "admin's, cut off"])
def test_nobody_with_a_bad_token_is_let_in(clinic: Clinic, operation_id: str, whose: str) -> None:
    token = {
        "nobody's": "lph_at_never",
        "expired": clinic.world.expired,
        "revoked": _revoked(clinic),
        "admin's, cut off": clinic.world.admin[:-1],
    }[whose]

    answer = knock(clinic, operation_id, token)

    refused(answer, 401, "invalid_token")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="bookwell", error="invalid_token"'


def _revoked(clinic: Clinic) -> str:
    token = clinic.token("staff", "somebody", scopes=[ADMIN_SCOPE])
    clinic.world.sql(
        "UPDATE booking.token SET revoked_at = now() WHERE token_hash = sha256(%s::bytea)", token
    )
    return token


@pytest.mark.parametrize("operation_id", GUARDED)
@pytest.mark.parametrize("role", ["patient", "staff", "service"])
@pytest.mark.parametrize("scopes", ["none", "all others"])
def test_nobody_without_the_scope_is_let_in(
    clinic: Clinic, operation_id: str, role: str, scopes: str
) -> None:
    scope = OPERATIONS[operation_id].scope
    assert scope is not None
    granted = scopes_without(scope) if scopes == "all others" else []
    token = clinic.token(role, f"somebody-{role}", scopes=granted)

    answer = knock(clinic, operation_id, token)

    refused(answer, 403, "insufficient_scope", scope=scope)
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="bookwell", error="insufficient_scope", scope="{scope}"'
    )


@pytest.mark.parametrize("operation_id", GUARDED)
def test_the_scope_alone_is_enough(clinic: Clinic, operation_id: str) -> None:
    operation = OPERATIONS[operation_id]
    scope = operation.scope
    assert scope is not None
    call = PREPARE[operation_id](clinic)
    role, subject, brand_id = _holder(clinic, call.token)
    token = clinic.token(role, subject, brand_id=brand_id, scopes=[scope])

    answer = make(
        clinic,
        operation_id,
        Call(path=call.path, token=token, body=call.body, query=call.query),
    )

    assert answer.status_code < 300, answer.text


def _holder(clinic: Clinic, token: str) -> tuple[str, str, str]:
    ((role, subject, brand_id),) = clinic.world.sql(
        "SELECT role, subject, brand_id FROM booking.token WHERE token_hash = sha256(%s::bytea)",
        token,
    )
    return str(role), str(subject), str(brand_id)


def test_what_is_open_to_everybody_is_open(clinic: Clinic) -> None:
    calendar = PREPARE["read_calendar"](clinic).path
    for path in OPEN:
        shown = path.replace("{file_path:path}", "swagger-ui.css")
        answer = clinic.http.get(shown.replace("/calendars/{file}", calendar))

        assert answer.status_code == 200, path
