"""Sends events to webhook endpoints: takes what is due, posts it, writes down what came of it.

Nothing is posted inside a transaction. A delivery is taken by one statement, posted while its lease
is renewed, and settled by another statement, so a worker may die at any point: what it had in hand
is sent again by others, with the same id.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from bookwell.domain.errors import BookwellError
from bookwell.domain.windows import Window
from bookwell.gateways.outbound import INTERRUPTED, Outbound
from bookwell.storage import deliveries
from bookwell.storage.database import Database
from bookwell.storage.deliveries import LEASE, PULLED_MAX, Outcome, Sending
from bookwell.usecases.attempts import attempt, broken_off

# A worker posts so many at once, to all endpoints together.
IN_HAND_MAX = 512
# What others put off comes due without anybody announcing it.
LOOK_SECONDS = 1.0
# What was put off here, for so long at most, is looked for when its time comes.
WAKE_SECONDS_MAX = 10.0
RENEW_SECONDS = 2.0
RENEW_TIMEOUT_SECONDS = 1.0
# Of a lease this much must be left; with less, somebody else may begin while we are still at it.
LEASE_MARGIN = timedelta(seconds=1)
# A worker that stops waits so long for the answers that are on their way.
DRAIN_SECONDS = 5.0
AGAIN_SECONDS = 0.5
FINISHED_AT_ONCE = 500
# Endpoints whose windows are remembered; one that is forgotten begins anew.
WINDOWS_MAX = 1000


class Failure(NamedTuple):
    """What a log may say of an attempt that failed."""

    endpoint_id: str
    cause: str
    http_status: int | None


@dataclass(slots=True)
class _InHand:
    """An attempt under way or waiting to be written down; `until` is by the monotonic clock."""

    sending: Sending
    task: "asyncio.Task[None]"
    until: float

    @property
    def is_kept(self) -> bool:
        """Whether the lease is good for as long as it takes to say something."""
        return time.monotonic() + LEASE_MARGIN.total_seconds() <= self.until


class Sender:
    """Delivers for one worker, in one event loop: `run` it, `wake` it when there is news.

    `note` is told of each attempt that failed, `note_bug` of what must never happen.
    """

    def __init__(
        self,
        database: Database,
        outbound: Outbound,
        *,
        worker_id: str,
        note: Callable[[Failure], None],
        note_bug: Callable[[Exception], None],
    ) -> None:
        self._database = database
        self._outbound = outbound
        self._worker_id = worker_id
        self._note = note
        self._note_bug = note_bug
        self._woken = asyncio.Event()
        self._in_hand: dict[int, _InHand] = {}
        self._windows: dict[str, Window] = {}
        # Until when an endpoint that takes nothing is left alone, by the monotonic clock.
        self._rests: dict[str, float] = {}
        self._outcomes: list[Outcome] = []
        self._has_outcomes = asyncio.Event()
        self._recovered: asyncio.Queue[str] = asyncio.Queue()

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    def _wake_in(self, seconds: float) -> None:
        if seconds <= WAKE_SECONDS_MAX:
            asyncio.get_running_loop().call_later(seconds, self._woken.set)

    async def run(self) -> None:
        """Send until cancelled; then what is on its way ends soon, or is given back."""
        background = [
            asyncio.create_task(work())
            for work in (self._keep_leases, self._keep_finishing, self._keep_pulling)
        ]
        try:
            while True:
                await self._guarded(self._send_what_is_due)
                await self._until_woken()
        finally:
            await self._let_attempts_end()
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            # Whatever cannot be written now is sent again by whoever comes when the leases end.
            while self._outcomes and await self._guarded(self._finish):
                pass

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do it, and say whether it went well. One bad turn must not end all sending."""
        try:
            await work()
        except BookwellError:
            # The database is away, or too much is going on. Every chore says so.
            return False
        except Exception as error:  # noqa: BLE001 - told, and done again
            self._note_bug(error)
            return False
        return True

    # Taking

    async def _until_woken(self) -> None:
        timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._woken.set)
        await self._woken.wait()
        timer.cancel()
        self._woken.clear()

    async def _send_what_is_due(self) -> None:
        free = IN_HAND_MAX - len(self._in_hand)
        if free <= 0:
            return
        asked_at = time.monotonic()
        async with self._database.reading() as connection:
            taken = await deliveries.claim(
                connection, worker_id=self._worker_id, rooms=self._rooms(), row_limit=free
            )
        for sending in taken:
            self._start(sending, until=asked_at + LEASE.total_seconds())

    def _rooms(self) -> dict[str, int]:
        """For how many more there is room, of each endpoint that was sent to lately."""
        busy = [held.sending.endpoint_id for held in self._in_hand.values()]
        if len(self._windows) > WINDOWS_MAX:
            self._windows = {each: self._windows[each] for each in set(busy)}
            self._rests = {each: at for each, at in self._rests.items() if each in self._windows}
        now = time.monotonic()
        rooms = {
            endpoint_id: 0 if self._rests.get(endpoint_id, 0.0) > now else window.room
            for endpoint_id, window in self._windows.items()
        }
        for endpoint_id in busy:
            rooms[endpoint_id] = max(0, rooms[endpoint_id] - 1)
        return rooms

    def _start(self, sending: Sending, *, until: float) -> None:
        earlier = self._in_hand.get(sending.delivery_no)
        if earlier is not None:
            # Its lease was lost, and it was nobody else but we who took it over.
            earlier.task.cancel()
        window = self._windows.setdefault(sending.endpoint_id, Window())
        task = asyncio.create_task(self._send(sending, sent_in=window.turn))
        held = self._in_hand[sending.delivery_no] = _InHand(sending, task, until)
        task.add_done_callback(lambda _task: self._forget_unbegun(held))

    def _forget_unbegun(self, held: _InHand) -> None:
        """A task that was cancelled before it began leaves no outcome that would end it."""
        delivery_no = held.sending.delivery_no
        if held.task.cancelled() and self._in_hand.get(delivery_no) is held:
            del self._in_hand[delivery_no]

    # Sending

    async def _send(self, sending: Sending, *, sent_in: int) -> None:
        began = time.monotonic()
        try:
            outcome = await attempt(self._outbound, sending, is_ours=lambda: self._is_ours(sending))
        except asyncio.CancelledError:
            outcome = broken_off(sending, began, cause=INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - told; a delivery must not stay in hand for ever
            self._note_bug(error)
            outcome = broken_off(sending, began, cause="internal_error")
        self._adjust_window(sending.endpoint_id, outcome, sent_in=sent_in)
        self._outcomes.append(outcome)
        self._has_outcomes.set()

    def _adjust_window(self, endpoint_id: str, outcome: Outcome, *, sent_in: int) -> None:
        if outcome.cause == INTERRUPTED:
            # That was our doing.
            return
        window = self._windows[endpoint_id]
        if outcome.cause is None:
            window = window.after_taken(sent_in=sent_in, milliseconds=outcome.duration_ms)
        else:
            window = window.after_missed(sent_in=sent_in)
            self._rests[endpoint_id] = time.monotonic() + window.pause_seconds
            self._wake_in(window.pause_seconds)
            self._note(Failure(endpoint_id, outcome.cause, outcome.http_status))
        self._windows[endpoint_id] = window

    async def _let_attempts_end(self) -> None:
        tasks = [held.task for held in self._in_hand.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    # Writing down

    async def _keep_finishing(self) -> None:
        while True:
            await self._has_outcomes.wait()
            if not await self._guarded(self._finish):
                # They stay on the list, and their leases are renewed meanwhile.
                await asyncio.sleep(AGAIN_SECONDS)

    async def _finish(self) -> None:
        batch = self._outcomes[:FINISHED_AT_ONCE]
        async with self._database.reading() as connection:
            recovered = await deliveries.finish(
                connection, worker_id=self._worker_id, outcomes=batch
            )
        del self._outcomes[: len(batch)]
        if not self._outcomes:
            self._has_outcomes.clear()
        for outcome in batch:
            held = self._in_hand.get(outcome.delivery_no)
            if held is not None and held.sending.attempt == outcome.attempt:
                del self._in_hand[outcome.delivery_no]
            if outcome.cause is not None:
                self._wake_in(outcome.wait.total_seconds())
        for endpoint_id in recovered:
            self._recovered.put_nowait(endpoint_id)
        self.wake()

    async def _keep_pulling(self) -> None:
        """What waits for an endpoint that was away for long goes now that it is back."""
        while True:
            endpoint_id = await self._recovered.get()
            count = PULLED_MAX
            while count == PULLED_MAX:
                try:
                    async with self._database.reading() as connection:
                        count = await deliveries.pull_forward(connection, endpoint_id)
                except BookwellError:
                    # They still have their times.
                    break
                self.wake()

    # Keeping

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if self._in_hand:
                self._let_go()
                with suppress(TimeoutError):
                    async with asyncio.timeout(RENEW_TIMEOUT_SECONDS):
                        await self._guarded(self._renew)
                self._let_go()

    async def _renew(self) -> None:
        held = dict(self._in_hand)
        asked_at = time.monotonic()
        async with self._database.reading() as connection:
            kept = await deliveries.renew(
                connection, worker_id=self._worker_id, delivery_nos=list(held)
            )
        for delivery_no, one in held.items():
            if delivery_no in kept:
                one.until = asked_at + LEASE.total_seconds()
            elif self._in_hand.get(delivery_no) is one and not one.task.done():
                # Somebody has it now, or its endpoint was deleted.
                one.task.cancel()

    def _let_go(self) -> None:
        """Stop attempts whose lease is about to end, because it could not be renewed."""
        for held in self._in_hand.values():
            if not held.is_kept:
                held.task.cancel()

    def _is_ours(self, sending: Sending) -> bool:
        """Whether nobody else can have it yet, however long this process has stood still."""
        held = self._in_hand.get(sending.delivery_no)
        return held is not None and held.sending is sending and held.is_kept
