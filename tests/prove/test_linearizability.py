"""The search for an order against a slow twin that tries them all, and against lived histories."""

import random
from collections.abc import Iterable
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from bookwell.prove.busy_line import BusyLine
from bookwell.prove.history import Answer, Attempt, History, Operation
from bookwell.prove.linearizability import independent, judge
from bookwell.prove.order import linearizable
from bookwell.prove.steps import NEVER, Changes, Key, Step
from histories import WON, WORLD, Told

SLOTS = [slot.slot_id for slot in WORLD.slots]
VISITS = ["v1", "v2", "v3"]
REFUSALS = {
    Operation.BOOK: [(409, "slot_unavailable")],
    Operation.HOLD: [(409, "slot_unavailable")],
    Operation.CONFIRM: [(412, "visit_not_confirmable"), (410, "hold_expired")],
    Operation.RESCHEDULE: [(409, "slot_unavailable"), (412, "visit_not_reschedulable")],
    Operation.CANCEL: [(412, "visit_not_cancellable")],
}
WRONG_STATE = {
    Operation.CANCEL: "visit_not_cancellable",
    Operation.RESCHEDULE: "visit_not_reschedulable",
}
times = st.integers(0, 8)


@st.composite
def attempts(draw: st.DrawFn) -> list[Attempt]:
    """A few calls with any answers: mostly such as no service would give, and sometimes such."""
    told = Told()
    for number in range(draw(st.integers(2, 5))):
        operation = draw(st.sampled_from(list(REFUSALS)))
        called_at = draw(times)
        at = (float(called_at), called_at + draw(st.integers(1, 6)) - 0.5)
        takes = operation in (Operation.BOOK, Operation.HOLD)
        visit_id = VISITS[number % 3] if takes else draw(st.sampled_from(VISITS))
        # Few slots, so that they meet.
        slot_id = draw(st.sampled_from(SLOTS[:3]))
        kind = draw(st.sampled_from(["won", "won", "refused", "lost"]))
        names_slot = takes or operation is Operation.RESCHEDULE
        aims = {"slot_id": slot_id if names_slot else None, "visit_id": None if takes else visit_id}
        if kind == "lost":
            told.add(operation, (at[0], None), **aims)
        elif kind == "refused":
            status, error = draw(st.sampled_from(REFUSALS[operation]))
            told.refused(operation, at, error, status=status, **aims)
        else:
            hold_seconds = float(draw(st.integers(1, 4))) if operation is Operation.HOLD else None
            version = 1 if takes else draw(st.integers(2, 3))
            told.won(operation, at, visit_id, slot_id, version=version, hold_seconds=hold_seconds)
    return told.attempts


def steps_of(calls: list[Attempt]) -> list[Step]:
    line = BusyLine(WORLD.slots, calls)
    return [step for step in map(line.step_of, calls) if step is not None]


def is_explained_by_some_order(steps: list[Step]) -> bool:
    """Try every order of the answered calls with every choice of the unanswered ones."""
    answered = [step for step in steps if step.answered_at != NEVER]
    lost = [step for step in steps if step.answered_at == NEVER]
    for number in range(len(lost) + 1):
        for order in permutations(steps, len(answered) + number):
            if set(answered) <= set(order) and keeps_time(order) and fits(order, 0, {}):
                return True
    return False


def keeps_time(order: tuple[Step, ...]) -> bool:
    return not any(
        later.answered_at < earlier.called_at
        for place, earlier in enumerate(order)
        for later in order[place + 1 :]
    )


def fits(order: tuple[Step, ...], place: int, state: Changes) -> bool:
    if place == len(order):
        return True

    def look(key: Key) -> object:
        return state.get(key)

    return any(
        fits(order, place + 1, {**state, **changes}) for changes in order[place].outcomes(look)
    )


def verdict_of(steps: list[Step]) -> bool:
    return all(judge(group).holds for group in independent(steps))


@settings(max_examples=600, deadline=None)
@given(attempts())
def test_the_search_says_what_trying_every_order_says(calls: list[Attempt]) -> None:
    steps = steps_of(calls)

    assert verdict_of(steps) == is_explained_by_some_order(steps)


