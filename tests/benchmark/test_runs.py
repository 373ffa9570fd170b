"""The benchmark runs and checks what it counts. How fast anything is, no test asserts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("generator", "scenarios"),
    [
        ("python", ("book", "contention", "slots-small")),
        (BEST_GENERATOR, ("hold", "confirm", "cancel", "contention", "brand-deep-small")),
    ],
)
def test_the_benchmark_tells_ratios_once_the_database_agrees_with_every_answer(
    generator: str, scenarios: tuple[str, ...], tmp_path: Path
) -> None:
    finished = bench(*LITTLE, f"--load={generator}", "--scenarios", *scenarios, cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert f"load by {generator}" in finished.stdout
    assert finished.stdout.count("2 connection(s), 1 worker(s): pgbench") == len(scenarios)
    assert "no overlaps; no errors." in finished.stdout


def test_of_10_000_racing_attempts_at_200_slots_exactly_200_win(tmp_path: Path) -> None:
    finished = bench(*LITTLE, "--connections=64", "--scenarios=rush", cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert " s, 200 winners  reached" in finished.stdout


def test_a_part_of_the_benchmark_writes_no_page_unless_asked_to(tmp_path: Path) -> None:
    part = (*LITTLE, "--scenarios", "book", "patient-small")

    unasked = bench(*part, cwd=tmp_path)
    written_unasked = list((tmp_path / "docs").iterdir())
    asked = bench(*part, "--write", cwd=tmp_path)

    assert unasked.returncode == asked.returncode == 0, asked.stderr
    assert written_unasked == []
    assert "| book | 2 | 1 |" in (tmp_path / "docs/benchmarks.md").read_text()
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
