"""The yardstick: pgbench runs the service's own statement, as one prepared statement."""

import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.fixture import Scale
from bench.measured import Latency, Run
from bench.scenarios import Scenario
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.statements import STATEMENTS

# More of them gain nothing on the machines we know; they take from the database.
THREADS_MAX = 2


def script_of(scenario: Scenario) -> str:
    """The statement in pgbench's words: `$1` is called by its name again.

    `:item` counts 0, 1, 2, … over all clients, each client taking every `:clients`-th.
    """
    statement = STATEMENTS[scenario.statement]
    text = re.sub(
        r"\$(\d+)", lambda found: f":{statement.parameters[int(found[1]) - 1]}", statement.sql
    )
    commands = (r"\set item :turn * :clients + :client_id", r"\set turn :turn + 1")
    return "\n".join([*commands, *scenario.variables, text.rstrip().rstrip(";") + ";", ""])


def run(
    scenario: Scenario,
    scale: Scale,
    url: str,
    folder: Path,
    *,
    clients: int,
    first_turn: int,
    turns: int | None = None,
    seconds: int | None = None,
) -> Run:
    """Let `clients` take so many turns each, from `first_turn` on, or as many as fit in the time."""
    script = folder / "pgbench.sql"
    script.write_text(script_of(scenario))
    for old in folder.glob("pgbench_log.*"):
        old.unlink()
    constants = {
        **scenario.constants,
        "clients": str(clients),
        "turn": str(first_turn),
        "slots": str(scale.slots),
        "patients": str(scale.patients),
    }
    place = urlsplit(url)
    finished = subprocess.run(
        [
            str(EmbeddedPostgres.bin_path / "pgbench"),
            "--no-vacuum",
            "--protocol=prepared",
            f"--host={parse_qs(place.query)['host'][0]}",
            f"--username={place.username}",
            f"--file={script}",
            f"--client={clients}",
            f"--jobs={min(clients, THREADS_MAX)}",
            f"--time={seconds}" if turns is None else f"--transactions={turns}",
            "--log",
            f"--log-prefix={folder / 'pgbench_log'}",
            *(f"--define={name}={value}" for name, value in constants.items()),
            place.path.lstrip("/"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"pgbench failed: {finished.stderr.strip()}")
    done = int(_number_in(r"transactions actually processed: (\d+)", finished.stdout))
    failed = int(_number_in(r"number of failed transactions: (\d+)", finished.stdout))
    durations = [
        int(line.split(" ", 3)[2]) / 1e6
        for log in folder.glob("pgbench_log.*")
        for line in log.read_text().splitlines()
    ]
    return Run(
        successes=done,
        failures=failed,
        seconds=done / _number_in(r"tps = ([\d.]+)", finished.stdout),
        latency=Latency.of(durations),
        ran_out=first_turn * clients + done > scale.slots,
    )


def _number_in(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, f"pgbench says {pattern}"
    return float(found[1])
