"""One courier process: works until it is told to stop, with the settings in its environment.

    python -m bookwell.processes.courier LIFELINE_FD

When it is told to stop, it waits some seconds for receivers to answer and gives back the rest. What
it had in hand when it was killed is free when the leases end, and whoever comes next goes on.
"""

import asyncio
import gc
import signal
import sys

import uvloop

from bookwell import logs
from bookwell.courier import at_work
from bookwell.processes.lifeline import leave_with
from bookwell.settings import Settings


def main() -> None:
    leave_with(int(sys.argv[1]))
    settings = Settings.from_environment()
    logs.set_up(settings.log_level, settings.log_format)
    uvloop.run(_work_until_told(settings))


async def _work_until_told(settings: Settings) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with at_work(settings):
        # As in a worker: what is there now stays, and need not be looked through for garbage.
        gc.collect()
        gc.freeze()
        await told.wait()


if __name__ == "__main__":
    main()
