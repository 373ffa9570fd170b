"""A brand of a test's own, whose log nobody else writes to."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from clinic import Clinic


@dataclass(frozen=True)
class Brand:
    """A brand of a test's own, whose log nobody else writes to."""

    clinic: Clinic
    brand_id: str
    token: str

    def insert(
        self,
        day: str,
        clock: str = "12:00Z",
        *,
        event_type: str = "booking.slot.created.v1",
        event_id: str | None = None,
        entity_id: str | None = None,
    ) -> str:
        """An event of that day, of noon unless told otherwise; its id."""
        event_id = event_id or self.clinic.new_id("evt")
        self.clinic.world.sql(
            "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence,"
            " occurred_at, data) VALUES (%s, %s, %s, %s, 1, %s, '{}')",
            event_id,
            self.brand_id,
            event_type,
            entity_id or self.clinic.new_id("slt"),
            f"{day} {clock}",
        )
        return event_id

    def write(self, day: str, count: int) -> None:
        """Events of that day, in the log."""
        for _ in range(count):
            self.insert(day)
        settled(self.clinic)

    def sweep(self, count: int) -> None:
        """As retention would, had the oldest ones become too old."""
        self.clinic.world.sql(
            "WITH gone AS (DELETE FROM booking.event WHERE brand_id = %s AND position IN ("
            " SELECT position FROM booking.event WHERE brand_id = %s ORDER BY position LIMIT %s))"
            " UPDATE booking.event_log SET kept_from = kept_from + %s WHERE brand_id = %s",
            self.brand_id,
            self.brand_id,
            count,
            count,
            self.brand_id,
        )

    def get(self, **query: Any) -> httpx.Response:
        return self.clinic.get("/v1/events", token=self.token, **query)

    def digest(self, day: str) -> httpx.Response:
        return self.clinic.get("/v1/events/digest", token=self.token, day=day)


@contextmanager
def a_brand(clinic: Clinic) -> Iterator[Brand]:
    brand_id = clinic.new_id("b").replace("_", "-")
    clinic.world.sql("INSERT INTO booking.brand (brand_id, name) VALUES (%s, 'N')", brand_id)
    yield Brand(clinic, brand_id, clinic.token("staff", "reader", brand_id=brand_id))


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def settled(clinic: Clinic) -> None:
    """Wait until every committed event has its place."""
    until(lambda: not clinic.world.sql("SELECT 1 FROM booking.event WHERE position IS NULL"))
