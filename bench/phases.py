"""The order of things: for each row a warm-up and a run of pgbench, then the same over HTTP."""

import math
import resource
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from bench import cpu, load, yardstick
from bench.checks import check
from bench.fixture import Fixture
from bench.measured import Row, Run
from bench.scenarios import Scenario
from bench.service import serving

# A twentieth of what the fastest would do in the time: enough for plans, caches and connections.
_WARM_UP_PER_SECOND = 250
_WARM_UP_CONNECTIONS_MAX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The same for every row."""

    seconds: float
    generator: str


def measure(
    fixture: Fixture,
    scenario: Scenario,
    conditions: Conditions,
    *,
    connections: int,
    workers: int,
) -> Row:
    """One row.

    Raises:
        CheckFailedError: The database contradicts the answers; no number is worth telling then.
    """
    share = _WARM_UP_PER_SECOND * min(connections, _WARM_UP_CONNECTIONS_MAX) / connections
    warm_up_turns = math.ceil(conditions.seconds * share)
    return Row(
        title=scenario.title,
        workers=workers,
        connections=connections,
        yardstick=_by_pgbench(
            fixture, scenario, conditions, clients=connections, warm_up_turns=warm_up_turns
        ),
        service=_by_http(
            fixture,
            scenario,
            conditions,
            connections=connections,
            workers=workers,
            warm_up=warm_up_turns * connections,
        ),
    )


def _by_pgbench(
    fixture: Fixture,
    scenario: Scenario,
    conditions: Conditions,
    *,
    clients: int,
    warm_up_turns: int,
) -> Run:
    def run(url: str, first_turn: int, turns: int | None) -> Run:
        return yardstick.run(
            scenario,
            fixture.scale,
            url,
            fixture.folder,
            clients=clients,
            first_turn=first_turn,
            turns=turns,
            seconds=math.ceil(conditions.seconds),
        )

    with fixture.clone(scenario.template) as url:
        warm_up = run(url, 0, warm_up_turns)
        measured = _with_cpu(
            lambda: run(url, warm_up_turns, None), {"PostgreSQL": fixture.server_pid}
        )
        check(scenario, url, [warm_up, measured], whose="pgbench")
    return measured


def _by_http(
    fixture: Fixture,
    scenario: Scenario,
    conditions: Conditions,
    *,
    connections: int,
    workers: int,
    warm_up: int,
) -> Run:
    feed, warm_up_feed = fixture.folder / "feed", fixture.folder / "warm-up"
    requests = scenario.requests(fixture.scale)
    load.write_feed(warm_up_feed, islice(requests, warm_up))
    load.write_feed(feed, requests)
    with fixture.clone(scenario.template) as url:
        with serving(url, workers=workers, log=fixture.folder / "service.log") as service:
            # Ours sends the whole feed, once and to its end, which wrk cannot.
            warmed_up = load.run(
                load.OWN,
                service.base_url,
                warm_up_feed,
                connections=connections,
                seconds=60,
                success=scenario.success,
            )
            measured = _with_cpu(
                lambda: load.run(
                    conditions.generator,
                    service.base_url,
                    feed,
                    connections=connections,
                    seconds=conditions.seconds,
                    success=scenario.success,
                ),
                {"service": service.pid, "PostgreSQL": fixture.server_pid},
            )
        warmed_up = replace(warmed_up, ran_out=False)
        check(scenario, url, [warmed_up, measured], whose="the service")
    return measured


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
        cpu={name: seconds * 1e6 / max(done.successes, 1) for name, seconds in spent.items()},
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
