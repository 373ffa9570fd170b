"""Group commit: what arrives while one is being written is written together (DESIGN.md, 6).

    a caller alone          ──►  one row, one statement      nothing waits for company
    callers meanwhile       ──►  ┌ the platform ┐
                                 │ b  c  d  e   │
    the write is back       ──►  └──────┬───────┘
                                        ├──►  many rows, one statement, one commit
                                        │         b, c: done       each gets its own answer
                                        │         d: refused       final, and its own
                                        │         e: goes alone    one round trip later
                                        └──►  who may not meet somebody on the way: afterwards

A `Writing` says how one and how many are written; a `Lane` decides who goes with whom. What holds:

- Alone, nobody waits, and nobody's answer depends on a neighbour: a row that a statement for many
  cannot do, or that makes it fail as a whole, is written alone at once afterwards.
- A write that is late, because it waits for a lock that somebody keeps, is not waited for: after
  LATE_SECONDS it stands in nobody's way but of those who may not meet it.
- Who goes alone may wait for a lock, and has a connection meanwhile. So only `alone_max` do at a
  time; another who arrives alone is then first tried by the statement for many, which never waits.
- A caller who is cancelled on the platform is not written. One who is cancelled on the way is: the
  write cannot be called back, so it goes on to its end, and its outcome is logged.
- When the database is gone, everybody on the way and on the platform hears it, and may ask again.
"""

import asyncio
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

import structlog

from bookwell.domain.errors import BookwellError, Overloaded, Unavailable
from bookwell.storage.failures import is_of_one_row
from bookwell.storage.turns import Turns

# Measured: more rows make no row cheaper, and let those behind them wait longer.
ROWS_MAX = 32
# Callers on the platform; more would wait longer than their own callers do.
WAITING_MAX = 512
# Who go alone at once: each may wait for a lock, and has a connection meanwhile.
ALONE_MAX = 4
# A write that takes longer waits for a lock, and those on the platform do not wait with it.
LATE_SECONDS = 0.05

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Item_contra = TypeVar("Item_contra", contravariant=True)
Answer_co = TypeVar("Answer_co", covariant=True)

_log = structlog.get_logger("bookwell.storage")


class Alone:
    """The outcome of a row that has to be written alone."""


ALONE: Final = Alone()


class Writing(Protocol[Item_contra, Answer_co]):
    """How one row and how many rows are written."""

    async def one(self, item: Item_contra, /) -> Answer_co:
        """Write this one, and raise what goes wrong."""

    async def many(
        self, items: Sequence[Item_contra], /
    ) -> Sequence[Answer_co | BookwellError | Alone]:
        """Write these in one statement, and answer for each: what came of it, or go alone.

        An exception means that none was written.
        """

    def apart(self, item: Item_contra, /) -> Iterable[Hashable]:
        """What this one may share with no other that is being written."""

    def known_as(self, item: Item_contra, /) -> str:
        """The id of the request it came with, for the log."""


@dataclass(slots=True, eq=False)
class _Passenger(Generic[Item]):
    item: Item
    known_as: str
    apart: frozenset[Hashable]
    must_go_alone: bool = False
    outcome: "asyncio.Future[object]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def tell(self, outcome: object) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)
        else:
            self.log_unheard(outcome)

    def log_unheard(self, outcome: object) -> None:
        """The caller left while this was on the way; whoever looks for it finds it in the log."""
        if not isinstance(outcome, BaseException | Alone):
            _log.warning(
                "written_for_nobody", request_id=self.known_as, kind=type(outcome).__name__
            )


