"""The disk is full: the kernel itself tells PostgreSQL so, in the middle of a booking."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from books import count, is_whole
from conftest import serving, settings_for
from world import World, headers

# Whatever is written to this device fails with ENOSPC, as on a disk without a free block.
NO_ROOM = Path("/dev/full")


@contextmanager
def no_room_for(world: World, table: str) -> Iterator[None]:
    """Put the file of a table that is still empty where there is no room."""
    ((folder, file),) = world.sql(
        "SELECT current_setting('data_directory'), pg_relation_filepath(%s::regclass)",
        f"booking.{table}",
    )
    path = Path(str(folder)) / str(file)
    assert path.stat().st_size == 0
    path.unlink()
    path.symlink_to(NO_ROOM)
    try:
        yield
    finally:
        # A truncated table begins a new file, and this one has room.
        world.sql(f"TRUNCATE booking.{table}")


FILLING = {
    "event": "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
    " VALUES ('e', 'b', 't', 'x', 1, '{}')",
    "idempotency": "INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint,"
    " outcome, answer) VALUES ('b', 'c', 'r', 'k', '', 'done', '{}')",
}


@pytest.mark.parametrize("table", FILLING)
async def test_a_full_disk_is_503_with_nothing_half_done_and_forgiven(
    world: World, table: str
) -> None:
    slot_id = world.add_slot(world.at(9))
    offer = {
        "brand_id": "loop",
        "start_time": world.at(20).isoformat(),
        "end_time": world.at(21).isoformat(),
    }
    calls: list[tuple[str, dict[str, str]]] = [
        ("/v1/visits", world.book(slot_id)),
        ("/v1/providers/prv_kim/slots", offer),
    ]
    tables = ("visit", "event", "audit", "idempotency", "slot")
    async with (
        serving(settings_for(world.database_url)) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):

        async def call_all() -> list[httpx.Response]:
            return await asyncio.gather(
                *(
                    client.post(
                        path, json=body, headers=headers(world.staff, idempotency_key=f"k-{n}")
                    )
                    for n, (path, body) in enumerate(calls)
                )
            )

        with no_room_for(world, table):
            with pytest.raises(psycopg.errors.DiskFull):
                world.sql(FILLING[table])
            refused = await call_all()
            read = await client.get("/v1/visits?brand_id=loop", headers=headers(world.staff))

        assert [count(world, each) for each in tables] == [0, 0, 0, 0, 1]
        served = await call_all()

    for answer in refused:
        assert (answer.status_code, answer.json()["error"]) == (503, "database_unavailable")
        assert answer.headers["Retry-After"] == "1"
    assert read.status_code == 200
    assert [answer.status_code for answer in served] == [201, 201]
    assert not any("Idempotency-Replayed" in answer.headers for answer in served)
    assert [count(world, each) for each in tables] == [1, 2, 2, 2, 2]
    assert is_whole(world)
