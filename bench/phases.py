"""One run of either side: a database as the template is, a warm-up, the run, and the checks."""

import math
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from bench import cpu, load, yardstick
from bench.bookings import BOOK
from bench.checks import check
from bench.fixture import Fixture
from bench.measured import Run
from bench.scenario import Request, Scenario
from bench.service import serving

# A twentieth of what the fastest would do in the time: enough for plans, caches and connections.
_WARM_UP_PER_SECOND = 250
_WARM_UP_CONNECTIONS_MAX = 12
# A race that has to end after so many tries, not at a time.
_RACE_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The same for every row."""

    seconds: float
    generator: str

    def warm_up_turns(self, connections: int) -> int:
        """How often each connection is used before it counts."""
        share = _WARM_UP_PER_SECOND * min(connections, _WARM_UP_CONNECTIONS_MAX) / connections
        return math.ceil(self.seconds * share)


def by_pgbench(
    fixture: Fixture, scenario: Scenario, conditions: Conditions, *, connections: int
) -> Run:
    """Run the statement alone.

    Raises:
        CheckFailedError: The database contradicts the counts; no number is worth telling then.
    """
    scale = fixture.scales[scenario.template]
    warm_up_turns = conditions.warm_up_turns(connections)
    attempts = scenario.race.attempts if scenario.race else None

    def run(which: Scenario, url: str, first_turn: int, turns: int | None) -> Run:
        return yardstick.run(
            which,
            scale,
            url,
            fixture.folder,
            clients=connections,
            first_turn=first_turn,
            turns=turns,
            seconds=math.ceil(conditions.seconds),
        )

    with fixture.database(scenario.template, read_only=scenario.endless) as url:
        warm_up = run(_before(scenario), url, 0, warm_up_turns)
        measured = _with_cpu(
            lambda: run(scenario, url, warm_up_turns, attempts and attempts // connections),
            {"PostgreSQL": fixture.server_pid},
        )
        check(scenario, url, [warm_up, measured], whose="pgbench")
    return measured


def by_http(
    fixture: Fixture,
    scenario: Scenario,
    conditions: Conditions,
    *,
    connections: int,
    workers: int,
) -> Run:
    """Run the same over HTTP.

    Raises:
        CheckFailedError: The database contradicts the answers; no number is worth telling then.
    """
    attempts = scenario.race.attempts if scenario.race else None
    feed, warm_up_feed = fixture.folder / "feed", fixture.folder / "warm-up"
    warm_up = conditions.warm_up_turns(connections) * connections
    first, then = _requests_of(scenario, fixture, warm_up)
    load.write_feed(warm_up_feed, first)
    load.write_feed(feed, islice(then, attempts))
    # wrk cannot send a feed once and to its end; ours can.
    generator = load.OWN if attempts else conditions.generator
    with fixture.database(scenario.template, read_only=scenario.endless) as url:
        with serving(url, workers=workers, log=fixture.folder / "service.log") as service:
            warmed_up = load.run_own(
                replace(_before(scenario), endless=False),
                service.base_url,
                warm_up_feed,
                connections=connections,
                seconds=60,
            )
            measured = _with_cpu(
                lambda: load.run(
                    generator,
                    scenario,
                    service.base_url,
                    feed,
                    connections=connections,
                    seconds=_RACE_SECONDS_MAX if attempts else conditions.seconds,
                ),
                {"service": service.pid, "PostgreSQL": fixture.server_pid},
            )
        if attempts:
            _see_all_tried(measured, attempts)
            measured = replace(measured, ran_out=False)
        check(scenario, url, [replace(warmed_up, ran_out=False), measured], whose="the service")
    return measured


def _before(scenario: Scenario) -> Scenario:
    """What to warm up with: bookings before a race, so that nobody takes its slots."""
    return BOOK if scenario.race else scenario


def _requests_of(
    scenario: Scenario, fixture: Fixture, warm_up: int
) -> tuple[Iterator[Request], Iterator[Request]]:
    """Those of the warm-up, and those after them."""
    scale = fixture.scales[scenario.template]
    requests = scenario.requests(scale)
    if scenario.endless:
        return islice(scenario.requests(scale), warm_up), requests
    if scenario.race:
        bookings = islice(BOOK.requests(scale), warm_up)
        # Each try has a key of its own, so it must not be one of the warm-up's.
        return (replace(request, key=f"w{request.key}") for request in bookings), requests
    return iter(list(islice(requests, warm_up))), requests


def _see_all_tried(measured: Run, attempts: int) -> None:
    if measured.answers + measured.failures != attempts:
        raise RuntimeError(f"{measured.answers} of {attempts} tries were answered in time.")


def _with_cpu(run: Callable[[], Run], roots: dict[str, int]) -> Run:
    """The run, with who spent how much processor time meanwhile."""
    before = _times_of(roots)
    done = run()
    spent = {name: until - before[name] for name, until in _times_of(roots).items()}
    if "busy" not in spent:
        return done
    busy, possible = spent.pop("busy"), spent.pop("possible")
    return replace(
        done,
        cpu={name: seconds * 1e6 / max(done.answers, 1) for name, seconds in spent.items()},
        elsewhere=max(0.0, busy - sum(spent.values())) / possible,
    )


def _times_of(roots: dict[str, int]) -> dict[str, float]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    times = {"load": children.ru_utime + children.ru_stime}
    machine = cpu.machine_seconds()
    if machine is not None:
        times |= {name: cpu.seconds_of(pid) for name, pid in roots.items()}
        times["busy"], times["possible"] = machine
    return times