class Lane(Generic[Item, Answer]):
    """Where writes of one kind meet. For one event loop."""

    def __init__(self, writing: Writing[Item, Answer], *, alone_max: int = ALONE_MAX) -> None:
        self._writing = writing
        self._alone = Turns(alone_max)
        self._platform: deque[_Passenger[Item]] = deque()
        self._away: set[_Passenger[Item]] = set()
        # The write that the platform waits for. One at a time: two would be half as large each, and
        # cost more than they save. A late one, and who goes alone, is not waited for.
        self._on_the_way: asyncio.Task[None] | None = None
        # The loop itself keeps only weak references to its tasks.
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, item: Item) -> Answer:
        """Write this one, alone or with others.

        Raises:
            BookwellError: Its own refusal; or Unavailable, and then the same may be sent again.
        """
        passenger = _Passenger(
            item, self._writing.known_as(item), frozenset(self._writing.apart(item))
        )
        if len(self._platform) >= WAITING_MAX:
            raise Overloaded
        if self._on_the_way is None and not self._platform:
            self._send([passenger])
        else:
            self._platform.append(passenger)
            self._depart()
        try:
            outcome = await passenger.outcome
        except asyncio.CancelledError:
            if passenger.outcome.done() and not passenger.outcome.cancelled():
                # Told and cancelled in one turn of the loop: what we were told we never say.
                passenger.log_unheard(passenger.outcome.result())
            raise
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome  # type: ignore[return-value]  # what `one` or `many` answered

    def _depart(self) -> None:
        """Send those who wait, if the way is free."""
        if self._on_the_way is None and self._platform:
            boarding = self._board()
            if boarding:
                self._send(boarding)

    def _board(self) -> list[_Passenger[Item]]:
        """The next to go together, first come first; who may not go now stays in front."""
        boarding: list[_Passenger[Item]] = []
        taken: set[Hashable] = set().union(*(passenger.apart for passenger in self._away))
        staying: list[_Passenger[Item]] = []
        while self._platform and len(boarding) < ROWS_MAX:
            passenger = self._platform.popleft()
            if passenger.outcome.done():  # cancelled: never written
                continue
            if passenger.apart & taken:
                staying.append(passenger)
            else:
                boarding.append(passenger)
            # Also what stays in front: who overtook with a part of it might keep it there for good.
            taken |= passenger.apart
        self._platform.extendleft(reversed(staying))
        return boarding

    def _send(self, passengers: list[_Passenger[Item]]) -> None:
        """Write these; while they are on the way, others wait for company."""
        task = self._on_the_way = self._start(passengers)
        late = asyncio.get_running_loop().call_later(LATE_SECONDS, self._make_way, task)
        task.add_done_callback(lambda _: late.cancel())

    def _start(self, passengers: list[_Passenger[Item]]) -> "asyncio.Task[None]":
        self._away.update(passengers)
        task = asyncio.create_task(self._carry(passengers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _make_way(self, task: "asyncio.Task[None]") -> None:
        if self._on_the_way is task:
            self._on_the_way = None
        self._depart()

    async def _carry(self, passengers: list[_Passenger[Item]]) -> None:
        # Between boarding and this turn of the loop some may have left.
        present = [passenger for passenger in passengers if not passenger.outcome.done()]
        outcomes: Sequence[object] = []
        try:
            if present:
                outcomes = await self._write(present)
        except BaseException:
            # The loop is ending; nobody may be left waiting for what never comes.
            for passenger in passengers:
                passenger.outcome.cancel()
            raise
        finally:
            task = asyncio.current_task()
            assert task is not None, "this runs as a task"
            self._away.difference_update(passengers)
            told = list(zip(present, outcomes, strict=False))
            # A caller who left meanwhile is not written: the statement for many wrote nothing.
            alone = [one for one, outcome in told if outcome is ALONE and not one.outcome.done()]
            for passenger in alone:
                passenger.must_go_alone = True
                self._start([passenger])
            # Before the others are told, so that PostgreSQL writes while they are being answered.
            self._make_way(task)
        for passenger, outcome in told:
            if outcome is not ALONE or passenger.outcome.done():
                passenger.tell(outcome)

    async def _write(self, passengers: list[_Passenger[Item]]) -> Sequence[object]:
        """What came of each."""
        first = passengers[0]
        # Where too many may wait for locks already, one more is first tried without waiting.
        is_alone = len(passengers) == 1 and (first.must_go_alone or not self._alone.locked())
        try:
            if is_alone:
                return [await self._write_alone(first)]
            outcomes = await self._writing.many([passenger.item for passenger in passengers])
            assert len(outcomes) == len(passengers), "each row has its answer"
        except Exception as error:  # noqa: BLE001 - told to whoever waits for it
            return [error] if is_alone else self._outcomes_of(error, passengers)
        return outcomes

    async def _write_alone(self, passenger: _Passenger[Item]) -> Answer | Alone:
        async with self._alone:
            # Who left while waiting for their turn is not written.
            return ALONE if passenger.outcome.done() else await self._writing.one(passenger.item)

    def _outcomes_of(
        self, error: Exception, passengers: list[_Passenger[Item]]
    ) -> Sequence[object]:
        """What each hears of a statement for many that failed as a whole."""
        if not isinstance(error, Unavailable) or is_of_one_row(error):
            return [ALONE] * len(passengers)
        # Each caller raises an error of its own; and who waits would only find out later.
        waiting = list(self._platform)
        self._platform.clear()
        for passenger in waiting:
            passenger.tell(type(error)())
        return [type(error)() for _ in passengers]
