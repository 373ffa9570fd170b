"""The benchmark runs and checks what it counts. How fast anything is, no test asserts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BEST_GENERATOR = "wrk" if shutil.which("wrk") else "python"


def bench(*options: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """`python -m bench` in a folder where it may write its page."""
    (cwd / "docs").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "bench", *options],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )


LITTLE = ("--seconds=0.3", "--rounds=1", "--connections=2", "--workers=1")


def test_the_benchmark_tells_ratios_once_the_database_agrees_with_every_answer(
    tmp_path: Path,
) -> None:
    scenarios = ("book", "contention", "rush", "slots-small")

    finished = bench(
        *LITTLE, "--connections=64", "--load=python", "--scenarios", *scenarios, cwd=tmp_path
    )

    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("64 connection(s), 1 worker(s): pgbench") == len(scenarios)
    assert " s, 200 winners  " in finished.stdout
    assert "no overlaps; no errors." in finished.stdout
    assert "A part only, so docs/benchmarks.md stays as it is" in finished.stdout
    assert list((tmp_path / "docs").iterdir()) == []


def test_a_part_of_the_benchmark_is_written_if_it_is_asked_to(tmp_path: Path) -> None:
    scenarios = ("hold", "confirm", "cancel", "contention", "brand-deep-small")

    finished = bench(
        *LITTLE, f"--load={BEST_GENERATOR}", "--write", "--scenarios", *scenarios, cwd=tmp_path
    )

    assert finished.returncode == 0, finished.stderr
    page = (tmp_path / "docs/benchmarks.md").read_text()
    assert f"load by {BEST_GENERATOR}" in page
    assert "| confirm | 2 | 1 |" in page
    assert (tmp_path / "docs/benchmarks.svg").read_text().startswith("<svg ")


def test_a_quick_look_cannot_be_written(tmp_path: Path) -> None:
    finished = bench("--quick", "--write", cwd=tmp_path)

    assert finished.returncode == 2
    assert "--quick writes nothing" in finished.stderr


def test_a_benchmark_that_runs_out_of_slots_tells_no_number(tmp_path: Path) -> None:
    finished = bench(*LITTLE, "--scenarios=book", "--slots=200", cwd=tmp_path)

    assert finished.returncode == 1
    assert "there was nothing left to take: ask for more with --slots" in finished.stderr
    assert "ratio" not in finished.stdout


def test_a_soak_books_and_cancels_and_tells_the_memory_of_each_worker(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/benchmarks.md").write_text("# Benchmarks\n\n")

    finished = bench("soak", "--minutes=0.05", "--rate=100", "--write", cwd=tmp_path)

    page = (tmp_path / "docs/benchmarks.md").read_text()
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "Unexpected answers: none." in page
    assert "| 2 | " in page
    assert (tmp_path / "docs/benchmarks-soak.json").exists()
