"""What the database says after a run: nothing twice, nothing lost, nothing half done."""

import psycopg

from bench.measured import Run
from bench.scenario import Scenario


class CheckFailedError(Exception):
    """A measurement that does not count, and why."""


def check(scenario: Scenario, url: str, runs: list[Run], *, whose: str) -> None:
    """Compare all that was done in this database with what the runs were answered.

    Raises:
        CheckFailedError: Something was refused, or the counts do not agree.
    """
    successes = sum(run.successes for run in runs)
    most = successes + sum(run.unanswered_max for run in runs)
    problems = []
    if any(run.ran_out for run in runs):
        problems.append("there was nothing left to take: ask for more with --slots")
    if failures := sum(run.failures for run in runs):
        problems.append(f"{failures} answers were not {scenario.success}")
    if scenario.race is not None and runs[-1].successes != scenario.race.slots:
        problems.append(f"{runs[-1].successes} winners at {scenario.race.slots} slots")
    counted = _counts(scenario, url)
    amounts = {name: counted[name] for name in scenario.leaves}
    for name, amount in amounts.items():
        if not successes <= amount <= most:
            problems.append(f"{amount} {name} for {successes} successes")
    if len(set(amounts.values())) > 1:
        problems.append(f"the counts differ: {amounts}")
    problems += [f"{counted[name]} {name}" for name in scenario.never if counted[name]]
    if problems:
        raise CheckFailedError(f"{scenario.title}, {whose}: {'; '.join(problems)}")


def _counts(scenario: Scenario, url: str) -> dict[str, int]:
    counts = {}
    with psycopg.connect(url) as connection:
        for name, query in {**scenario.leaves, **scenario.never}.items():
            ((count,),) = connection.execute(query.encode()).fetchall()
            counts[name] = count
    return counts
