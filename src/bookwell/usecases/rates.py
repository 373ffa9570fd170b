"""Rate limits per caller and minute (CONTRACT.md section 2, decision 15).

Each worker counts in memory and adds its counts to the database's several times a second, so the
limit holds for all workers together, at most one exchange late. Without a database each worker
goes on alone: a limit is no reason to refuse anybody.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from bookwell.domain.callers import Caller
from bookwell.domain.errors import RateLimited
from bookwell.storage import rates
from bookwell.storage.database import Database
from bookwell.storage.rates import Counted

# How long two workers may count past each other.
EXCHANGE_SECONDS = 0.25
_MINUTE = 60


# Brand, caller, kind and minute: who is counted. The brand is the token's own; one that a service
# names for a request would give it a fresh count for each name.
_Place = tuple[str, str, str, int]


@dataclass(slots=True)
class _Count:
    own: int = 0
    elsewhere: int = 0
    told: int = 0


class RateLimits:
    """Counts calls; `limits` is by kind (reads, writes, admin), 0 for none."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = limits
        self._counts: dict[_Place, _Count] = {}

    def count(self, caller: Caller, *, kind: str) -> None:
        """Count one call; RateLimited when it is one too many in this minute."""
        limit = self._limits[kind]
        if limit == 0:
            return
        now = time.time()
        minute = int(now // _MINUTE)
        place = (caller.brand_id or "*", f"{caller.role}:{caller.subject}", kind, minute)
        count = self._counts.get(place)
        if count is None:
            count = self._counts[place] = _Count()
        count.own += 1
        if count.own + count.elsewhere > limit:
            raise RateLimited(retry_after_ms=int(((minute + 1) * _MINUTE - now) * 1000) + 1)

    async def exchange(self, database: Database) -> None:
        """Add what was counted here to the database's sums, and learn the others'."""
        this_minute = int(time.time() // _MINUTE)
        untold = {place: count for place, count in self._counts.items() if count.own > count.told}
        for place in [place for place in self._counts if place[3] < this_minute]:
            del self._counts[place]
        if not untold:
            return
        telling = [
            Counted(
                brand_id=brand_id,
                caller=caller,
                kind=kind,
                minute=minute,
                call_count=count.own - count.told,
            )
            for (brand_id, caller, kind, minute), count in untold.items()
        ]
        async with database.reading() as connection:
            sums = await rates.add(connection, telling)
            await rates.sweep(connection, before_minute=this_minute - 1)
        # Only now: what a failed exchange did not tell is told by the next one.
        for place, counted in zip(untold, telling, strict=True):
            count = untold[place]
            count.told += counted.call_count
            count.elsewhere = sums[place] - count.told
