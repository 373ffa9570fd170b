"""Whether calls that ran at once can have happened one after the other (linearizability).

The search goes through the history's moments in order, as Lowe's just-in-time variant of Wing and
Gong's does, and keeps every candidate: a state, and which of the calls in flight have happened in
it. An answer leaves the candidates in which that call has happened by then; when none is left, no
order explains the history. Three things keep it small:

- Only calls that share something with the one that is answered are tried before it.
- A call that changes nothing happens as soon as it can: that forbids nothing to any other.
- What all candidates agree on is kept once. With no call in flight, that is nearly everything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bookwell.prove.steps import NEVER, Changes, Key, Look, Step

# Candidates that one search may look at before it says that it does not know.
CANDIDATES_MAX = 1_000_000


class _Undecided(Exception):
    """The bound was hit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`holds` is None where the bound was hit. `unexplained` fits no order of what came before."""

    holds: bool | None
    unexplained: Step | None = None
    # Whoever was in its way, in one of the candidates: the values of what it touches.
    found: tuple[object, ...] = ()


def independent(steps: Iterable[Step]) -> list[list[Step]]:
    """The steps in groups that share nothing, so that each can be judged for itself."""
    leader: dict[Key, Key] = {}

    def lead(key: Key) -> Key:
        while (above := leader.setdefault(key, key)) != key:
            leader[key] = key = leader[above]
        return key

    kept = [step for step in steps if step.touches]
    for step in kept:
        first, *others = step.touches
        for other in others:
            leader[lead(other)] = lead(first)
    groups: dict[Key, list[Step]] = {}
    for step in kept:
        groups.setdefault(lead(next(iter(step.touches))), []).append(step)
    return list(groups.values())


def judge(steps: Iterable[Step], *, candidates_max: int = CANDIDATES_MAX) -> Verdict:
    """Look for an order of these steps, which begin from a state where nothing is known."""
    return _Search(candidates_max).judge(steps)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A possible world: `changes` lie over what is settled; `happened` are calls in flight."""

    happened: frozenset[int]
    changes: frozenset[tuple[Key, object]]


class _Search:
    def __init__(self, candidates_max: int) -> None:
        self._left = candidates_max
        self._settled: Changes = {}
        self._in_flight: dict[int, Step] = {}
        self._candidates = {_Candidate(frozenset(), frozenset())}

    def judge(self, steps: Iterable[Step]) -> Verdict:
        try:
            for is_answer, step in _moments(steps):
                if not is_answer:
                    self._call(step)
                elif not (candidates := self._answer(step)):
                    return Verdict(holds=False, unexplained=step, found=self._found(step))
                else:
                    self._candidates = candidates
                    del self._in_flight[step.number]
                    self._settle()
        except _Undecided:
            return Verdict(holds=None)
        return Verdict(holds=True)

    def _call(self, step: Step) -> None:
        self._in_flight[step.number] = step
        if step.changes_nothing:
            self._candidates = {self._with_idle(each, [step]) for each in self._candidates}

    def _answer(self, step: Step) -> set[_Candidate]:
        candidates = set()
        for candidate in self._candidates:
            if step.number in candidate.happened:
                candidates.add(_Candidate(candidate.happened - {step.number}, candidate.changes))
            else:
                candidates |= self._with(candidate, step)
        return candidates

    def _with(self, candidate: _Candidate, step: Step) -> set[_Candidate]:
        """The candidate after the step, with any of its rivals before it."""
        rivals = self._rivals(step)
        idle = [rival for rival in rivals if rival.changes_nothing]
        busy = [rival for rival in rivals if not rival.changes_nothing]
        reached: set[_Candidate] = set()
        seen = {candidate}
        waiting = [candidate]
        while waiting:
            before = waiting.pop()
            for after in self._after(before, step):
                reached.add(self._with_idle(after, idle))
            for rival in busy:
                if rival.number in before.happened:
                    continue
                for after in self._after(before, rival):
                    happened = _Candidate(after.happened | {rival.number}, after.changes)
                    further = self._with_idle(happened, idle)
                    if further not in seen:
                        seen.add(further)
                        waiting.append(further)
        return reached

    def _rivals(self, step: Step) -> list[Step]:
        """The other calls in flight that matter to this one, directly or through each other."""
        touched, others = (
            set(step.touches),
            [other for other in self._in_flight.values() if other is not step],
        )
        rivals: list[Step] = []
        while True:
            near = [other for other in others if not touched.isdisjoint(other.touches)]
            if not near:
                return rivals
            rivals += near
            others = [other for other in others if touched.isdisjoint(other.touches)]
            touched.update(*(other.touches for other in near))

    def _with_idle(self, candidate: _Candidate, idle: Iterable[Step]) -> _Candidate:
        """With those of the idle steps that fit; they change nothing."""
        looking = [step for step in idle if step.number not in candidate.happened]
        if not looking:
            return candidate
        look = self._look(candidate)
        fitting = {step.number for step in looking if any(True for _ in step.outcomes(look))}
        return _Candidate(candidate.happened | fitting, candidate.changes)

    def _after(self, candidate: _Candidate, step: Step) -> Iterator[_Candidate]:
        for changes in step.outcomes(self._look(candidate)):
            self._left -= 1
            if self._left < 0:
                raise _Undecided
            if changes:
                merged = {**dict(candidate.changes), **changes}
                differing = frozenset(
                    (key, value) for key, value in merged.items() if self._settled.get(key) != value
                )
                yield _Candidate(candidate.happened, differing)
            else:
                yield candidate

    def _look(self, candidate: _Candidate) -> Look:
        changed = dict(candidate.changes)
        settled = self._settled

        def look(key: Key) -> object:
            return changed[key] if key in changed else settled.get(key)

        return look

    def _settle(self) -> None:
        """Move what all candidates agree on to where it is kept once."""
        agreed = frozenset.intersection(*(each.changes for each in self._candidates))
        if agreed:
            self._settled.update(agreed)
            self._candidates = {
                _Candidate(each.happened, each.changes - agreed) for each in self._candidates
            }

    def _found(self, step: Step) -> tuple[object, ...]:
        look = self._look(next(iter(self._candidates)))
        return tuple(look(key) for key in step.touches)


def _moments(steps: Iterable[Step]) -> Iterator[tuple[bool, Step]]:
    """Calls and answers in order; of those at one instant, the calls first."""
    moments = []
    for step in steps:
        moments.append((step.called_at, False, step.number, step))
        if step.answered_at != NEVER:
            moments.append((step.answered_at, True, step.number, step))
    for _, is_answer, _, step in sorted(moments, key=lambda moment: moment[:3]):
        yield is_answer, step
