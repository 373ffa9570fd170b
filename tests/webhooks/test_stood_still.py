"""A worker that stands still for longer than its lease has lost it, whatever it was about to do."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import psycopg
import pytest

from bookwell.domain.windows import ROOM_AT_FIRST
from bookwell.gateways.outbound import Outbound
from bookwell.storage import deliveries
from bookwell.storage.database import Database
from bookwell.usecases import deliveries as sending_module
from bookwell.usecases.deliveries import Sender
from commands import environment_of
from posting import PostOffice, until
from receivers import Answer, Received, Receiver, status
from waiting import sessions_wait_for_locks
from world import World

SENDER = """
import asyncio, signal, sys
from bookwell.domain.windows import ROOM_AT_FIRST
from bookwell.gateways.outbound import Outbound
from bookwell.storage.database import Database
from bookwell.usecases.deliveries import Sender

async def main():
    database = await Database.connect(sys.argv[1], pool_size=4)
    outbound = Outbound(allow_loopback=True)
    sender = Sender(database, outbound, worker_id="stopped", note=lambda _: None, note_bug=print)
    task = asyncio.create_task(sender.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.gather(task, return_exceptions=True)
    await outbound.close()
    await database.close()

asyncio.run(main())
"""


@pytest.fixture
def office(world: World) -> PostOffice:
    """Nobody sends yet."""
    return PostOffice(world)


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    # One connection, which knows the statements soon and then asks with one message.
    database = await Database.connect(world.database_url, pool_size=1)
    yield database
    await database.close()


async def test_a_worker_that_was_stopped_changes_nothing_of_what_its_successor_does(
    office: PostOffice, receiver: Receiver, database: Database
) -> None:
    answers = Held()
    receiver.decide = answers.decide
    endpoint_id = office.endpoint(receiver.url)
    office.send(endpoint_id, "vis_1")
    number(office)
    with sender_process(office.world) as process:
        await asyncio.to_thread(receiver.wait_for, 1, seconds=40)
        process.send_signal(signal.SIGSTOP)

        async with sending(database, "successor"):
            await asyncio.to_thread(receiver.wait_for, 2, seconds=40)
            answers.let_go(1, status(200))
            process.send_signal(signal.SIGCONT)
            process.terminate()
            await asyncio.to_thread(process.wait, 40)

            assert in_hand(office, endpoint_id) == [("pending", "successor", 2)]
            answers.let_go(2, status(200))
            await asyncio.to_thread(office.all_are, endpoint_id, "delivered", seconds=40)

    assert office.attempts(endpoint_id) == [(1, None, "interrupted"), (2, 200, None)]


# When leases are looked after: not before what was taken is sent, and long before it.
@pytest.mark.parametrize("renew_seconds", [3600, 0.01])
async def test_what_was_taken_before_the_worker_stood_still_is_not_sent_after(
    office: PostOffice,
    receiver: Receiver,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    renew_seconds: float,
) -> None:
    for module in (deliveries, sending_module):
        monkeypatch.setattr(module, "LEASE", timedelta(seconds=2))
    monkeypatch.setattr(sending_module, "RENEW_SECONDS", renew_seconds)
    endpoint_id = office.endpoint(receiver.url)
    async with sending(database, "one"):
        # From then on there is a connection, and nothing to wait for before it is used.
        (before,) = office.send(endpoint_id, "vis_before")
        number(office)
        await asyncio.to_thread(office.all_are, endpoint_id, "delivered", seconds=40)
        # As many as it has room for, so that one it never let go would be missed.
        late = office.send(endpoint_id, *(f"vis_late_{n}" for n in range(ROOM_AT_FIRST + 1)))
        with psycopg.connect(office.world.database_url) as ahead:
            ahead.execute("LOCK TABLE booking.delivery")
            ahead.execute(NUMBER)
            await sessions_wait_for_locks(office.world, 1)

            stand_still_until_another_has_it(office, ahead)
        (after,) = office.send(endpoint_id, "vis_after")
        number(office)
        await asyncio.to_thread(until, lambda: after in receiver.events(), seconds=40)

    assert receiver.events() == [before, after]
    assert in_hand(office, endpoint_id) == [("pending", "another", 2)] * len(late)


def stand_still_until_another_has_it(
    office: PostOffice, ahead: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    """Let the look for work go on, and this event loop with its sender stand still.

    Its delivery is in the sender's hands by then, but the answer that says so is not read yet.
    """
    ahead.commit()
    late = "SELECT 1 FROM booking.delivery WHERE status = 'pending' AND leased_until"
    until(lambda: office.world.sql(f"{late} IS NOT NULL"), seconds=40)
    until(lambda: office.world.sql(f"{late} < now()"), seconds=40)
    office.world.sql(
        "UPDATE booking.delivery SET leased_by = 'another', attempts = 2,"
        " leased_until = now() + interval '1 hour' WHERE status = 'pending'"
    )


def in_hand(office: PostOffice, endpoint_id: str) -> list[tuple[object, ...]]:
    """Status, whose it is and the number of attempts, of what is not settled."""
    return office.world.sql(
        "SELECT status, leased_by, attempts FROM booking.delivery"
        " WHERE endpoint_id = %s AND status = 'pending'",
        endpoint_id,
    )


class Held:
    """Answers that are kept back, by the number of the attempt, until they are let go."""

    def __init__(self) -> None:
        self._let_go: dict[int, Answer] = {}

    def let_go(self, attempt: int, answer: Answer) -> None:
        self._let_go[attempt] = answer

    def decide(self, request: Received) -> Answer:
        async def answer(writer: asyncio.StreamWriter) -> None:
            while request.attempt not in self._let_go:
                await asyncio.sleep(0.01)
            await self._let_go[request.attempt](writer)

        return answer


NUMBER = "SELECT booking.number_events(1000, 0)"


def number(office: PostOffice) -> None:
    ((count,),) = office.world.sql(NUMBER)
    assert count


@asynccontextmanager
async def sending(database: Database, worker_id: str) -> AsyncIterator[None]:
    """A sender in this loop, stopped at the end."""
    bugs: list[Exception] = []
    outbound = Outbound(allow_loopback=True, attempt_seconds=60)
    sender = Sender(
        database, outbound, worker_id=worker_id, note=lambda _failure: None, note_bug=bugs.append
    )
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbound.close()
    assert not bugs


@contextmanager
def sender_process(world: World) -> Iterator["subprocess.Popen[bytes]"]:
    """A sender in a process of its own, which ends when it has written down what it did."""
    process = subprocess.Popen(
        [sys.executable, "-c", SENDER, world.database_url], env=environment_of()
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
