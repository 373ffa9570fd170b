"""What the soak's callers do: book, hold, confirm, cancel, look. What is taken is given back."""

import asyncio
import json
import random
import time
from collections import Counter, deque
from datetime import timedelta
from itertools import count
from typing import Any

from bench.client import Client, LostConnectionError
from bench.scale import BRAND, FIRST_ID, Scale, days_from
from bench.scenario import Request

# Of a hundred errands so many are of each kind.
_KINDS = {"book_and_cancel": 40, "hold_and_confirm": 25, "hold_and_let_go": 10, "look": 25}
# Enough latencies for a percentile, however long it lasts.
_LATENCIES_MAX = 200_000


class Errands:
    """Shared by all callers: the pace, the free slots, and the counts."""

    def __init__(self, scale: Scale, *, rate: float, seconds: float) -> None:
        self._scale = scale
        self._free = deque(random.Random(0).sample(range(scale.slots), scale.slots))
        self._gap = 1 / rate
        self._next_at = time.monotonic()
        self.deadline = self._next_at + seconds
        self._keys = count()
        self._chance = random.Random(1)
        self.calls: Counter[str] = Counter()
        self.unexpected: Counter[str] = Counter()
        self.latencies: deque[float] = deque(maxlen=_LATENCIES_MAX)
        self.slowest = 0.0

    async def caller(self, client: Client) -> None:
        """One errand after the other, until the time is over."""
        kinds = list(_KINDS)
        weights = list(_KINDS.values())
        while time.monotonic() < self.deadline:
            (kind,) = self._chance.choices(kinds, weights)
            slot = self._free.popleft()
            try:
                await getattr(self, f"_{kind}")(client, slot)
            except LostConnectionError:
                self.unexpected["lost connections"] += 1
            finally:
                self._free.append(slot)
        client.close()

    async def _book_and_cancel(self, client: Client, slot: int) -> None:
        body = {**self._person(), "slot_id": str(FIRST_ID + slot), "visit_type": "follow_up"}
        visit = await self._post(client, "book", 201, "/v1/visits", body)
        if visit is not None:
            await self._get(client, f"/v1/visits/{visit['id']}")
            await self._cancel(client, visit)

    async def _hold_and_confirm(self, client: Client, slot: int) -> None:
        visit = await self._hold(client, slot)
        if visit is None:
            return
        path = f"/v1/visits/{visit['id']}/confirm"
        if await self._post(client, "confirm", 200, path, {"reason": "A soak."}) is not None:
            await self._cancel(client, visit)

    async def _hold_and_let_go(self, client: Client, slot: int) -> None:
        visit = await self._hold(client, slot)
        if visit is not None:
            await self._cancel(client, visit)

    async def _look(self, client: Client, slot: int) -> None:
        provider_id = FIRST_ID + slot % self._scale.providers
        until_at = days_from() + timedelta(days=7)
        await self._get(
            client,
            f"/v1/providers/{provider_id}/slots?brand_id={BRAND}"
            f"&from={days_from():%Y-%m-%dT%H:%M:%SZ}&to={until_at:%Y-%m-%dT%H:%M:%SZ}",
        )
        patient_id = self._person()["patient_id"]
        await self._get(client, f"/v1/visits?brand_id={BRAND}&patient_id={patient_id}")
        await self._get(client, f"/v1/visits?brand_id={BRAND}&limit=20")

    async def _hold(self, client: Client, slot: int) -> dict[str, Any] | None:
        path = f"/v1/slots/{FIRST_ID + slot}/hold"
        return await self._post(client, "hold", 201, path, self._person())

    async def _cancel(self, client: Client, visit: dict[str, Any]) -> None:
        path = f"/v1/visits/{visit['id']}/cancel"
        await self._post(client, "cancel", 200, path, {"reason": "ill"})

    def _person(self) -> dict[str, str]:
        patient = self._chance.randrange(self._scale.patients)
        return {"brand_id": BRAND, "patient_id": str(FIRST_ID + patient)}

    async def _post(
        self, client: Client, name: str, success: int, path: str, body: dict[str, str]
    ) -> dict[str, Any] | None:
        request = Request(path=path, body=json.dumps(body), key=f"soak-{next(self._keys)}")
        return await self._call(client, name, success, request)

    async def _get(self, client: Client, path: str) -> None:
        await self._call(client, "read", 200, Request(method="GET", path=path))

    async def _call(
        self, client: Client, name: str, success: int, request: Request
    ) -> dict[str, Any] | None:
        await self._pace()
        began = time.perf_counter()
        status, answer = await client.call(request)
        took = time.perf_counter() - began
        self.latencies.append(took)
        self.slowest = max(self.slowest, took)
        self.calls[name] += 1
        if status == success:
            found: dict[str, Any] = answer
            return found
        self.unexpected[f"{name} {status} {answer.get('error')}"] += 1
        return None

    async def _pace(self) -> None:
        """Wait for our turn; turns that nobody could take are not made up for."""
        now = time.monotonic()
        self._next_at = max(self._next_at + self._gap, now - self._gap)
        await asyncio.sleep(max(0.0, self._next_at - now))
