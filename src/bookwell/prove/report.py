"""The report of a run: one record, which the text, the JSON and the HTML page are made of."""

from datetime import datetime

from msgspec import Struct


class Target(Struct, frozen=True, kw_only=True):
    """Against what it ran. `workers` is known of an embedded service only."""

    base_url: str
    is_embedded: bool
    workers: int | None
    # Whether the database itself was asked, or only the API's own lists.
    is_database_asked: bool
    database_version: str | None
    brand_id: str


class Machine(Struct, frozen=True, kw_only=True):
    """Where the clients ran, and an embedded service with them."""

    system: str
    processors: int
    python: str
    bookwell: str


class Latency(Struct, frozen=True, kw_only=True):
    """Of answered calls, in milliseconds."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    longest_ms: float


class Tally(Struct, frozen=True, kw_only=True):
    """One operation's calls. attempts = winners + the sum of losers + unanswered.

    `losers` counts refusals by their code. `resolved` are calls that had no answer at first and
    got one by their key; they count among winners and losers. `unanswered` never got one.
    """

    operation: str
    attempts: int
    winners: int
    losers: dict[str, int]
    unanswered: int
    resolved: int
    # Of first answers; None where there was none.
    latency: Latency | None


class Second(Struct, frozen=True, kw_only=True):
    """What was called in one second of the race; `at` counts from 0."""

    at: int
    attempts: int
    winners: int
    # Without a first answer.
    lost: int
    p99_ms: float | None


class Check(Struct, frozen=True, kw_only=True):
    """One promise: whether it held, how many breaches were found, and a sentence about it.

    `holds` is None where the check could not be made or was not decided; the sentence says why.
    `calls` are the numbers of the attempts that show the breach, the first of them only.
    """

    name: str
    holds: bool | None
    found: int | None
    sentence: str
    calls: list[int] = []


class Fault(Struct, frozen=True, kw_only=True):
    """Something that was done to the service during the race, in seconds since it began."""

    at: float
    what: str
    # When it served again; None where nobody looked, or it never did.
    healed_at: float | None = None


class Sent(Struct, frozen=True, kw_only=True):
    """What one webhook endpoint was sent: so many events, in so many requests.

    `conducts` counts what its receiver did with the requests, by name.
    """

    name: str
    brand_id: str
    events: int
    requests: int
    taken: int
    conducts: dict[str, int]


class Left(Struct, frozen=True, kw_only=True):
    """How facts left in a run of `--events`: what was asked for, and what each endpoint was sent.

    `drained_seconds` is from the last fault until everything had left; None where it never had.
    """

    changes: int
    planned_seconds: float
    # Whether not only workers were killed.
    has_every_fault: bool
    events: int
    sent: list[Sent]
    drained_seconds: float | None


class Report(Struct, frozen=True, kw_only=True):
    """Everything that is said of a run."""

    began_at: datetime
    seconds: float
    seed: int
    clients: int
    target: Target
    machine: Machine
    tallies: list[Tally]
    # All operations together.
    total: Tally
    timeline: list[Second]
    checks: list[Check]
    faults: list[Fault]
    # The calls that checks name, one sentence each, by number.
    named_calls: dict[int, str]
    # Of a run of `--events` only.
    left: Left | None = None

    @property
    def is_proven(self) -> bool:
        """Whether nothing was found wrong."""
        return all(check.holds is not False for check in self.checks)
