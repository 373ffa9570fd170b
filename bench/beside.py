"""What callers feel while webhooks leave: bookings at a steady pace, alone and beside deliveries.

    python -m bench.beside [bookings a second]

One worker, one courier, a durable PostgreSQL and a quick receiver, all on this machine. The yardstick
is the same pace with nothing to deliver, in turns in the same run. A booking's time counts from when
it was due, so one that waits for the one before is late too.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.bookings import BOOK
from bench.client import Client
from bench.fixture import FREE, TOKEN, opened
from bench.receiver import receiving
from bench.scale import BRAND, Scale
from bench.scenario import Request
from bench.service import serving

PACE = 100
SECONDS = 10
ROUNDS = 3
CLIENTS = 32
# More than leave in the seconds of a turn.
EVENTS = 20_000
SCALE = Scale(slots=100_000)

_ENDPOINT = """
    INSERT INTO booking.webhook_endpoint
        (endpoint_id, brand_id, url, event_types, format, secret, disabled_at, disabled_because)
    VALUES ('whe_bench', %s, %s, '{*}', 'standard', 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0', now(),
        'request')
    """
_TURN_ON = "UPDATE booking.webhook_endpoint SET disabled_at = NULL, disabled_because = NULL"
_TURN_OFF = """
    UPDATE booking.webhook_endpoint SET disabled_at = now(), disabled_because = 'request'
    """
_HAPPEN = """
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT 'evt_bench' || %(turn)s || 'x' || n, %(brand)s, 'booking.visit.created.v1',
        'vis_bench' || %(turn)s || 'x' || n, 1,
        jsonb_build_object('visit_id', 'vis_' || n, 'patient_id', 'pat', 'provider_id', 'prv',
            'brand_id', %(brand)s::text, 'slot_start', now(), 'slot_end', now(),
            'visit_type', 'follow_up', 'created_at', now())
    FROM generate_series(1, %(count)s) AS n
    """
_DELIVERED = "SELECT count(*) FROM booking.delivery WHERE status = 'delivered'"
_FORGET = (
    "UPDATE booking.delivery SET status = 'abandoned', settled_at = now() WHERE status = 'pending'"
)


async def book(clients: list[Client], requests: Iterator[Request], pace: int) -> list[float]:
    """Seconds from when each booking was due to its answer, sorted."""
    took: list[float] = []
    began = time.perf_counter()

    async def turns(client: Client, first: int) -> None:
        for number in range(first, pace * SECONDS, len(clients)):
            due = began + number / pace
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            status, said = await client.call(next(requests))
            took.append(time.perf_counter() - due)
            assert status == 201, said

    await asyncio.gather(*(turns(client, first) for first, client in enumerate(clients)))
    return sorted(took)


async def measure(base_url: str, database_url: str, url: str, pace: int) -> None:
    requests = BOOK.requests(SCALE)
    clients = [Client(base_url, TOKEN) for _ in range(CLIENTS)]
    connection = psycopg.connect(database_url, autocommit=True)
    connection.execute(_ENDPOINT, (BRAND, url))
    alone, beside, sent = [], [], 0
    await book(clients, requests, pace)
    for turn in range(ROUNDS):
        alone += await book(clients, requests, pace)
        connection.execute(_TURN_ON)
        connection.execute(_HAPPEN, {"turn": turn, "brand": BRAND, "count": EVENTS})
        before = connection.execute(_DELIVERED).fetchone()
        beside += await book(clients, requests, pace)
        after = connection.execute(_DELIVERED).fetchone()
        assert before
        assert after
        sent += after[0] - before[0]
        connection.execute(_TURN_OFF)
        connection.execute(_FORGET)
        await asyncio.sleep(2)
    connection.close()
    for client in clients:
        client.close()
    print(f"{pace} bookings a second, beside them {sent / ROUNDS / SECONDS:.0f} webhooks a second")
    for name, at in (("p50", 50), ("p90", 90), ("p99", 99)):
        quiet, busy = (statistics.quantiles(each, n=100)[at - 1] for each in (alone, beside))
        print(
            f"{name}  alone {quiet * 1e3:6.1f} ms   beside {busy * 1e3:6.1f} ms   {busy / quiet:.1f}"
        )


def main(pace: int = PACE) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="bw-bench-") as folder,
        opened(SCALE, []) as fixture,
        fixture.database(FREE, read_only=False) as database_url,
        receiving() as url,
        serving(
            database_url, workers=1, log=Path(folder) / "log", webhook_allow_loopback="1"
        ) as service,
    ):
        asyncio.run(measure(service.base_url, database_url, url, pace))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
