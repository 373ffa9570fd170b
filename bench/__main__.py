"""`python -m bench`: how fast is booking over HTTP, beside the database alone?

`python -m bench soak` instead: does it stay as it is for an hour? See its own `--help`.
"""

import argparse
import signal
import sys
from pathlib import Path

from bench import derivation, load, soak, yardstick
from bench.checks import CheckFailedError
from bench.fixture import Fixture, opened
from bench.machine import Machine
from bench.page import PAGE, write_page
from bench.phases import Conditions
from bench.plan import measured_rows, steps_for
from bench.report import Report, text_of
from bench.scale import Scale
from bench.scenarios import SCENARIOS, USUAL

# Faster than anything measured so far; who is faster still is told to ask for more.
SLOTS_PER_SECOND = 30_000
SLOTS_MIN = 10_000
SECONDS, ROUNDS = 3, 2
QUICK_SECONDS, QUICK_ROUNDS = 1, 1
# What others had of the machine; more, and the page would tell about them.
ELSEWHERE_MAX = 0.05


def main() -> int:
    # Whoever ends us ends our server too: the exception passes through the blocks that stop it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if sys.argv[1:2] == ["soak"]:
            return soak.main(sys.argv[2:])
        return _measure(_arguments())
    except CheckFailedError as error:
        print(f"FAILED: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _measure(asked: argparse.Namespace) -> int:
    names = asked.scenarios or [*USUAL, derivation.NAME]
    scenarios = [SCENARIOS[name] for name in names if name != derivation.NAME]
    for scenario in scenarios:
        yardstick.script_of(scenario)  # what it does not know, it says now and not in some minutes
    slots = asked.slots or max(SLOTS_MIN, round(asked.seconds * SLOTS_PER_SECOND))
    scale = Scale(slots=slots, patients=slots)
    conditions = Conditions(seconds=asked.seconds, generator=asked.load)
    steps = steps_for(scenarios, asked.connections or [1, 16, 64], asked.workers or [1, 2])
    how = f"{asked.seconds:g} s a run, {asked.rounds} round(s); load by {asked.load}"
    print(f"Preparing: {how} …", flush=True)
    templates = {scenario.template for scenario in scenarios}
    with opened(scale, templates, parent=asked.data_dir) as fixture:
        report = Report(
            machine=Machine.here(fixture.folder, fixture.server_version),
            how=how,
            scales={name: fixture.scales[name] for name in sorted(templates)},
            rows=measured_rows(fixture, steps, conditions, rounds=asked.rounds),
            derivation=_derived(fixture, asked) if derivation.NAME in names else None,
        )
    print(f"\n{text_of(report)}")
    print(
        "\nChecked after every run that writes: as many visits, events, audit and idempotency rows"
    )
    print("as answers; no overlaps; no errors.")
    return _write(report, asked)


def _derived(fixture: Fixture, asked: argparse.Namespace) -> derivation.Derivation:
    providers = derivation.QUICK_PROVIDERS if asked.quick else derivation.PROVIDERS
    done = derivation.measure(fixture, providers=providers, rounds=asked.rounds)
    print(f"  Slots out of schedules: {done.line}", flush=True)
    return done


def _write(report: Report, asked: argparse.Namespace) -> int:
    """Write the page where that was asked for, or where this run is fit for it."""
    partial = asked.scenarios or asked.connections or asked.workers
    if asked.quick or (partial and not asked.write):
        print(f"A part only, so {PAGE} stays as it is; --write writes it all the same.")
    elif report.elsewhere > ELSEWHERE_MAX and not asked.write:
        print(
            f"Other programs had {report.elsewhere:.0%} of the machine, so {PAGE} stays as it is; "
            "--write writes it all the same."
        )
    else:
        write_page(report, representative=report.elsewhere <= ELSEWHERE_MAX)
        print(f"Written to {PAGE}.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a short look that writes nothing")
    parser.add_argument("--seconds", type=float, help=f"of each run ({SECONDS})")
    parser.add_argument("--rounds", type=int, help=f"the median is told ({ROUNDS})")
    parser.add_argument("--connections", type=int, nargs="+", metavar="N", help="(1 16 64)")
    parser.add_argument("--workers", type=int, nargs="+", metavar="N", help="of the service (1 2)")
    parser.add_argument(
        "--scenarios",
        nargs="+",
        choices=[*SCENARIOS, derivation.NAME],
        help="(all but book-without-key)",
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
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"write {PAGE} even if this is a part only, or the machine was busy otherwise",
    )
    asked = parser.parse_args()
    if asked.quick and asked.write:
        parser.error("--quick writes nothing")
    asked.seconds = asked.seconds or (QUICK_SECONDS if asked.quick else SECONDS)
    asked.rounds = asked.rounds or (QUICK_ROUNDS if asked.quick else ROUNDS)
    return asked


if __name__ == "__main__":
    sys.exit(main())
