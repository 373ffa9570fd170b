"""The order of things: everything once a round, the second round backwards.

The yardstick and the service take turns within some seconds, and each comes first in every other
round; so what else the machine does hits both sides alike.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.bookings import BOOK
from bench.fixture import SMALL, Fixture
from bench.measured import Key, Round, Row, Run
from bench.phases import Conditions, by_http, by_pgbench
from bench.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One scenario at one number of connections: pgbench, and the service with these workers."""

    scenario: Scenario
    connections: int
    workers: tuple[int, ...]


def steps_for(
    scenarios: Sequence[Scenario], connections: Sequence[int], workers: Sequence[int]
) -> list[Step]:
    """All there is to do in one round."""
    return [
        Step(
            scenario=scenario,
            connections=number,
            # How the service grows with its workers is told by bookings; the rest has the last.
            workers=tuple(workers if scenario.name == BOOK.name else workers[-1:]),
        )
        for scenario in scenarios
        for number in _connections_for(scenario, connections)
    ]


def measured_rows(
    fixture: Fixture, steps: Sequence[Step], conditions: Conditions, *, rounds: int
) -> list[Row]:
    """Measure, saying each number as soon as it is known.

    Raises:
        CheckFailedError: The database contradicts the answers; no number is worth telling then.
    """
    found: defaultdict[Key, list[Round]] = defaultdict(list)
    for number in range(rounds):
        for step in steps if number % 2 == 0 else list(reversed(steps)):
            backwards = number % 2 == 1
            for key, one in _rounds_of(fixture, step, conditions, backwards=backwards):
                found[key].append(one)
                print(f"  {number + 1}/{rounds} {_line(key, one)}", flush=True)
    ordered = [key for step in steps for key in _keys_of(step)]
    return [Row(key=key, rounds=tuple(found[key])) for key in ordered]


def _rounds_of(
    fixture: Fixture, step: Step, conditions: Conditions, *, backwards: bool
) -> Iterator[tuple[Key, Round]]:
    keys = _keys_of(step)

    def by_service(key: Key) -> Run:
        return by_http(
            fixture,
            step.scenario,
            conditions,
            connections=step.connections,
            workers=key.workers,
        )

    def bare() -> Run:
        return by_pgbench(fixture, step.scenario, conditions, connections=step.connections)

    if backwards:
        services = {key: by_service(key) for key in reversed(keys)}
        yardstick = bare()
    else:
        yardstick = bare()
        services = {key: by_service(key) for key in keys}
    for key, run in services.items():
        yield key, Round(yardstick=yardstick, service=run)


def _keys_of(step: Step) -> list[Key]:
    return [
        Key(
            scenario=step.scenario.name,
            title=step.scenario.title,
            template=step.scenario.template,
            workers=workers,
            connections=step.connections,
        )
        for workers in step.workers
    ]


def _connections_for(scenario: Scenario, asked: Sequence[int]) -> Sequence[int]:
    """What was asked for; of a scenario that is measured at some numbers, those or else the last."""
    if scenario.connections is None:
        return asked
    return [number for number in asked if number in scenario.connections] or asked[-1:]


def _line(key: Key, one: Round) -> str:
    small = ", small book" if key.template == SMALL else ""
    return (
        f"{key.title}{small}, {key.connections} connection(s), {key.workers} worker(s): "
        f"pgbench {one.yardstick.rate:,.0f}/s, HTTP {one.service.rate:,.0f}/s, "
        f"ratio {one.ratio:.2f}, p99 {one.service.latency.p99:.1f} ms"
    )
