"""Every check of a run, in the order in which the report shows them."""

from collections import Counter
from collections.abc import Iterable

from bookwell.prove.acknowledged import (
    Breach,
    check_of,
    lost_acknowledgements,
    unasked_bookings,
)
from bookwell.prove.aftermath import Aftermath
from bookwell.prove.conflicts import false_conflicts
from bookwell.prove.double_bookings import double_bookings
from bookwell.prove.history import Attempt, History, Operation
from bookwell.prove.keys import one_answer_a_key
from bookwell.prove.order import linearizable
from bookwell.prove.report import Check

# What the contract lets each operation be refused with; anybody may be told to call less often.
_ANYWHERE = {"rate_limited"}
_REFUSALS = {
    Operation.BOOK: {"slot_unavailable"},
    Operation.HOLD: {"slot_unavailable", "too_many_holds"},
    Operation.CONFIRM: {"visit_not_confirmable", "hold_expired", "version_mismatch"},
    # Not found: the visit is no hold of that slot any more. Whether that is so, its line tells.
    Operation.BOOK_HELD: {
        "visit_not_confirmable",
        "hold_expired",
        "version_mismatch",
        "not_found",
    },
    Operation.RESCHEDULE: {"slot_unavailable", "visit_not_reschedulable"},
    Operation.CANCEL: {"visit_not_cancellable", "version_mismatch"},
    Operation.READ: set[str](),
    Operation.BOOK_SEAT: {"slot_unavailable"},
    Operation.CANCEL_SEAT: {"booking_not_cancellable"},
    Operation.CHECK_IN: set[str](),
    Operation.COMPLETE: set[str](),
}


def all_checks(history: History, found: Aftermath) -> list[Check]:
    """Judge the run."""
    attempts = history.attempts
    return [
        double_bookings(history, found),
        lost_acknowledgements(attempts, found),
        unasked_bookings(attempts, found),
        _seats_within_capacity(attempts, found),
        _journal(found),
        linearizable(history),
        false_conflicts(history.world, attempts),
        answers_of_the_contract(attempts),
        every_call_resolved(attempts),
        one_answer_a_key(attempts),
        _race(attempts),
    ]


def _seats_within_capacity(attempts: Iterable[Attempt], found: Aftermath) -> Check:
    """At most so many as there are, and as many as the service says."""
    attempts = list(attempts)
    sitting = _sitting(attempts, found)
    open_calls = sum(
        each.outcome is None and each.operation in (Operation.BOOK_SEAT, Operation.CANCEL_SEAT)
        for each in attempts
    )
    breaches = []
    for session in found.sessions:
        place = (session.coach_id, session.slot_at)
        calls = [
            each.number
            for each in attempts
            if each.operation is Operation.BOOK_SEAT
            and each.is_won
            and (each.coach_id, each.slot_at) == place
        ]
        said = f"the session at {session.slot_at:%Y-%m-%d %H:%M} has {session.capacity} seats"
        if max(session.seats_taken, sitting[place]) > session.capacity:
            breaches.append(Breach(f"{said} and {sitting[place]} sit in it", calls))
        elif abs(session.seats_taken - sitting[place]) > (0 if found.seats else open_calls):
            counted = f"counts {session.seats_taken} taken, and {sitting[place]} sit in it"
            breaches.append(Breach(f"{said}, {counted}", calls))
    return check_of(
        "seats within capacity",
        breaches,
        f"In each of {len(found.sessions)} sessions sit as many as it counts, and none too many.",
    )


def _sitting(attempts: Iterable[Attempt], found: Aftermath) -> Counter[tuple[str, object]]:
    """By session, how many sit there: by its rows, else by what was acknowledged."""
    if found.seats is not None:
        return Counter((s.coach_id, s.slot_at) for s in found.seats if s.status == "booked")
    attempts = list(attempts)
    back = {
        each.booking_id
        for each in attempts
        if each.operation is Operation.CANCEL_SEAT and each.is_won
    }
    return Counter(
        (each.coach_id or "", each.slot_at)
        for each in attempts
        if each.operation is Operation.BOOK_SEAT
        and each.is_won
        and each.outcome is not None
        and each.outcome.id not in back
    )


def _journal(found: Aftermath) -> Check:
    """Each change wrote one event and one audit row."""
    name = "events and audit rows"
    if found.journal is None:
        sentence = "Not looked at: only the database shows them, and it was not named."
        return Check(name=name, holds=None, found=None, sentence=sentence)
    breaches = [
        Breach(
            f"{each.entity_id} changed {each.version} times and has {each.events} events and "
            f"{each.audits} audit rows",
            [],
        )
        for each in found.journal
        if not each.is_whole or not each.version == each.events == each.audits
    ]
    changes = sum(each.version for each in found.journal)
    return check_of(
        name, breaches, f"Each of {changes:,} changes has one event, in order, and one audit row."
    )


def answers_of_the_contract(attempts: Iterable[Attempt]) -> Check:
    """Nobody heard anything that the contract does not name there, and no server error."""
    attempts = list(attempts)
    breaches = [
        Breach(f"call {each.number} ({each.operation}) was answered with {said}", [each.number])
        for each in attempts
        if (said := _strange(each)) is not None
    ]
    return check_of(
        "answers of the contract",
        breaches,
        f"Each of {len(attempts):,} calls was answered as the contract says.",
    )


def _strange(attempt: Attempt) -> str | None:
    """The answer, where it is none of those the contract names."""
    if attempt.lost_because is not None and attempt.lost_because.startswith("500"):
        return attempt.lost_because
    if attempt.loss is None or attempt.loss in _REFUSALS[attempt.operation] | _ANYWHERE:
        return None
    return f"{attempt.outcome.status if attempt.outcome else ''} {attempt.loss}"


def every_call_resolved(attempts: Iterable[Attempt]) -> Check:
    """No call is left of which nobody knows what it did."""
    name = "every call resolved"
    writes = [each for each in attempts if each.key is not None]
    left = [each.number for each in writes if each.outcome is None]
    lost = sum(each.answer is None for each in writes)
    if left:
        sentence = f"{len(left):,} calls have no answer yet, not even to a retry with their key."
        return Check(name=name, holds=None, found=len(left), sentence=sentence, calls=left[:20])
    sentence = (
        f"Each of {lost:,} calls without an answer got one by its key."
        if lost
        else "None was lost."
    )
    return Check(name=name, holds=True, found=0, sentence=sentence)


def _race(attempts: Iterable[Attempt]) -> Check:
    """There was something to prove."""
    attempts = list(attempts)
    won = sum(each.is_won for each in attempts)
    refused = sum(each.loss == "slot_unavailable" for each in attempts)
    limited = sum(each.loss == "rate_limited" for each in attempts)
    sentence = f"{won:,} calls won, and {refused:,} were too late for a time or a seat."
    if limited:
        sentence += f" {limited:,} were held back by a rate limit, which makes races rarer."
    return Check(name="a race", holds=bool(won and refused), found=None, sentence=sentence)
