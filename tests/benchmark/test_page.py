"""The page says what was measured, what was wanted of it, and when it is not to be believed."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from bench import page, soaked
from bench.fixture import FREE, LARGE, SMALL
from bench.machine import Machine
from bench.measured import Key, Latency, Round, Row, Run
from bench.report import Report
from bench.scale import Scale
from bench.scenarios import SCENARIOS
from bench.soaked import Memory, Soak
from bench.targets import verdicts_of
from bench.yardstick import script_of

QUICK = Latency(p50=1.0, p90=2.0, p99=5.0, longest=9.0)
MACHINE = Machine(
    processor="A processor", cores=2, memory_bytes=2**33, filesystem="ext4", postgres="18.0"
)


def run(rate: float, latency: Latency = QUICK, *, elsewhere: float = 0.0) -> Run:
    cpu = {"service": 100.0, "PostgreSQL": 100.0, "load": 10.0}
    return Run(
        successes=round(rate),
        failures=0,
        seconds=1.0,
        latency=latency,
        cpu=cpu,
        elsewhere=elsewhere,
    )


def row(
    scenario: str,
    ratio: float,
    *,
    connections: int = 16,
    latency: Latency = QUICK,
    template: str = FREE,
) -> Row:
    key = Key(
        scenario=scenario,
        title=scenario,
        template=template,
        workers=1,
        connections=connections,
    )
    one = Round(yardstick=run(1000), service=run(1000 * ratio, latency))
    return Row(key=key, rounds=(one,))


def report(*rows: Row) -> Report:
    scales = {FREE: Scale(slots=10), LARGE: Scale(slots=1000), SMALL: Scale(slots=10)}
    return Report(machine=MACHINE, how="1 s a run", scales=scales, rows=rows)


def verdicts(*rows: Row) -> dict[str, str]:
    """By the first words of the target."""
    return {verdict.target.split(":")[0]: verdict.verdict for verdict in verdicts_of(rows)}


SOAK = Soak(
    on="A machine",
    minutes=60,
    rate_wanted=100,
    calls={"book": 360_000},
    unexpected={},
    p50_ms=1,
    p99_ms=2,
    slowest_ms=30,
    workers=[Memory(first=70, last=71, most=72, per_hour=0.5)],
)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_parameter_of_a_measured_statement_has_a_value(name: str) -> None:
    script = script_of(SCENARIOS[name])

    assert "$" not in script


def test_a_parameter_that_the_benchmark_does_not_know_is_an_error() -> None:
    book = SCENARIOS["book"]
    constants = {name: value for name, value in book.constants.items() if name != "holds_max"}

    with pytest.raises(LookupError, match="holds_max"):
        script_of(replace(book, constants=constants))


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(0.5, "reached"), (0.49, "the least"), (0.34, "missed")]
)
def test_the_booking_rate_is_judged_at_16_connections(ratio: float, verdict: str) -> None:
    rows = [row("book", ratio), row("book", 0.9, connections=64), row("cancel", 0.1)]

    assert verdicts(*rows)["booking at 16 connections"] == verdict


@pytest.mark.parametrize(("p99", "verdict"), [(9.9, "reached"), (10.0, "missed")])
def test_the_latency_of_bookings_is_judged_at_64_connections(p99: float, verdict: str) -> None:
    slow = replace(QUICK, p99=50.0)
    rows = [
        row("book", 1, connections=16, latency=slow),
        row("book", 1, connections=64, latency=replace(QUICK, p99=p99)),
    ]

    assert verdicts(*rows)["booking at 64 connections"] == verdict


def test_a_search_is_judged_by_the_worst_and_by_its_twin_in_the_small_book() -> None:
    rows = [
        row("slots", 0.5, template=LARGE),
        row("slots-small", 0.5, template=SMALL),
        row("brand", 0.41, template=LARGE),
        row("brand-small", 0.5, template=SMALL),
    ]

    found = verdicts_of(rows)

    assert ["0.41 at the least (brand, 1 worker)", "reached"] in [
        verdict.cells[1:] for verdict in found
    ]
    assert ["0.82 at the least (brand, 1 worker)", "missed"] in [
        verdict.cells[1:] for verdict in found
    ]


def test_what_was_not_measured_is_not_called_reached() -> None:
    assert set(verdicts().values()) == {"not measured"}


def test_of_several_rounds_the_one_in_the_middle_is_told() -> None:
    rounds = [row("book", ratio).rounds[0] for ratio in (0.2, 0.9, 0.5)]

    told = Row(key=row("book", 1).key, rounds=tuple(rounds))

    assert told.ratio == 0.5
    assert told.spread == (0.2, 0.9)


def test_a_page_written_on_a_busy_machine_says_so(in_folder: Path) -> None:
    busy = Round(yardstick=run(10, elsewhere=0.4), service=run(10, elsewhere=0.2))

    page.write_page(report(Row(key=row("book", 1).key, rounds=(busy,))), representative=False)

    text = (in_folder / "docs/benchmarks.md").read_text()
    assert "**Not representative:** other programs had 30% of the machine" in text


def test_the_last_soak_stays_on_the_page_when_it_is_written_anew(in_folder: Path) -> None:
    soaked.write(SOAK)

    page.write_page(report(row("book", 0.5)), representative=True)

    text = (in_folder / "docs/benchmarks.md").read_text()
    assert "its memory is flat (grows by less than 5% an hour): **reached**" in text
    assert "| 1 | 70.0 | 71.0 | 72.0 | +0.50 | flat |" in text
    assert "360,000 book" in text


def test_a_new_soak_takes_the_place_of_the_one_before_and_leaves_the_rest(in_folder: Path) -> None:
    soaked.write(SOAK)
    page.write_page(report(row("book", 0.5)), representative=True)
    before = (in_folder / "docs/benchmarks.md").read_text()

    soaked.write(replace(SOAK, calls={"book": 720_000}))
    page.rewrite_soak()

    after = (in_folder / "docs/benchmarks.md").read_text()
    assert after == before.replace("360,000 book", "720,000 book").replace("100 were", "200 were")


@pytest.mark.parametrize(
    "soak",
    [
        replace(SOAK, unexpected={"book 503 overloaded": 1}),
        replace(SOAK, workers=[Memory(first=70, last=80, most=80, per_hour=11)]),
        replace(SOAK, workers=[Memory(first=149, last=149, most=151, per_hour=0)]),
    ],
    ids=["an unexpected answer", "growth", "size"],
)
def test_a_soak_misses_its_target_by(soak: Soak) -> None:
    assert SOAK.passed
    assert not soak.passed


def test_the_chart_has_every_number_and_is_well_formed(in_folder: Path) -> None:
    rows = [row("a < b", 0.5), row("slots", 0.25, template=LARGE)]

    page.write_page(report(*rows), representative=True)

    chart = ET.fromstring((in_folder / "docs/benchmarks.svg").read_text())  # noqa: S314 - our own
    texts = [element.text for element in chart.iter() if element.text]
    assert {"a < b, 16 conn.", "slots", "1,000", "500", "250"} <= set(texts)
    assert any("prefers-color-scheme: dark" in text for text in texts)
