"""The yardstick: pgbench runs the service's own statement, as one prepared statement."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.measured import Latency, Run
from bench.scale import Scale
from bench.scenario import Scenario
from bookwell.storage.connections import session_settings
from bookwell.storage.embedded import EmbeddedPostgres

# More of them gain nothing on the machines we know; they take from the database.
THREADS_MAX = 2


def script_of(scenario: Scenario) -> str:
    """The statement in pgbench's words: `$1` is called by its name again.

    `:item` counts 0, 1, 2, … over all clients, each client taking every `:clients`-th.
    """
    statement = scenario.carrier
    # pgbench makes each mention of a name a parameter of its own, so each needs the type that the
    # statement tells once.
    types = dict(re.findall(r"(\$\d+)(::[a-z]+(?:\[\])?)", statement.sql))

    def named(found: re.Match[str]) -> str:
        name = statement.parameters[int(found[1]) - 1]
        kind = found[2] or types.get(f"${found[1]}", "")
        if kind.endswith("[]") and name in scenario.numbers:
            return f"ARRAY[:{name}::{kind.strip(':[]')}]"  # pgbench knows no arrays
        return f":{name}{kind}"

    text = re.sub(r"\$(\d+)(::[a-z]+(?:\[\])?)?", named, statement.sql)
    commands = [
        r"\set item :turn * :clients + :client_id",
        r"\set turn :turn + 1",
        *(rf"\set {name} {expression}" for name, expression in scenario.numbers.items()),
    ]
    return "\n".join([*commands, text.rstrip().rstrip(";") + ";", ""])


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
    # pgbench sends NULL for a variable that it does not know.
    known = {name: value for name, value in scenario.constants.items() if value is not None}
    variables = {
        **known,
        "clients": str(clients),
        "turn": str(first_turn),
        "slots": str(scale.slots),
        "providers": str(scale.providers),
        "patients": str(scale.patients),
    }
    amount = f"--time={seconds}" if turns is None else f"--transactions={turns}"
    said = _said_by(script, url, folder, variables, clients=clients, amount=amount)
    done = int(_number_in(r"transactions actually processed: (\d+)", said))
    durations = [
        int(line.split(" ", 3)[2]) / 1e6
        for log in folder.glob("pgbench_log.*")
        for line in log.read_text().splitlines()
    ]
    came_to = Run(
        successes=done,
        failures=int(_number_in(r"number of failed transactions: (\d+)", said)),
        seconds=done / _number_in(r"tps = ([\d.]+)", said),
        latency=Latency.of(durations),
        ran_out=scenario.race is None
        and not scenario.endless
        and first_turn * clients + done > scale.slots,
    )
    if scenario.race is None:
        return came_to
    # pgbench does not read who won; the check asks the database whether it was so many.
    won = scenario.race.slots
    return replace(came_to, successes=won, refusals=done - won)


def _said_by(
    script: Path, url: str, folder: Path, variables: dict[str, str], *, clients: int, amount: str
) -> str:
    place = urlsplit(url)
    options = " ".join(f"-c {name}={value}" for name, value in session_settings().items())
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
            amount,
            "--log",
            f"--log-prefix={folder / 'pgbench_log'}",
            *(f"--define={name}={value}" for name, value in variables.items()),
            place.path.lstrip("/"),
        ],
        env={**os.environ, "PGOPTIONS": options},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"pgbench failed: {finished.stderr.strip()}")
    return finished.stdout


def _number_in(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, f"pgbench says {pattern}"
    return float(found[1])
