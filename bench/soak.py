"""`python -m bench soak`: steady load of all kinds for an hour, and the memory of each worker."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench import page, soaked
from bench.client import Client
from bench.errands import Errands
from bench.fixture import FREE, TOKEN, Fixture, opened
from bench.machine import Machine
from bench.measured import Latency
from bench.memory import Sampler
from bench.scale import Scale
from bench.service import Service, serving
from bench.soaked import Soak
from bench.tables import plain

SCALE = Scale(slots=20_000, patients=20_000)
TABLES = ("visit", "event", "audit", "idempotency")
_SAY_EVERY_SECONDS = 60


def main(arguments: Sequence[str]) -> int:
    asked = _arguments(arguments)
    print(f"Preparing: {asked.minutes:g} minutes of {asked.rate:g} calls a second …", flush=True)
    with opened(SCALE, [], parent=asked.data_dir) as fixture:
        url, log = fixture.url_of(FREE), fixture.folder / "service.log"
        before = _database_bytes(url)
        with serving(url, workers=asked.workers, log=log) as service:
            errands, sampler = asyncio.run(_work(service, asked))
        soak = _soak_of(asked, fixture, errands, sampler, log, before)
    print(f"\n{plain(soaked.SOAK_HEAD, soak.table)}\n\n{soaked.lines_of(soak)}")
    if asked.write:
        soaked.write(soak)
        page.rewrite_soak()
        print(f"Written to {soaked.RESULT} and {page.PAGE}.")
    return 0 if soak.passed else 1


async def _work(service: Service, asked: argparse.Namespace) -> tuple[Errands, Sampler]:
    errands = Errands(SCALE, rate=asked.rate, seconds=asked.minutes * 60)
    sampler = Sampler(service.pid)
    async with asyncio.TaskGroup() as tasks:
        aside = [
            tasks.create_task(sampler.run()),
            tasks.create_task(_say(errands, sampler)),
        ]
        callers = [
            tasks.create_task(errands.caller(Client(service.base_url, TOKEN)))
            for _ in range(asked.connections)
        ]
        await asyncio.wait(callers)
        for task in aside:
            task.cancel()
    sampler.sample()
    return errands, sampler


async def _say(errands: Errands, sampler: Sampler) -> None:
    minutes = 0
    while True:
        await asyncio.sleep(_SAY_EVERY_SECONDS)
        minutes += 1
        sizes = ", ".join(f"{samples[-1][1]:.1f}" for samples in sampler.samples.values())
        print(
            f"  {minutes} min: {errands.calls.total():,} calls, "
            f"{errands.unexpected.total()} unexpected; workers {sizes} MB",
            flush=True,
        )


def _soak_of(
    asked: argparse.Namespace,
    fixture: Fixture,
    errands: Errands,
    sampler: Sampler,
    log: Path,
    database_bytes_before: int,
) -> Soak:
    url = fixture.url_of(FREE)
    latency = Latency.of(errands.latencies)
    machine = Machine.here(fixture.folder, fixture.server_version)
    return Soak(
        on=f"{machine.line}, ended {datetime.now(UTC):%H:%M} UTC",
        minutes=asked.minutes,
        rate_wanted=asked.rate,
        calls=dict(errands.calls),
        unexpected=dict(errands.unexpected),
        p50_ms=latency.p50,
        p99_ms=latency.p99,
        slowest_ms=errands.slowest * 1000,
        workers=sampler.memories(),
        rows=_rows(url),
        database_mb=(_database_bytes(url) - database_bytes_before) / 1e6,
        log_mb=log.stat().st_size / 1e6,
    )


def _rows(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM booking.{table}".encode()).fetchall()
            for table in TABLES
        ]
    return {table: count for table, ((count,),) in zip(TABLES, counts, strict=True)}


def _database_bytes(url: str) -> int:
    with psycopg.connect(url) as connection:
        ((size,),) = connection.execute("SELECT pg_database_size(current_database())").fetchall()
    return int(size)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="(%(default)s)")
    parser.add_argument("--rate", type=float, default=200, help="calls a second (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of the service (%(default)s)")
    parser.add_argument("--connections", type=int, default=16, help="(%(default)s)")
    parser.add_argument(
        "--data-dir", type=Path, help="where the database lies meanwhile; should be a real disk"
    )
    parser.add_argument(
        "--write", action="store_true", help=f"keep the result in {soaked.RESULT} and on the page"
    )
    return parser.parse_args(arguments)
