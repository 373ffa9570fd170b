"""The race itself: clients for a bounded time, then an answer for every call that had none."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime

import httpx
from msgspec import structs

from bookwell.prove.board import Board
from bookwell.prove.calls import Door
from bookwell.prove.clients import Client
from bookwell.prove.history import Attempt, History, World
from bookwell.prove.keys import repeated

# A call that nobody answered is sent again so often, with a pause; the service may be recovering.
RESOLVE_TRIES_MAX = 60
RESOLVE_PAUSE_SECONDS = 0.5
RESOLVERS = 8


async def race(
    http: httpx.AsyncClient,
    world: World,
    *,
    clients: int,
    seconds: float,
    seed: int,
    beside: AbstractContextManager[object] | None = None,
) -> tuple[History, float]:
    """Let so many clients race for so long, and return everything that was said.

    What happens `beside` is entered when the race begins, and left before lost calls are sent
    again, each in a thread. The second value is when the race began, by `time.monotonic`.
    """
    door = Door(http, world.brand_id)
    board = Board(world)
    racers = [Client(number, seed, board, door) for number in range(clients)]
    numbers = itertools.count(1)
    door.open()
    began_at = datetime.now(UTC)
    async with in_threads(beside or nullcontext()):
        await asyncio.gather(*(each.run(seconds, numbers, world.brand_id) for each in racers))
    attempts = [attempt for each in racers for attempt in each.attempts]
    attempts = await repeated(door, await _resolved(door, attempts), seed)
    attempts.sort(key=lambda attempt: (attempt.called_at, attempt.number))
    return History(world=structs.replace(world, began_at=began_at), attempts=attempts), door.began


@asynccontextmanager
async def in_threads(beside: AbstractContextManager[object]) -> AsyncIterator[None]:
    """As `with beside`, which may take its time to begin and to end while others go on."""
    await asyncio.to_thread(beside.__enter__)
    try:
        yield
    except BaseException:
        await asyncio.to_thread(beside.__exit__, *sys.exc_info())
        raise
    await asyncio.to_thread(beside.__exit__, None, None, None)


async def _resolved(door: Door, attempts: list[Attempt]) -> list[Attempt]:
    """The attempts, each unanswered write with the answer that its key leads to by now."""
    turn = asyncio.Semaphore(RESOLVERS)

    async def resolve(attempt: Attempt) -> Attempt:
        if attempt.key is None or attempt.outcome is not None:
            return attempt
        async with turn:
            for _ in range(RESOLVE_TRIES_MAX):
                attempt, wait = await door.call_again(attempt)
                if attempt.outcome is not None:
                    break
                await asyncio.sleep(max(wait, RESOLVE_PAUSE_SECONDS))
        return attempt

    return list(await asyncio.gather(*(resolve(attempt) for attempt in attempts)))
