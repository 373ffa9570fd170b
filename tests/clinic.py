"""A running service that the tests of one file share, and the people and times each test makes for itself.

Starting a service costs more than most tests; so a file has one, and every test books times, and
speaks of patients and coaches, that nobody else in the file knows.
"""

import asyncio
import base64
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import psycopg

from bookwell.domain.visit_types import HORIZON_DAYS_MAX
from world import ALL_SCOPES, LOOP, World

# More than a start or a stop takes on a busy machine.
PATIENCE_SECONDS = 30.0


class KeptWorld(World):
    """A world whose database hears all its SQL through one connection, which is much quicker."""

    @contextmanager
    def connected(self) -> Iterator["KeptWorld"]:
        """Keep the connection open meanwhile."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            object.__setattr__(self, "_connection", connection)
            yield self

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        connection: psycopg.Connection[tuple[object, ...]] = vars(self)["_connection"]
        cursor = connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


@dataclass(frozen=True)
class Patient:
    """A patient of a test, and their own token."""

    patient_id: str
    token: str


@dataclass(frozen=True)
class Clinic:
    """The service at `http`, and its database as `world`."""

    world: World
    http: httpx.Client
    _numbers: Iterator[int] = field(default_factory=lambda: count(100))

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> httpx.Response:
        """One call, by loop's staff unless another token is named; `raw` is a body as it stands."""
        named = {"Authorization": f"Bearer {token or self.world.staff}", **(headers or {})}
        if raw is not None:
            named.setdefault("Content-Type", "application/json")
            return self.http.request(method, path, content=raw, params=query or None, headers=named)
        return self.http.request(method, path, json=body, params=query or None, headers=named)

    def get(self, path: str, *, token: str | None = None, **query: object) -> httpx.Response:
        """A GET with this query."""
        return self.call("GET", path, token=token, query=query)

    def post(self, path: str, body: object = None, **more: Any) -> httpx.Response:
        """A POST of this JSON, or of no body."""
        return self.call("POST", path, body, **more)

    @contextmanager
    def clock_at(self, instant: datetime) -> Iterator[None]:
        """The database's clock, moved so that it is this instant now; moved back afterwards."""
        self.world.shift_clock(instant - datetime.now(UTC))
        try:
            yield
        finally:
            self.world.shift_clock(timedelta(0))

    @contextmanager
    def unnumbered(self) -> Iterator[None]:
        """No event gets its place in the log meanwhile, which changes its row."""
        self.world.sql("SELECT pg_advisory_lock(hashtext('booking.number_events'))")
        try:
            yield
        finally:
            self.world.sql("SELECT pg_advisory_unlock(hashtext('booking.number_events'))")

    def new_time(self) -> datetime:
        """A full hour in which nobody else in this file does anything."""
        return self.world.at(next(self._numbers), days=3)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers)}"

    def slot(
        self,
        starts_at: datetime | None = None,
        minutes: int = 30,
        *,
        provider_id: str = "prv_kim",
        brand_id: str = LOOP,
    ) -> str:
        """A slot, at a time of its own unless one is given."""
        return self.world.add_slot(
            starts_at or self.new_time(),
            minutes,
            provider_id=provider_id,
            brand_id=brand_id,
            slot_id=self.new_id("slt"),
        )

    def provider(self, *brands: str, kind: str = "clinician") -> str:
        """A provider who works for these brands (loop), or a coach."""
        provider_id = self.new_id("prv" if kind == "clinician" else "coach")
        brands = brands or (LOOP,)
        self.world.sql(
            "INSERT INTO booking.provider (provider_id, brand_id, kind) VALUES (%s, %s, %s)",
            provider_id,
            brands[0],
            kind,
        )
        for brand_id in brands:
            self.world.sql(
                "INSERT INTO booking.affiliation (brand_id, provider_no, name)"
                " SELECT %s, provider_no, 'N. N.' FROM booking.provider WHERE provider_id = %s",
                brand_id,
                provider_id,
            )
        return provider_id

    def patient(self, brand_id: str = LOOP) -> Patient:
        """A patient with a token of their own."""
        patient_id = self.new_id("pat")
        subject = f"sub-{patient_id}"
        self.world.sql(
            "INSERT INTO booking.patient (brand_id, patient_id, subject) VALUES (%s, %s, %s)",
            brand_id,
            patient_id,
            subject,
        )
        return Patient(patient_id, self.token("patient", subject, brand_id=brand_id))

    def token(
        self,
        role: str,
        subject: str,
        *,
        brand_id: str = LOOP,
        scopes: list[str] | None = None,
    ) -> str:
        """A token of this role, with every scope but admin's unless some are named."""
        secret = f"tok-{role}-{subject}-{next(self._numbers)}"
        self.world.sql(
            "INSERT INTO booking.token (token_hash, token_id, brand_id, role, subject, scopes)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            hashlib.sha256(secret.encode()).digest(),
            self.new_id("tok"),
            brand_id,
            role,
            subject,
            ALL_SCOPES if scopes is None else scopes,
        )
        return secret

    def visit_type(self, brand_id: str = LOOP, **terms: Any) -> str:
        """A visit type of the brand's own, half an hour long unless `terms` say otherwise.

        With its first type a brand takes no others, so it also gets the one that tests book.
        """
        visit_type = self.new_id("type")
        # Times of tests lie farther ahead than a year where a file has many.
        far: dict[str, Any] = {"horizon_days": HORIZON_DAYS_MAX}
        self.world.add_visit_type("follow_up", brand_id, duration_minutes=1, **far)
        self.world.add_visit_type(visit_type, brand_id, **{**far, **terms})
        return visit_type

    def endpoint(self, brand_id: str = LOOP, url: str = "https://receiver.invalid/hook") -> str:
        """A webhook endpoint for events that tests rarely have, at a name that leads nowhere."""
        endpoint_id = self.new_id("whe")
        self.world.sql(
            "INSERT INTO booking.webhook_endpoint"
            " (endpoint_id, brand_id, url, event_types, format, secret)"
            " VALUES (%s, %s, %s, '{booking.visit.imported.v1}', 'standard', %s)",
            endpoint_id,
            brand_id,
            url,
            "whsec_" + base64.b64encode(endpoint_id.rjust(32).encode()).decode(),
        )
        return endpoint_id

    def licence(self, provider_id: str, brand_id: str = LOOP, region: str = "US-NY") -> str:
        """A licence of the provider's that has no bounds."""
        licence_id = self.new_id("lic")
        self.world.sql(
            "INSERT INTO booking.licence (licence_id, brand_id, provider_no, region, time_zone)"
            " SELECT %s, %s, provider_no, %s, 'UTC' FROM booking.provider WHERE provider_id = %s",
            licence_id,
            brand_id,
            region,
            provider_id,
        )
        return licence_id

    def visit(self, slot_id: str | None = None, **wanted: str) -> dict[str, Any]:
        """A visit that staff booked: Ada's, unless another patient is named."""
        booked = self.post("/v1/visits", self.world.book(slot_id or self.slot(), **wanted))
        assert booked.status_code == 201, booked.text
        visit: dict[str, Any] = booked.json()
        return visit

    def hold(self, slot_id: str | None = None, **wanted: str) -> dict[str, Any]:
        """A slot that staff hold for a patient of their own, unless one is named."""
        wanted = {"patient_id": wanted.get("patient_id") or self.patient().patient_id, **wanted}
        held = self.post(f"/v1/slots/{slot_id or self.slot()}/hold", wanted)
        assert held.status_code == 201, held.text
        visit: dict[str, Any] = held.json()
        return visit

    def office_hour(self, coach_id: str, **changes: object) -> dict[str, Any]:
        """A weekly rule of the coach: Mondays from nine to ten, UTC, half an hour each."""
        added = self.post(f"/v1/coaches/{coach_id}/office-hours", monday_morning(**changes))
        assert added.status_code == 201, added.text
        rule: dict[str, Any] = added.json()
        return rule

    def next_session(self, coach_id: str) -> str:
        """When the coach's next session with a seat left begins."""
        sessions: list[dict[str, str]] = self.get(f"/v1/coaches/{coach_id}/slots").json()["slots"]
        return sessions[0]["slot_at"]

    def seat(self, patient: Patient, coach_id: str | None = None) -> dict[str, Any]:
        """A seat that the patient took, in the next session of a coach (of their own)."""
        if coach_id is None:
            coach_id = self.provider(kind="coach")
            self.office_hour(coach_id)
        booked = self.post(
            f"/v1/coaches/{coach_id}/bookings",
            {"slot_at": self.next_session(coach_id)},
            token=patient.token,
        )
        assert booked.status_code == 201, booked.text
        booking: dict[str, Any] = booked.json()
        return booking