class Lived:
    """One provider's line as it would be lived, one call after the other: a service in miniature."""

    def __init__(self, seed: int) -> None:
        self.drawn = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.visits: dict[str, tuple[str, str, int]] = {}
        self.told = Told()

    def run(self, count: int, *, overlap: float) -> History:
        """Calls at 1, 2, 3 …, each begun up to `overlap` before and answered up to that after."""
        for number in range(1, count + 1):
            span = (
                number - self.drawn.random() * overlap,
                number + self.drawn.random() * overlap,
            )
            self.live(number, span)
        return self.told.history

    def live(self, number: int, span: tuple[float, float]) -> None:
        operation = self.drawn.choice([Operation.BOOK, Operation.RESCHEDULE, Operation.CANCEL])
        slot_id = self.drawn.choice(SLOTS)
        if operation is Operation.BOOK or not self.visits:
            self.take(Operation.BOOK, f"v{number}", slot_id, span)
            return
        visit_id = self.drawn.choice(list(self.visits))
        status, there, version = self.visits[visit_id]
        if status != "booked":
            error = WRONG_STATE[operation]
            aim = slot_id if operation is Operation.RESCHEDULE else None
            self.told.refused(operation, span, error, status=412, visit_id=visit_id, slot_id=aim)
        elif operation is Operation.CANCEL:
            self.visits[visit_id] = ("cancelled", there, version + 1)
            self.told.won(operation, span, visit_id, there, version=version + 1)
        elif slot_id == there or self.is_taken(slot_id, but=visit_id):
            error = "slot_unavailable"
            self.told.refused(operation, span, error, visit_id=visit_id, slot_id=slot_id)
        else:
            self.visits[visit_id] = ("booked", slot_id, version + 1)
            self.told.won(operation, span, visit_id, slot_id, version=version + 1)

    def take(
        self, operation: Operation, visit_id: str, slot_id: str, span: tuple[float, float]
    ) -> None:
        if self.is_taken(slot_id):
            self.told.refused(operation, span, "slot_unavailable", slot_id=slot_id)
        else:
            self.visits[visit_id] = ("booked", slot_id, 1)
            self.told.won(operation, span, visit_id, slot_id)

    def is_taken(self, slot_id: str, *, but: str | None = None) -> bool:
        (wanted,) = [slot for slot in WORLD.slots if slot.slot_id == slot_id]
        taken = {
            there
            for visit_id, (status, there, _) in self.visits.items()
            if status == "booked" and visit_id != but
        }
        return any(
            slot.provider_id == wanted.provider_id
            and slot.starts_at < wanted.ends_at
            and wanted.starts_at < slot.ends_at
            for slot in WORLD.slots
            if slot.slot_id in taken
        )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([0.4, 2.0, 6.0]))
def test_what_was_lived_has_an_order_however_the_calls_overlap(seed: int, overlap: float) -> None:
    history = Lived(seed).run(120, overlap=overlap)

    assert linearizable(history).holds is True


def another_answer(attempt: Attempt) -> Answer:
    """What the service would not have said: a refusal for a success, a success for a refusal."""
    assert attempt.answer is not None
    at = attempt.answer.at
    if attempt.is_won and attempt.slot_id is not None:
        return Answer(at=at, status=409, error="slot_unavailable")
    if attempt.is_won:
        return Answer(at=at, status=412, error="visit_not_cancellable")
    status, state = WON[attempt.operation]
    visit_id = attempt.visit_id or "v_never"
    slot_id = attempt.slot_id or SLOTS[0]
    return Answer(at=at, status=status, id=visit_id, state=state, slot_id=slot_id, version=1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 39))
def test_one_wrong_answer_among_calls_that_do_not_overlap_is_found(seed: int, place: int) -> None:
    history = Lived(seed).run(40, overlap=0.4)
    changed: Iterable[Attempt] = (
        replaced(attempt) if number == place else attempt
        for number, attempt in enumerate(history.attempts)
    )

    check = linearizable(History(world=history.world, attempts=list(changed)))

    assert check.holds is False


def replaced(attempt: Attempt) -> Attempt:
    values = {name: getattr(attempt, name) for name in attempt.__struct_fields__}
    return Attempt(**{**values, "answer": another_answer(attempt)})


def test_tens_of_thousands_of_calls_of_many_clients_are_judged() -> None:
    history = Lived(7).run(30_000, overlap=8.0)

    check = linearizable(history)

    assert (check.holds, check.found) == (True, 0)
    assert "all 30,000 answers" in check.sentence
