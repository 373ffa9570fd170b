"""Endpoints and events written with plain SQL, for tests of how events are delivered."""

import base64
import itertools
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from receivers import Receiver
from world import LOOP, World

_numbers = itertools.count(1)

SECRET_BYTES = 32


def new_secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


class PostOffice:
    """A world whose endpoints a running service serves."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._sequences: dict[str, int] = {}

    def endpoint(
        self,
        url: str,
        *,
        types: tuple[str, ...] = ("booking.test.none.v1",),
        form: str = "standard",
        secret: str | None = None,
        brand_id: str = LOOP,
    ) -> str:
        """An endpoint; the service's own events do not go there unless `types` says so."""
        endpoint_id = f"whe_{next(_numbers):04}"
        self.world.sql(
            "INSERT INTO booking.webhook_endpoint"
            " (endpoint_id, brand_id, url, event_types, format, secret)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            endpoint_id,
            brand_id,
            url,
            list(types),
            form,
            secret or new_secret(),
        )
        return endpoint_id

    def send(self, endpoint_id: str, *visits: str) -> list[str]:
        """Events of these visits, in this order, for this endpoint only; their ids."""
        event_type = f"booking.test.{endpoint_id}.v1"
        self.world.sql(
            "UPDATE booking.webhook_endpoint SET event_types = %s WHERE endpoint_id = %s",
            [event_type],
            endpoint_id,
        )
        rows = []
        for visit in visits:
            entity_id = f"{visit}_{endpoint_id}"
            sequence = self._sequences[entity_id] = self._sequences.get(entity_id, 0) + 1
            data = {"visit_id": entity_id, "number": sequence}
            rows.append((f"evt_{next(_numbers):08}", entity_id, sequence, json.dumps(data)))
        event_ids, entity_ids, sequences, datas = (
            list(column) for column in zip(*rows, strict=True)
        )
        self.world.sql(
            "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
            " SELECT e, brand_id, %s, n, s, d::jsonb FROM booking.webhook_endpoint,"
            " unnest(%s::text[], %s::text[], %s::int[], %s::text[]) WITH ORDINALITY AS x (e, n, s, d, o)"
            " WHERE endpoint_id = %s ORDER BY o",
            event_type,
            event_ids,
            entity_ids,
            sequences,
            datas,
            endpoint_id,
        )
        return event_ids

    def change(self, endpoint_id: str, assignments: str) -> None:
        self.world.sql(
            f"UPDATE booking.webhook_endpoint SET {assignments} WHERE endpoint_id = %s",  # noqa: S608 - a test's own words
            endpoint_id,
        )

    def look(self, endpoint_id: str, columns: str) -> Any:
        ((value,),) = self.world.sql(
            f"SELECT {columns} FROM booking.webhook_endpoint WHERE endpoint_id = %s",  # noqa: S608 - as above
            endpoint_id,
        )
        return value

    def statuses(self, endpoint_id: str) -> list[str]:
        """Of all the endpoint's deliveries, in their order."""
        rows = self.world.sql(
            "SELECT status FROM booking.delivery WHERE endpoint_id = %s ORDER BY delivery_no",
            endpoint_id,
        )
        return [str(status) for (status,) in rows]

    def attempts(self, endpoint_id: str) -> list[tuple[int, int | None, str | None]]:
        """Attempt, status and cause of all that was tried, in order of deliveries and attempts."""
        rows = self.world.sql(
            "SELECT attempt, http_status, cause FROM booking.delivery_attempt"
            " JOIN booking.delivery USING (delivery_no) WHERE endpoint_id = %s"
            " ORDER BY delivery_no, attempt",
            endpoint_id,
        )
        return [tuple(row) for row in rows]  # type: ignore[misc]  # as the statement says

    def all_are(self, endpoint_id: str, status: str, *, seconds: float = 15) -> None:
        """Wait until the endpoint has deliveries and each of them is so."""
        until(lambda: set(self.statuses(endpoint_id)) == {status}, seconds=seconds)


def until(is_so: Callable[[], object], *, seconds: float = 15) -> None:
    """Return when it is so; fail when it does not become so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.01)


def quiet(receiver: Receiver, *, seconds: float) -> int:
    """How many requests came in meanwhile; for what must not come."""
    before = len(receiver.got)
    with suppress(AssertionError):
        until(lambda: len(receiver.got) > before, seconds=seconds)
    return len(receiver.got) - before
