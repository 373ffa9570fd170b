"""What a delivery costs: in the courier, in PostgreSQL, beside a bare post by the same library.

    python -m bench.webhooks [deliveries]

One courier delivers to a quick receiver in a process of its own, on this machine. The yardstick, in
the same run: as many posts of the same size to the same receiver by httpcore alone.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import httpcore
import psutil
import psycopg
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bench.receiver import receiving
from bookwell.gateways.outbound import Outbound
from bookwell.storage.database import Database
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.migrate import migrate
from bookwell.usecases.deliveries import Sender
from world import populate

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
AT_ONCE = 32
BODY = b"x" * 420


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="bw-bench-", dir="/dev/shm") as folder,
        EmbeddedPostgres(Path(folder) / "d", durable=False) as postgres,
        receiving() as url,
    ):
        migrate(postgres.url)
        populate(postgres.url)
        uvloop.run(measure(postgres.url, url))


async def measure(database_url: str, url: str) -> None:
    bare, fenced = await bare_posts(url), await fenced_posts(url)
    write(database_url, url)
    courier, postgres, rate = await deliver(database_url)
    print(f"a post by httpcore alone     {bare[0] * 1e6:6.0f} µs of CPU, {bare[1]:6.0f} a second")
    print(
        f"a post through our fence     {fenced[0] * 1e6:6.0f} µs of CPU, {fenced[1]:6.0f} a second"
    )
    print(f"a delivery, in the courier   {courier * 1e6:6.0f} µs of CPU, {rate:6.0f} a second")
    print(f"a delivery, in PostgreSQL    {postgres * 1e6:6.0f} µs of CPU")
    print(f"delivery to post, ratio      {courier / fenced[0]:6.2f}")


async def bare_posts(url: str) -> tuple[float, float]:
    pool = httpcore.AsyncConnectionPool(max_connections=None)
    turns = iter(range(COUNT))

    async def post() -> None:
        for _ in turns:
            await pool.request("POST", url, content=BODY)

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(post() for _ in range(AT_ONCE)))
    figures = (time.process_time() - cpu) / COUNT, COUNT / (time.perf_counter() - wall)
    await pool.aclose()
    return figures


async def fenced_posts(url: str) -> tuple[float, float]:
    outbound = Outbound(allow_loopback=True)
    turns = iter(range(COUNT))

    async def post() -> None:
        for _ in turns:
            await outbound.post(url, headers={"content-type": "application/json"}, body=BODY)

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(post() for _ in range(AT_ONCE)))
    figures = (time.process_time() - cpu) / COUNT, COUNT / (time.perf_counter() - wall)
    await outbound.close()
    return figures


def write(database_url: str, url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO booking.webhook_endpoint"
            " (endpoint_id, brand_id, url, event_types, format, secret)"
            " VALUES ('whe_1', 'loop', %s, '{*}', 'standard', 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0')",
            (url,),
        )
        connection.execute(
            "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
            " SELECT 'evt_01JD0000000000000000' || n, 'loop', 'booking.visit.created.v1',"
            " 'vis_01JD00000000000000' || n / 3, n %% 3, jsonb_build_object('visit_id', 'vis_' || n,"
            " 'patient_id', 'pat_ada', 'provider_id', 'prv_kim', 'brand_id', 'loop',"
            " 'slot_start', now(), 'slot_end', now(), 'visit_type', 'follow_up',"
            " 'created_at', now()) FROM generate_series(1, %s) AS n",
            (COUNT,),
        )
        while connection.execute("SELECT booking.number_events(1000, 0)").fetchone() != (0,):
            pass


async def deliver(database_url: str) -> tuple[float, float, float]:
    database = await Database.connect(database_url, pool_size=16)
    outbound = Outbound(allow_loopback=True)
    sender = Sender(
        database,
        outbound,
        worker_id="bench",
        note=lambda _: None,
        note_bug=lambda e: print(repr(e)),
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        servers = psutil.Process(connection.info.backend_pid).parent()

        def cpu_of_postgres() -> float:
            return sum(
                each.cpu_times().user + each.cpu_times().system
                for each in [servers, *servers.children()]
            )

        cpu, theirs, wall = time.process_time(), cpu_of_postgres(), time.perf_counter()
        task = asyncio.create_task(sender.run())
        while connection.execute(  # noqa: ASYNC110 - the database says when
            "SELECT count(*) FROM booking.delivery WHERE status = 'pending'"
        ).fetchone() != (0,):
            await asyncio.sleep(0.1)
        took = time.perf_counter() - wall
        figures = (
            (time.process_time() - cpu) / COUNT,
            (cpu_of_postgres() - theirs) / COUNT,
            COUNT / took,
        )
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await outbound.close()
    await database.close()
    return figures


if __name__ == "__main__":
    main()
