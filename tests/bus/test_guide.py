"""The guide's consumer reads what is published, as it stands on the page."""

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from bookwell.usecases.bus import Publisher
from documents import DOCS
from nats_servers import NatsServer
from world import World
from written_events import write_visits

GUIDE = DOCS / "how-to" / "publish-on-nats.md"


async def test_the_guides_consumer_gets_each_event_in_its_order(
    world: World, nats_server: NatsServer, new_publisher: Callable[..., Publisher], tmp_path: Path
) -> None:
    write_visits(world, visits=1, events=3)
    await new_publisher().publish_waiting()
    program = re.search(r"```python\n(.+?)```", GUIDE.read_text(), re.DOTALL)
    assert program is not None
    (tmp_path / "consumer.py").write_text(program[1])

    consumer = await asyncio.create_subprocess_exec(
        *(sys.executable, str(tmp_path / "consumer.py")),
        env={**os.environ, "NATS_URL": nats_server.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaint = await consumer.communicate()

    assert consumer.returncode == 0, complaint.decode()
    told = [line.split() for line in printed.decode().splitlines()]
    assert [(name, number) for name, _, number in told] == [
        ("booking.visit.created.v1", "1"),
        ("booking.visit.rescheduled.v1", "2"),
        ("booking.visit.rescheduled.v1", "3"),
    ]
