"""Load over HTTP: by wrk where it is installed, else by our own generator."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.fixture import TOKEN
from bench.measured import Latency, Run
from bench.scenario import Request, Scenario

WRK, OWN = "wrk", "python"
_SCRIPT = Path(__file__).with_name("feed.lua")
# Fewer than this and a second thread has nothing to do.
_CONNECTIONS_PER_THREAD = 8
_THREADS_MAX = 2


def preferred() -> str:
    """The generator to use when nobody says which."""
    return WRK if shutil.which("wrk") else OWN


def write_feed(path: Path, requests: Iterable[Request]) -> int:
    """Write the requests for either generator, and count them."""
    count = 0
    with path.open("w", encoding="ascii") as feed:
        for request in requests:
            feed.write(request.line)
            count += 1
    return count


def run(
    generator: str, scenario: Scenario, url: str, feed: Path, *, connections: int, seconds: float
) -> Run:
    """Send what the feed has, for so many seconds; wrk counts whole ones only."""
    if generator == WRK:
        return _run_wrk(scenario, url, feed, connections=connections, seconds=math.ceil(seconds))
    return run_own(scenario, url, feed, connections=connections, seconds=seconds)


def _run_wrk(scenario: Scenario, url: str, feed: Path, *, connections: int, seconds: int) -> Run:
    threads = max(1, min(_THREADS_MAX, connections // _CONNECTIONS_PER_THREAD))
    said = _said_by(
        [
            "wrk",
            f"--threads={threads}",
            f"--connections={connections}",
            f"--duration={seconds}s",
            "--timeout=30s",
            f"--script={_SCRIPT}",
            url,
            "--",
            str(feed),
            TOKEN,
            str(threads),
            "again" if scenario.endless else "once",
            str(scenario.success),
            str(scenario.race.refusal if scenario.race else 0),
        ]
    )
    result = next(line for line in said.splitlines() if line.startswith("RESULT "))
    good, refused, bad, micros, *latencies = (int(word) for word in result.split()[1:])
    p50, p90, p99, longest = (number / 1000 for number in latencies)
    with feed.open("rb") as lines:
        available = sum(1 for _ in lines)
    return Run(
        # wrk counts statuses from 400 on as errors; of those below, the service has one a route.
        successes=good,
        refusals=refused,
        failures=bad,
        seconds=micros / 1e6,
        latency=Latency(p50=p50, p90=p90, p99=p99, longest=longest),
        # wrk leaves without waiting for the last answers.
        unanswered_max=connections,
        ran_out=not scenario.endless and good + refused + connections >= available,
    )


def run_own(scenario: Scenario, url: str, feed: Path, *, connections: int, seconds: float) -> Run:
    """Send with our own generator, which waits for the last answer."""
    command = [sys.executable, "-m", "bench.generator", url, TOKEN, str(feed)]
    repeat = "again" if scenario.endless else "once"
    said = json.loads(_said_by([*command, str(connections), str(seconds), repeat]))
    statuses = said["statuses"]
    successes = statuses.pop(str(scenario.success), 0)
    refusals = statuses.pop(str(scenario.race.refusal), 0) if scenario.race else 0
    return Run(
        successes=successes,
        refusals=refusals,
        failures=sum(statuses.values()),
        seconds=said["seconds"],
        latency=Latency(**said["latency"]),
        ran_out=said["ran_out"],
    )


def _said_by(command: list[str]) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {finished.stderr.strip()}")
    return finished.stdout
