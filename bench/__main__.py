"""`python -m bench`: how fast is booking over HTTP, beside the database alone?"""

import argparse
import signal
import sys
from pathlib import Path

from bench import load
from bench.checks import CheckFailedError
from bench.fixture import Fixture, Scale, add_booked_template, opened
from bench.measured import Row
from bench.phases import Conditions, measure
from bench.report import Machine, page_of, text_of
from bench.scenarios import BOOKED, SCENARIOS, Scenario

# Faster than anything measured so far; who is faster still is told to ask for more.
SLOTS_PER_SECOND = 30_000
SLOTS_MIN = 10_000
PAGE = Path("docs/benchmarks.md")


def main() -> int:
    asked = _arguments()
    # Whoever ends us ends our server too: the exception passes through the blocks that stop it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scenarios = [SCENARIOS[name] for name in asked.scenarios]
    scale = Scale(slots=asked.slots or max(SLOTS_MIN, round(asked.seconds * SLOTS_PER_SECOND)))
    conditions = Conditions(seconds=asked.seconds, generator=asked.load)
    how = (
        f"{asked.seconds:g} s a run, {asked.rounds} round(s); {scale.slots:,} slots of "
        f"{scale.providers:,} providers, {scale.patients:,} patients; load by {asked.load}"
    )
    print(f"Preparing: {how} …", flush=True)
    try:
        with opened(scale, parent=asked.data_dir) as fixture:
            machine = Machine.here(fixture.folder, fixture.server_version)
            rows = _measure_all(fixture, scenarios, conditions, asked)
    except CheckFailedError as error:
        print(f"FAILED: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"\n{text_of(rows, machine, how=how)}")
    print(
        "\nChecked after every run: as many visits, events, audit and idempotency rows as answers;"
    )
    print("no overlaps; no errors.")
    if asked.write:
        PAGE.write_text(page_of(rows, machine, how=how))
        print(f"Written to {PAGE}.")
    return 0


def _measure_all(
    fixture: Fixture,
    scenarios: list[Scenario],
    conditions: Conditions,
    asked: argparse.Namespace,
) -> list[Row]:
    if any(scenario.template == BOOKED for scenario in scenarios):
        add_booked_template(fixture)
    plan = [
        (scenario, workers, connections)
        for scenario in scenarios
        for workers in asked.workers
        for connections in _connections_for(scenario, asked.connections)
    ]
    rows = []
    for number in range(asked.rounds):
        for scenario, workers, connections in plan:
            row = measure(fixture, scenario, conditions, connections=connections, workers=workers)
            rows.append(row)
            print(
                f"  {number + 1}/{asked.rounds} {row.title}, {connections} connection(s), "
                f"{workers} worker(s): pgbench {row.yardstick.rate:,.0f}/s, "
                f"HTTP {row.service.rate:,.0f}/s, ratio {row.ratio:.2f}",
                flush=True,
            )
    return rows


def _connections_for(scenario: Scenario, asked: list[int]) -> list[int]:
    """What was asked for; of a scenario that is measured at one number, that or else the last."""
    if scenario.connections is None:
        return asked
    return [scenario.connections] if scenario.connections in asked else asked[-1:]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="of each run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="the median is told (%(default)s)")
    parser.add_argument(
        "--connections", type=int, nargs="+", default=[1, 16, 64], metavar="N", help="(1 16 64)"
    )
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1], metavar="N", help="of the service (1)"
    )
    parser.add_argument(
        "--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), help="(all)"
    )
    parser.add_argument("--slots", type=int, help=f"({SLOTS_PER_SECOND:,} for each second)")
    parser.add_argument(
        "--load",
        choices=(load.WRK, load.OWN),
        default=load.preferred(),
        help="wrk if it is installed, else our own in Python",
    )
    parser.add_argument(
        "--data-dir", type=Path, help="where the database lies meanwhile; should be a real disk"
    )
    parser.add_argument("--write", action="store_true", help=f"write {PAGE} too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
