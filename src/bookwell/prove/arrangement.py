"""The world of a race, made through the service's own API: a brand, and what there is to race for.

Providers offer hours of four slots each: two halves, the whole, and a half from the middle. A visit
in any of them is in the way of two or three of the others. A coach offers sessions of a few seats.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import httpx
import msgspec
from ulid import ULID

from bookwell.prove.history import OfferedSession, OfferedSlot, World

# Far enough ahead that no slot begins while anybody races.
AHEAD = timedelta(days=7)
HOURS_OF_A_PROVIDER = range(9, 12)
# Where in its hour each slot begins and ends, in minutes.
PARTS_OF_AN_HOUR = ((0, 30), (30, 60), (0, 60), (15, 45))
CLIENTS_PER_PROVIDER = 4
PROVIDERS_MIN = 2
SESSIONS_FROM, SESSIONS_UNTIL = time(9), time(11)
SESSION_MINUTES = 30
SEATS = 3
# A service that answers 429 says how long to wait; this often that is done.
TRIES_MAX = 5

Json = dict[str, Any]


class CannotProve(Exception):
    """Says in one sentence why there is no race."""


class Asking:
    """Calls that must succeed before there can be a race."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def post(self, path: str, body: Json) -> Json:
        """The answer to it. Raises CannotProve."""
        return await self._ask("POST", path, body)

    async def get(self, path: str) -> Json:
        """The answer to it. Raises CannotProve."""
        return await self._ask("GET", path, None)

    async def _ask(self, method: str, path: str, body: Json | None) -> Json:
        for _ in range(TRIES_MAX):
            try:
                response = await self._http.request(method, path, json=body)
            except (httpx.TransportError, OSError) as error:
                raise CannotProve(
                    f"The service at {self._http.base_url} cannot be reached: "
                    f"{error or type(error).__name__}."
                ) from error
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
        return json_of(response, f"{method} {path}")


async def arrange(http: httpx.AsyncClient, *, clients: int) -> World:
    """Make a brand of its own with providers, patients, slots and office hours for the clients.

    Raises:
        CannotProve: The service cannot be reached, or does not let this token do it.
    """
    now = datetime.now(UTC)
    brand_id = f"prove-{ULID()}".lower()
    http.headers["X-Brand-Id"] = brand_id
    asking = Asking(http)
    await asking.post("/v1/admin/brands", {"id": brand_id, "name": "bookwell prove"})
    day = (now + AHEAD).replace(hour=0, minute=0, second=0, microsecond=0)
    slots: list[OfferedSlot] = []
    for number in range(max(PROVIDERS_MIN, -(-clients // CLIENTS_PER_PROVIDER))):
        provider_id = f"{brand_id}-clinician-{number + 1}"
        await asking.post(
            "/v1/admin/providers", {"id": provider_id, "name": f"Clinician {number + 1}"}
        )
        slots += [await _offer(asking, brand_id, provider_id, *part) for part in _parts_of(day)]
    patients = [f"{brand_id}-patient-{number + 1}" for number in range(clients)]
    for patient_id in patients:
        await asking.post("/v1/admin/patients", {"id": patient_id})
    return World(
        brand_id=brand_id,
        began_at=now,
        slots=slots,
        sessions=await office_hours(asking, f"{brand_id}-coach", day),
        patients=patients,
    )


def _parts_of(day: datetime) -> Iterator[tuple[datetime, datetime]]:
    for hour in HOURS_OF_A_PROVIDER:
        for begins, ends in PARTS_OF_AN_HOUR:
            opens = day + timedelta(hours=hour)
            yield opens + timedelta(minutes=begins), opens + timedelta(minutes=ends)


async def _offer(
    asking: Asking, brand_id: str, provider_id: str, starts_at: datetime, ends_at: datetime
) -> OfferedSlot:
    wanted = {"brand_id": brand_id, "start_time": said(starts_at), "end_time": said(ends_at)}
    slot = await asking.post(f"/v1/providers/{provider_id}/slots", wanted)
    return OfferedSlot(
        slot_id=slot["id"], provider_id=provider_id, starts_at=starts_at, ends_at=ends_at
    )


async def office_hours(asking: Asking, coach_id: str, day: datetime) -> list[OfferedSession]:
    """A coach with sessions on that day. Raises CannotProve."""
    coach = {"id": coach_id, "name": "Coach", "kind": "coach"}
    await asking.post("/v1/admin/providers", coach)
    rule = {
        "weekday": day.strftime("%A").lower(),
        "start_time": SESSIONS_FROM.isoformat(),
        "end_time": SESSIONS_UNTIL.isoformat(),
        "time_zone": "UTC",
        "duration_minutes": SESSION_MINUTES,
        "capacity": SEATS,
        "valid_from": day.date().isoformat(),
        "valid_until": day.date().isoformat(),
    }
    await asking.post(f"/v1/coaches/{coach_id}/office-hours", rule)
    sessions = await asking.get(f"/v1/coaches/{coach_id}/slots")
    return [
        OfferedSession(
            coach_id=coach_id,
            slot_at=datetime.fromisoformat(session["slot_at"]),
            capacity=session["seats_left"],
        )
        for session in sessions["slots"]
    ]


def said(instant: datetime) -> str:
    """As the API takes it."""
    return instant.isoformat().replace("+00:00", "Z")


def json_of(response: httpx.Response, call: str) -> Json:
    """What a call was answered that had to succeed. Raises CannotProve."""
    try:
        said = msgspec.json.decode(response.content, type=Json)
    except msgspec.DecodeError as error:
        raise CannotProve(
            f"What answers {call} with {response.status_code} is no bookwell."
        ) from error
    if response.is_success:
        return said
    hint = ""
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        hint = " It takes the token of a service of the whole platform with admin:booking."
    message = str(said.get("message", "")).removesuffix(".")
    raise CannotProve(f"{call} was answered {response.status_code}: {message}.{hint}")
