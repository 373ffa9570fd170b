"""What one measured operation is: its HTTP request, and its statement in pgbench's words."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from bench.scale import Scale
from bookwell.storage.statements import STATEMENTS, Statement

# Any order will do, as long as it is the same in every run.
SEED = 20_260_101
# So many different questions are asked again and again; more would only fill the generators.
ENDLESS_REQUESTS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call. It stands as one line in the load generators' feed."""

    path: str
    method: str = "POST"
    body: str = ""
    key: str = ""

    @property
    def line(self) -> str:
        return f"{self.method}\t{self.path}\t{self.key}\t{self.body}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One operation of the service and the statement that carries it.

    Both sides do the same things in an equally random order. `item` n is the n-th thing done.
    Every parameter of the statement is in `constants` (None is NULL) or in `numbers`, which are
    pgbench's expressions for one transaction, in their order; they may use `:item`.
    `leaves` are counts in the database that must equal the successes, and `never` counts that
    must be 0.
    """

    name: str
    title: str
    template: str
    statement: str
    constants: Mapping[str, str | None]
    numbers: Mapping[str, str]
    request: Callable[[int, Scale], Request]
    success: int
    leaves: Mapping[str, str] = field(default_factory=dict)
    never: Mapping[str, str] = field(default_factory=dict)
    # The only numbers of connections at which it is measured; None is every one asked for.
    connections: tuple[int, ...] | None = None
    # Nothing is used up: a read may be repeated.
    endless: bool = False
    race: "Race | None" = None

    @property
    def carrier(self) -> Statement:
        """The statement.

        Raises:
            LookupError: It has a parameter that nobody told us how to fill.
        """
        statement = STATEMENTS[self.statement]
        unknown = set(statement.parameters) - self.constants.keys() - self.numbers.keys()
        if unknown:
            raise LookupError(
                f"The benchmark's scenario {self.name} does not say what {sorted(unknown)} "
                f"of the statement {self.statement} are."
            )
        return statement

    def requests(self, scale: Scale) -> Iterator[Request]:
        """All there are, in random order; the tries of a race as they come."""
        numbers = list(range(ENDLESS_REQUESTS if self.endless else scale.slots))
        if self.race is None:
            random.Random(SEED).shuffle(numbers)
        for number in numbers:
            yield self.request(number, scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Many want the same few slots: one each wins, and all others hear 409."""

    slots: int
    refusal: int = 409
    # So many tries and then it is over; None is as many as fit in the time.
    attempts: int | None = None
