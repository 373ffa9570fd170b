"""The history of a run: every call with its answer, as JSON lines.

The first line is the `World` in which the clients raced; each further line is one `Attempt`, in
the order of their calls. All times are seconds since the race began, by this process's own clock.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

# From here on the service says that it failed, and not that it refused.
SERVER_ERROR = 500


class Operation(StrEnum):
    """What a client can do."""

    BOOK = "book"
    HOLD = "hold"
    CONFIRM = "confirm"
    # POST /v1/visits with a `hold_id`.
    BOOK_HELD = "book_held"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    READ = "read"
    BOOK_SEAT = "book_seat"
    CANCEL_SEAT = "cancel_seat"
    # Nobody races for these; they are there so that there is more to tell.
    CHECK_IN = "check_in"
    COMPLETE = "complete"


class OfferedSlot(Struct, frozen=True, kw_only=True):
    """A slot of the race; slots of one provider may overlap each other."""

    slot_id: str
    provider_id: str
    starts_at: datetime
    ends_at: datetime


class OfferedSession(Struct, frozen=True, kw_only=True):
    """A session of office hours with its seats."""

    coach_id: str
    slot_at: datetime
    capacity: int


class World(Struct, frozen=True, kw_only=True):
    """What the clients raced for."""

    brand_id: str
    began_at: datetime
    slots: list[OfferedSlot]
    sessions: list[OfferedSession]
    patients: list[str]


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the service said: the status, and of the body what a checker needs."""

    at: float
    status: int
    # The `error` of a refusal.
    error: str | None = None
    # Of the visit or the seat as the answer showed it.
    id: str | None = None
    state: str | None = None
    slot_id: str | None = None
    version: int | None = None
    # How long a hold lasts from the moment it was taken, both by the service's clock.
    hold_seconds: float | None = None
    # `Idempotency-Replayed`: this was said before, and nothing was done now.
    is_replay: bool = False
    request_id: str | None = None


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of one client, and what came of it.

    `answer` is None where no usable answer came: the connection broke, or the service said 5xx;
    `lost_at` and `lost_because` then tell when the client noticed. `resolved` is the answer that
    the same call with the same key had later, which began at `resolve_called_at`. `repeated` is
    what a call that had its answer was told when it was made once more with its key.
    """

    number: int
    client: int
    operation: Operation
    # What it aimed at: the slot it wanted, the visit or seat it meant to change.
    slot_id: str | None = None
    visit_id: str | None = None
    booking_id: str | None = None
    coach_id: str | None = None
    slot_at: datetime | None = None
    patient_id: str | None = None
    # None for reads only.
    key: str | None = None
    called_at: float
    answer: Answer | None = None
    lost_at: float | None = None
    lost_because: str | None = None
    resolve_called_at: float | None = None
    resolved: Answer | None = None
    repeated: Answer | None = None

    @property
    def outcome(self) -> Answer | None:
        """The answer, whenever it came; None for a call of which nobody knows what it did."""
        return self.answer or self.resolved

    @property
    def answered_at(self) -> float | None:
        """When it was answered, the first time or after a retry with its key."""
        return self.outcome.at if self.outcome else None

    @property
    def happened_from(self) -> float:
        """The earliest instant at which it can have had the effect that it was answered with.

        A retry that was no replay did it itself, whatever became of the call before.
        """
        if self.resolved is not None and not self.resolved.is_replay:
            return self.resolve_called_at or self.called_at
        return self.called_at

    @property
    def is_won(self) -> bool:
        """Whether the service said that it was done."""
        return self.outcome is not None and self.outcome.error is None

    @property
    def loss(self) -> str | None:
        """The code of the refusal; None for a success, and while nothing is known."""
        return self.outcome.error if self.outcome else None

    @property
    def seconds(self) -> float | None:
        """How long the first answer took; None where there was none."""
        return self.answer.at - self.called_at if self.answer else None


class History(Struct, frozen=True, kw_only=True):
    """A whole run; attempts in the order of their calls."""

    world: World
    attempts: list[Attempt]


def write_history(path: Path, history: History) -> None:
    """Write it as JSON lines. Raises OSError."""
    lines: Iterable[Struct] = (history.world, *history.attempts)
    with path.open("wb") as file:
        for line in lines:
            file.write(msgspec.json.encode(line))
            file.write(b"\n")
