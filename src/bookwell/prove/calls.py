"""The calls of a race over HTTP: from an attempt to a request, and from the answer to a record."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import msgspec
from msgspec import Struct, structs

from bookwell.prove.history import SERVER_ERROR, Answer, Attempt, Operation

# Longer than the service itself gives any of its work.
ANSWER_PATIENCE_SECONDS = 15.0
# Where processes are killed, a connection may hang that nobody will ever answer.
PATIENCE_WITH_FAULTS_SECONDS = 4.0
_REFUSED_FROM = 400


class Body(Struct, kw_only=True):
    """What any answer may say of a visit or a seat, or of why there is none."""

    id: str | None = None
    status: str | None = None
    slot_id: str | None = None
    version: int | None = None
    created_at: datetime | None = None
    hold_expires_at: datetime | None = None
    error: str | None = None
    retry_after_ms: int | None = None


class Door:
    """The service as the clients meet it."""

    def __init__(self, http: httpx.AsyncClient, brand_id: str) -> None:
        self._http = http
        self._brand_id = brand_id
        self._began = time.monotonic()

    def open(self) -> None:
        """The race begins now."""
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the race began."""
        return time.monotonic() - self._began

    @property
    def began(self) -> float:
        """When the race began, as `time.monotonic` counts."""
        return self._began

    async def call(self, attempt: Attempt) -> tuple[Attempt, float]:
        """Make the call, and return the attempt with what came of it.

        The second value is how long the service asks its caller to wait, in seconds.
        """
        answer, lost_because, wait = await self._ask(attempt)
        if answer is not None:
            return structs.replace(attempt, answer=answer), wait
        return structs.replace(attempt, lost_at=self.seconds, lost_because=lost_because), wait

    async def call_again(self, attempt: Attempt) -> tuple[Attempt, float]:
        """The same call with the same key; the attempt is as it was where that is lost too."""
        called_at = self.seconds
        answer, _, wait = await self._ask(attempt)
        if answer is None or answer.error == "rate_limited":
            return attempt, wait
        return structs.replace(attempt, resolve_called_at=called_at, resolved=answer), wait

    async def _ask(self, attempt: Attempt) -> tuple[Answer | None, str | None, float]:
        method, path, body = request_of(attempt, self._brand_id)
        headers = {"Idempotency-Key": attempt.key} if attempt.key else {}
        try:
            response = await self._http.request(method, path, json=body, headers=headers)
        except (httpx.TransportError, OSError) as error:
            return None, type(error).__name__, 0.0
        at = self.seconds
        try:
            said = msgspec.json.decode(response.content, type=Body)
        except msgspec.DecodeError:
            return None, f"{response.status_code} and no JSON of ours", 0.0
        if response.status_code >= SERVER_ERROR:
            return None, f"{response.status_code} {said.error}", 0.0
        return _answer(response, said, at), None, (said.retry_after_ms or 0) / 1000


def _answer(response: httpx.Response, said: Body, at: float) -> Answer:
    is_refused = response.status_code >= _REFUSED_FROM
    hold_seconds = None
    if said.status == "held" and said.hold_expires_at and said.created_at:
        hold_seconds = (said.hold_expires_at - said.created_at).total_seconds()
    return Answer(
        at=at,
        status=response.status_code,
        error=(said.error or "an error without a code") if is_refused else None,
        id=said.id,
        state=said.status,
        slot_id=said.slot_id,
        version=said.version,
        hold_seconds=hold_seconds,
        is_replay=response.headers.get("Idempotency-Replayed") == "true",
        request_id=response.headers.get("X-Request-Id"),
    )


Request = tuple[str, str, dict[str, Any] | None]


def request_of(attempt: Attempt, brand_id: str) -> Request:
    """Method, path and body."""
    return _REQUESTS[attempt.operation](attempt, brand_id)


def _book(attempt: Attempt, brand_id: str) -> Request:
    body = {
        "brand_id": brand_id,
        "patient_id": attempt.patient_id,
        "slot_id": attempt.slot_id,
        "visit_type": "prove",
    }
    if attempt.operation is Operation.BOOK_HELD:
        body["hold_id"] = attempt.visit_id
    return "POST", "/v1/visits", body


def _hold(attempt: Attempt, brand_id: str) -> Request:
    body = {"brand_id": brand_id, "patient_id": attempt.patient_id}
    return "POST", f"/v1/slots/{attempt.slot_id}/hold", body


def _reschedule(attempt: Attempt, _brand_id: str) -> Request:
    path = f"/v1/visits/{attempt.visit_id}/reschedule"
    return "POST", path, {"new_slot_id": attempt.slot_id}


def _book_seat(attempt: Attempt, _brand_id: str) -> Request:
    assert attempt.slot_at is not None, "a seat is one of a session"
    body = {"slot_at": attempt.slot_at.isoformat(), "patient_id": attempt.patient_id}
    return "POST", f"/v1/coaches/{attempt.coach_id}/bookings", body


_REQUESTS: dict[Operation, Callable[[Attempt, str], Request]] = {
    Operation.BOOK: _book,
    Operation.BOOK_HELD: _book,
    Operation.HOLD: _hold,
    Operation.CONFIRM: lambda a, _: ("POST", f"/v1/visits/{a.visit_id}/confirm", None),
    Operation.RESCHEDULE: _reschedule,
    Operation.CANCEL: lambda a, _: ("POST", f"/v1/visits/{a.visit_id}/cancel", None),
    Operation.READ: lambda a, _: ("GET", f"/v1/visits/{a.visit_id}", None),
    Operation.BOOK_SEAT: _book_seat,
    Operation.CANCEL_SEAT: lambda a, _: ("DELETE", f"/v1/bookings/{a.booking_id}", None),
    Operation.CHECK_IN: lambda a, _: ("POST", f"/v1/visits/{a.visit_id}/check-in", None),
    Operation.COMPLETE: lambda a, _: ("POST", f"/v1/visits/{a.visit_id}/complete", None),
}
