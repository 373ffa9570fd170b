"""Webhook endpoints as loop's administrator keeps them, through the API."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import httpx

from bookwell.storage.embedded import EmbeddedPostgres
from clinic import Clinic, KeptWorld, kept_running
from conftest import clone, serving, settings_for
from envelope import ok
from world import populate

PATH = "/v1/webhook-endpoints"
NOWHERE = "https://receiver.invalid/hook"


@contextmanager
def service_that_posts(server: EmbeddedPostgres, template: str) -> Iterator[Clinic]:
    """A service whose webhooks may go to receivers of the test's own, on this machine."""
    with clone(server, template) as url:
        settings = settings_for(url, webhook_allow_loopback=1, webhook_timeout_seconds=1.0)
        world = KeptWorld(**asdict(populate(url)))
        with (
            kept_running(lambda: serving(settings)) as base_url,
            httpx.Client(base_url=base_url, timeout=30) as http,
            world.connected(),
        ):
            yield Clinic(world, http)


def call(
    clinic: Clinic, method: str, rest: str = "", body: object = None, **headers: str
) -> httpx.Response:
    """A call of the administrator's; `If_Match='"1"'` becomes a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return clinic.call(method, f"{PATH}{rest}", body, token=clinic.world.admin, headers=named)


def add(clinic: Clinic, url: str = NOWHERE, **said: object) -> dict[str, Any]:
    """A new endpoint, as the answer that tells its secret; for every event unless said."""
    return ok(call(clinic, "POST", "", {"url": url, "event_types": ["*"], **said}), 201)


def change(clinic: Clinic, endpoint_id: str, **said: object) -> dict[str, Any]:
    return ok(call(clinic, "PATCH", f"/{endpoint_id}", said))


def read(clinic: Clinic, endpoint_id: str) -> dict[str, Any]:
    return ok(call(clinic, "GET", f"/{endpoint_id}"))


def rotate(clinic: Clinic, endpoint_id: str, **said: object) -> dict[str, Any]:
    return ok(call(clinic, "POST", f"/{endpoint_id}/rotate-secret", said))


def deliveries(clinic: Clinic, endpoint_id: str, **query: object) -> list[dict[str, Any]]:
    """All that a page shows, newest first."""
    answer = clinic.get(f"{PATH}/{endpoint_id}/deliveries", token=clinic.world.admin, **query)
    found: list[dict[str, Any]] = ok(answer)["deliveries"]
    return found


def happen(clinic: Clinic, *visits: str, event_type: str = "booking.visit.created.v1") -> list[int]:
    """Events of these visits, in this order, with their places in loop's log once they have them."""
    ids = []
    for visit in visits:
        event_id = clinic.new_id("evt")
        ids.append(event_id)
        clinic.world.sql(
            "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
            " SELECT %s, 'loop', %s, %s, count(*) + 1, jsonb_build_object('visit_id', %s::text)"
            " FROM booking.event WHERE brand_id = 'loop' AND entity_id = %s",
            event_id,
            event_type,
            visit,
            visit,
            visit,
        )
    until(lambda: None not in _positions(clinic, ids))
    return [position for position in _positions(clinic, ids) if position is not None]


def _positions(clinic: Clinic, ids: list[str]) -> list[int | None]:
    rows = clinic.world.sql(
        "SELECT position FROM booking.event WHERE event_id = ANY (%s) ORDER BY event_no", ids
    )
    return [position if isinstance(position, int) else None for (position,) in rows]


def until(is_so: Callable[[], object], *, seconds: float = 15) -> None:
    """Return when it is so; fail when it does not become so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.02)
