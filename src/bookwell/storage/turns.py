"""Turns of those who may wait for a lock of PostgreSQL, and have a connection meanwhile."""

import asyncio
from typing import Literal

from bookwell.domain.errors import DatabaseUnavailable

# As long as a lock is waited for; who has not had their turn by then is told to try again.
TURN_SECONDS_MAX = 5.0


class Turns(asyncio.Semaphore):
    """So many at once; the others wait without a connection, and not for ever."""

    async def acquire(self) -> Literal[True]:
        """Wait for a turn.

        Raises:
            DatabaseUnavailable: The others took too long.
        """
        if not self.locked():
            return await super().acquire()
        try:
            async with asyncio.timeout(TURN_SECONDS_MAX):
                return await super().acquire()
        except TimeoutError as error:
            raise DatabaseUnavailable from error
