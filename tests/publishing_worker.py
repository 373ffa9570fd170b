"""What a worker does about events, in a process that tests may kill: number them, publish them.

python publishing_worker.py      with the settings in the environment
"""

import asyncio
from contextlib import AsyncExitStack

from bookwell.chores import Chores, hear_events, keep_events_numbered
from bookwell.publishing import publish_events
from bookwell.settings import Settings
from bookwell.storage.database import Database


async def work() -> None:
    settings = Settings.from_environment()
    assert settings.database_url is not None
    async with AsyncExitStack() as stack:
        database = await Database.connect(settings.database_url, pool_size=4)
        stack.push_async_callback(database.close)
        chores = Chores(stack)
        heard = hear_events(chores, settings.database_url)
        keep_events_numbered(chores, database)
        publish_events(chores, database, heard, settings)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work())
