"""Whether a key leads to one answer: calls that were answered are sent once more at the end.

A client that never heard an answer sends its call again, and so may one that did. It must be told
what was said before, and nothing may be done a second time.
"""

import asyncio
import random
from collections.abc import Iterable, Sequence

from msgspec import structs

from bookwell.prove.acknowledged import Breach, check_of
from bookwell.prove.calls import Door
from bookwell.prove.history import Answer, Attempt
from bookwell.prove.report import Check

NAME = "one answer a key"
# So many of the answered calls are asked again; more would be another race.
REPEATED_MAX = 400
AT_ONCE = 8
# Whoever hears one of these may change something and go on with the same key.
_NOT_REMEMBERED = {"rate_limited", "version_mismatch", "validation_error"}


async def repeated(door: Door, attempts: Sequence[Attempt], seed: int) -> list[Attempt]:
    """The attempts, some with what their call was answered when it was made once more."""
    remembered = [attempt.number for attempt in attempts if _is_remembered(attempt)]
    drawn = random.Random(f"keys {seed}")  # noqa: S311 - repeatable, not secret
    chosen = set(drawn.sample(remembered, min(len(remembered), REPEATED_MAX)))
    turn = asyncio.Semaphore(AT_ONCE)

    async def repeat(attempt: Attempt) -> Attempt:
        if attempt.number not in chosen:
            return attempt
        async with turn:
            again, _ = await door.call(structs.replace(attempt, answer=None))
        return structs.replace(attempt, repeated=again.answer)

    return list(await asyncio.gather(*(repeat(attempt) for attempt in attempts)))


def one_answer_a_key(attempts: Iterable[Attempt]) -> Check:
    """What was said twice about one key was the same."""
    asked = [
        (attempt, attempt.outcome, attempt.repeated)
        for attempt in attempts
        if attempt.outcome is not None
        and attempt.repeated is not None
        and attempt.repeated.error != "rate_limited"
    ]
    if not asked:
        sentence = "No call was answered twice."
        return Check(name=NAME, holds=None, found=None, sentence=sentence)
    breaches = [
        Breach(
            f"call {attempt.number} was answered with {_told(first)}, and when it was sent again "
            f"with {_told(second)}",
            [attempt.number],
        )
        for attempt, first, second in asked
        if _said(first) != _said(second) or (first.error is None and not second.is_replay)
    ]
    return check_of(
        NAME,
        breaches,
        f"Each of {len(asked):,} answered calls that were sent again was answered as before.",
    )


def _is_remembered(attempt: Attempt) -> bool:
    answer = attempt.outcome
    return attempt.key is not None and answer is not None and answer.error not in _NOT_REMEMBERED


def _said(answer: Answer) -> tuple[object, ...]:
    return (
        answer.status,
        answer.error,
        answer.id,
        answer.state,
        answer.slot_id,
        answer.version,
        answer.hold_seconds,
    )


def _told(answer: Answer) -> str:
    what = answer.error or f"{answer.id} {answer.state}"
    done = " as if for the first time" if answer.error is None and not answer.is_replay else ""
    return f"{answer.status} {what} (version {answer.version}){done}"
