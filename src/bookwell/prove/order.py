"""The check that there is an order of the calls that explains every answer."""

from collections.abc import Iterable
from itertools import chain

from bookwell.prove.acknowledged import NAMED_MAX
from bookwell.prove.busy_line import BusyLine
from bookwell.prove.history import History, Operation
from bookwell.prove.linearizability import CANDIDATES_MAX, independent, judge
from bookwell.prove.report import Check
from bookwell.prove.seats import Seats
from bookwell.prove.steps import Step

NAME = "linearizable"
# In the sentence; the report names more.
LISTED_MAX = 3
_SEAT = (Operation.BOOK_SEAT, Operation.CANCEL_SEAT)


def linearizable(history: History, *, candidates_max: int = CANDIDATES_MAX) -> Check:
    """Each provider's line and each session's seats, as far as they touch each other, by itself."""
    groups = independent(_steps(history))
    undecided = 0
    breaches: list[list[int]] = []
    for group in groups:
        verdict = judge(group, candidates_max=candidates_max)
        if verdict.holds is None:
            undecided += 1
        elif verdict.unexplained is not None:
            breaches.append(_named(verdict.unexplained, group))
    if breaches:
        return Check(
            name=NAME,
            holds=False,
            found=len(breaches),
            sentence=f"No order of the calls explains the answer to {_listed(breaches)}.",
            calls=list(dict.fromkeys(chain.from_iterable(breaches)))[:NAMED_MAX],
        )
    if undecided:
        return Check(
            name=NAME,
            holds=None,
            found=None,
            sentence=f"Undecided for {undecided} of {len(groups)} lines: too much happened at once "
            f"to try {candidates_max:,} orders.",
        )
    calls = sum(len(group) for group in groups)
    return Check(
        name=NAME,
        holds=True,
        found=0,
        sentence=f"An order in real time explains all {calls:,} answers, line by line of "
        f"{len(groups)}.",
    )


def _steps(history: History) -> Iterable[Step]:
    seats = [each for each in history.attempts if each.operation in _SEAT]
    visits = [each for each in history.attempts if each.operation not in _SEAT]
    line = BusyLine(history.world.slots, visits)
    sessions = Seats(history.world.sessions, seats)
    for step in (*map(line.step_of, visits), *map(sessions.step_of, seats)):
        if step is not None:
            yield step


def _listed(breaches: list[list[int]]) -> str:
    """The calls that fit no order, one of each line."""
    first = [f"call {breach[0]}" for breach in breaches[:LISTED_MAX]]
    return " and ".join([*first, *(["others"] if len(breaches) > LISTED_MAX else [])])


def _named(unexplained: Step, group: Iterable[Step]) -> list[int]:
    """The call, and the last few before it that had something to do with it."""
    before = [
        step.number
        for step in group
        if step is not unexplained
        and step.called_at <= unexplained.answered_at
        and not step.changes_nothing
        and not step.touches.isdisjoint(unexplained.touches)
    ]
    return [unexplained.number, *before[-4:]]
