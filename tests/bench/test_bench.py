"""The benchmark runs and checks what it counts. How fast anything is, no test asserts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BEST_GENERATOR = "wrk" if shutil.which("wrk") else "python"


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    """`python -m bench`, with little of everything."""
    return subprocess.run(
        [sys.executable, "-m", "bench", "--seconds=0.3", "--connections=2", *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("generator", "scenario"), [("python", "book-with-key"), (BEST_GENERATOR, "cancel")]
)
def test_the_benchmark_tells_a_ratio_once_the_database_agrees_with_every_answer(
    generator: str, scenario: str
) -> None:
    finished = bench(f"--load={generator}", f"--scenarios={scenario}")

    assert finished.returncode == 0, finished.stderr
    assert f"load by {generator}" in finished.stdout
    assert "2 connection(s), 1 worker(s): pgbench" in finished.stdout
    assert "no overlaps; no errors." in finished.stdout


def test_a_benchmark_that_runs_out_of_slots_tells_no_number() -> None:
    finished = bench("--scenarios=book", "--slots=200")

    assert finished.returncode == 1
    assert "there was nothing left to take: ask for more with --slots" in finished.stderr
    assert "ratio" not in finished.stdout
