"""Lets callers who want the same answer at the same time share one call."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Answer = TypeVar("Answer")


class SingleFlight(Generic[Key, Answer]):
    """One call in flight for each key.

    A call belongs to nobody: a caller who gives up leaves it to the others. It must end by itself.
    """

    def __init__(self) -> None:
        self._flights: dict[Key, asyncio.Task[Answer]] = {}

    async def share(self, key: Key, call: Callable[[], Coroutine[Any, Any, Answer]], /) -> Answer:
        """The answer of the call in flight for `key`, or of `call`, which then is the one."""
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(call())
            self._flights[key] = flight
            # The first callback, so whoever asks after the answer is there starts anew.
            flight.add_done_callback(lambda _: self._flights.pop(key))
        # Unlike awaiting the task, waiting for it does not pass on our own cancellation.
        await asyncio.wait((flight,))
        return flight.result()

    async def landed(self) -> None:
        """Wait until every call that is now in flight has ended, well or badly."""
        if self._flights:
            await asyncio.wait(tuple(self._flights.values()))