def monday_morning(**changes: object) -> dict[str, object]:
    """The body that offers office hours on Mondays from nine to ten, UTC, half an hour each."""
    return {
        "weekday": "monday",
        "start_time": "09:00:00",
        "end_time": "10:00:00",
        "time_zone": "UTC",
        "duration_minutes": 30,
        **changes,
    }


def said(instant: datetime) -> str:
    """The instant as the API writes it."""
    return instant.isoformat().replace("+00:00", "Z")


def later(text: str, **shift: float) -> str:
    """The instant this much later, both as the API writes them."""
    return said(datetime.fromisoformat(text) + timedelta(**shift))


@contextmanager
def kept_running(serve: Callable[[], AbstractAsyncContextManager[str]]) -> Iterator[str]:
    """Run an async context in a thread with a loop of its own; yields what it yields."""
    loop = asyncio.new_event_loop()
    yielded: list[str] = []
    is_up, is_over = threading.Event(), asyncio.Event()

    async def run() -> None:
        try:
            async with serve() as value:
                yielded.append(value)
                is_up.set()
                await is_over.wait()
        finally:
            is_up.set()

    def run_loop() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=run_loop, name="service")
    thread.start()
    is_up.wait(PATIENCE_SECONDS)
    try:
        assert yielded, "the service did not start"
        yield yielded[0]
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(is_over.set)
        thread.join(PATIENCE_SECONDS)
