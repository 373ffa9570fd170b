"""Whether some order of the calls explains their answers.

Calls that were made at once took effect in some order. Each order is tried in which every answer
is the one the book allows at that moment; where none is left, an answer was wrong. One call alone
has one order, so its answer must be exactly the predicted one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from simulation.book import Book, Remembered, differences, read
from simulation.calls import Call
from simulation.rules import Done, Outcome, Refused, judge
from simulation.services import Answer

# A hold's end is reckoned from the instant of its statement, somewhat later than the step's.
_STEP_SECONDS_MAX = 20


@dataclass(frozen=True)
class Made:
    """A call with its answer; `tries` above 1 when earlier ones were left without an answer."""

    call: Call
    answer: Answer
    tries: int = 1

    def __str__(self) -> str:
        answer = self.answer
        said = answer.code or answer.body.get("status", "")
        tries = f" at try {self.tries}" if self.tries > 1 else ""
        replay = " (replayed)" if answer.is_replay else ""
        return f"{self.call} -> {answer.status} {said} {answer.etag or ''}{replay}{tries}"


class NoOrder(AssertionError):
    """The answers contradict the book in whatever order."""


def book_after(book: Book, made: Sequence[Made]) -> Book:
    """The book after these calls.

    Raises:
        NoOrder: No order of them explains the answers.
    """
    after = _search(replace(book, just_deleted=frozenset()), list(made))
    if after is None:
        lines = "\n  ".join(f"{each}  [{_why(book, each)}]" for each in made)
        raise NoOrder(f"no order of these calls explains their answers:\n  {lines}")
    return after


def _search(book: Book, left: list[Made]) -> Book | None:
    # A call that changes nothing may go first wherever it fits: it is in nobody's way.
    changing = []
    for each in left:
        after = follow(book, each)
        if after is None or not _is_same(book, after):
            changing.append(each)
        else:
            book = after
    if not changing:
        return book
    for number, each in enumerate(changing):
        after = follow(book, each)
        if after is not None:
            found = _search(after, changing[:number] + changing[number + 1 :])
            if found is not None:
                return found
    return None


def _is_same(book: Book, after: Book) -> bool:
    """Whether nothing but a key was written."""
    return (after.slots, after.visits, after.seats) == (book.slots, book.visits, book.seats)


def follow(book: Book, made: Made) -> Book | None:
    """The book after this call, or None where the answer is not the one this book allows."""
    call, outcome = made.call, judge(book, made.call)
    if isinstance(outcome, Refused) and outcome.at_the_door:
        return book if _refuses(outcome, made.answer) else None
    kept = book.keys.get(call.place_of_key) if call.key else None
    if kept is not None:
        return book if _tells_again(kept, made) else None
    if made.answer.is_replay and made.tries == 1:
        return None
    return _follow_first(book, made, outcome)


def _follow_first(book: Book, made: Made, outcome: Outcome) -> Book | None:
    """The same for a call whose key, if it has one, was not used before."""
    answer = made.answer
    if isinstance(outcome, Refused):
        if not _refuses(outcome, answer):
            return None
        is_kept = answer.code not in ("version_mismatch", "validation_error")
        return _with_key(book, made) if is_kept else book
    if answer.status != outcome.status or any(differences(answer.body, outcome.shows)):
        return None
    if not _version_is_told(outcome, answer):
        return None
    return _with_key(_with_hold_checked(outcome.after(answer.body), answer), made)


def _refuses(outcome: Refused, answer: Answer) -> bool:
    return (answer.status, answer.code) in outcome.as_


def _tells_again(kept: Remembered, made: Made) -> bool:
    if kept.fingerprint != made.call.fingerprint:
        return made.answer.code == "idempotency_key_payload_mismatch"
    before, now = kept.answer, made.answer
    if before.code is not None:
        return (before.status, before.code) == (now.status, now.code)
    return now.is_replay and (before.status, before.body, before.etag) == (
        now.status,
        now.body,
        now.etag,
    )


def _version_is_told(outcome: Done, answer: Answer) -> bool:
    version = outcome.shows.get("version")
    return version is None or answer.etag == f'"{version}"'


def _with_hold_checked(book: Book, answer: Answer) -> Book:
    """A hold ends when the answer says, which must be when it was reckoned to."""
    visit = book.visits.get(str(answer.body.get("id")))
    if visit is None or visit.hold_expires_at is None or visit.status != "held":
        return book
    told = read(answer.body["hold_expires_at"])
    late = (told - visit.hold_expires_at).total_seconds()
    assert 0 <= late < _STEP_SECONDS_MAX, f"a hold ends at {told}, {late} s beside its time"
    return book.with_visit(replace(visit, hold_expires_at=told))


def _with_key(book: Book, made: Made) -> Book:
    if made.call.key is None or made.call.method == "GET":
        return book
    kept = Remembered(made.call.fingerprint, made.answer)
    return book.with_key(made.call.place_of_key, kept)


def _why(book: Book, made: Made) -> str:
    """What the book before allowed, for whoever reads the failure."""
    if made.call.key and made.call.place_of_key in book.keys:
        return f"the key led to {book.keys[made.call.place_of_key].answer.status} before"
    outcome = judge(book, made.call)
    if isinstance(outcome, Refused):
        return f"alone: {' or '.join(f'{status} {code}' for status, code in outcome.as_)}"
    wrong = "; ".join(differences(made.answer.body, outcome.shows))
    return f"alone: {outcome.status}{', ' + wrong if wrong else ''}"
