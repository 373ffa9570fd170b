"""What a caller's idempotency key led to (CONTRACT.md section 2, decision 10).

The row is the referee: it is written by the statement that has the effect, so whoever comes second
with a key fails on its primary key, loses everything they did, and is given what stands there.
"""

import json
from collections.abc import Hashable
from datetime import timedelta

import msgspec
from asyncpg import Record

from bookwell.domain import errors
from bookwell.domain.callers import Call
from bookwell.domain.errors import BookwellError, IdempotencyKeyMismatch, Refused
from bookwell.storage.statements import AnyConnection, statement

# Refusals that say something about the caller or the form of the request: no key counts yet.
_NOT_REMEMBERED = (
    errors.Unauthenticated,
    errors.InvalidToken,
    errors.InsufficientScope,
    errors.RateLimited,
    errors.IdempotencyKeyMismatch,
)

_claim_key = statement("claim_key")
_unclaim_key = statement("unclaim_key")
_recall_answer = statement("recall_answer")
_remember_answer = statement("remember_answer")
_remember_refusal = statement("remember_refusal")
_sweep_answers = statement("sweep_answers")

# One sweep deletes this many at most, so that it never holds its locks for long.
SWEEP_ROWS_MAX = 5_000


class Replayed(Exception):
    """The key was used for this very request; `answer` is the JSON of what it led to."""

    def __init__(self, answer: str) -> None:
        super().__init__("replayed")
        self.answer = answer


def key_values(call: Call) -> dict[str, object]:
    """The columns of the idempotency row as a statement takes them; all null without a key."""
    key = call.key
    return {
        "caller": f"{call.caller.role}:{call.caller.subject}",
        "route": key.route if key else None,
        "key": key.key if key else None,
        "fingerprint": key.fingerprint if key else None,
    }


def key_identity(call: Call) -> Hashable:
    """What two calls with the same key have in common, and no others."""
    assert call.key is not None, "only a call with a key shares one"
    caller = call.caller
    return call.brand_id, caller.role, caller.subject, call.key.route, call.key.key


async def remember(connection: AnyConnection, call: Call, value: object) -> None:
    """Keep what this call leads to, in the transaction that has the effect."""
    if call.key is not None:
        answer = msgspec.json.encode(value).decode()
        await _remember_answer.run(
            connection, brand_id=call.brand_id, outcome="done", answer=answer, **key_values(call)
        )


async def settle_refusal(connection: AnyConnection, call: Call, refusal: Refused) -> None:
    """Keep a refusal, so that a late twin cannot do what its caller was told did not happen.

    Raises:
        Replayed: A twin with the same key was first, and had its effect.
        Refused: A twin was first and was refused, or the key belongs to another request.
    """
    if call.key is None:
        return
    if isinstance(refusal, errors.VersionMismatch | errors.InvalidInput):
        # A version only grows, and time only passes, so a late twin is refused as well without our
        # remembering it, and whoever has looked again may go on with the same key. Whoever was
        # first when it was still right is told what came of it.
        await _replay_if_used(connection, call)
        return
    if isinstance(refusal, _NOT_REMEMBERED):
        return
    # As the HTTP door writes them, so that an instant among the facts is told again byte for byte.
    answer = msgspec.json.encode({"message": refusal.message, "facts": refusal.facts}).decode()
    kept = await _remember_refusal.row(
        connection,
        brand_id=call.brand_id,
        outcome=type(refusal).__name__,
        answer=answer,
        **key_values(call),
    )
    if kept is None:
        await replay(connection, call)


async def claim(connection: AnyConnection, call: Call, *, lease: timedelta) -> bool:
    """Whether this call is the one to do, for so long, what its key stands for.

    For what takes too long for a transaction, which at its end writes the answer and gives the
    claim back by `unclaim`. A twin that is not the one claims again later, in case the first one
    died of it. Without a key everybody is the one.

    Raises:
        Replayed: The key has led to an answer already; or as a refusal of then.
    """
    if call.key is None:
        return True
    mine = await _claim_key.value(
        connection, lease=lease, brand_id=call.brand_id, **_values_under_way(call)
    )
    try:
        # Behind the claim: the answer is written by whoever gives theirs back, and with it.
        await _replay_if_used(connection, call)
    except (Replayed, BookwellError):
        if mine is not None:
            await unclaim(connection, call)
        raise
    return mine is not None


async def unclaim(connection: AnyConnection, call: Call) -> None:
    """Give the claim back, in the transaction that writes the answer."""
    if call.key is not None:
        await _unclaim_key.run(connection, brand_id=call.brand_id, **_values_under_way(call))


def _values_under_way(call: Call) -> dict[str, object]:
    """As `key_values`, of a row beside the answer's, whose being there says that there is one."""
    assert call.key is not None, "without a key there is nothing to claim"
    return {**key_values(call), "route": f"{call.key.route} under way"}


async def replay(connection: AnyConnection, call: Call) -> None:
    """Raise what this key led to before: `Replayed`, or the refusal of then."""
    await _replay_if_used(connection, call)
    # Swept between our failure and this look; the caller's next try is a first one.
    raise errors.Overloaded


async def _replay_if_used(connection: AnyConnection, call: Call) -> None:
    assert call.key is not None, "only a call with a key can be a replay"
    row = await _recall_answer.row(connection, brand_id=call.brand_id, **_place(call))
    if row is None:
        return
    if row["fingerprint"] != call.key.fingerprint:
        raise IdempotencyKeyMismatch
    if row["outcome"] == "done":
        raise Replayed(row["answer"])
    raise _refusal_kept(row)


async def sweep(connection: AnyConnection) -> None:
    """Delete keys older than 24 hours, a bounded number at a time."""
    await _sweep_answers.run(connection, row_limit=SWEEP_ROWS_MAX)


def _place(call: Call) -> dict[str, object]:
    values = key_values(call)
    del values["fingerprint"]
    return values


def _refusal_kept(row: Record) -> BookwellError:
    kept = json.loads(row["answer"])
    refusal: BookwellError = getattr(errors, row["outcome"])(kept["message"], **kept["facts"])
    refusal.is_replay = True
    return refusal
