"""Events written with plain SQL, as bookings write them, and numbered at once."""

from itertools import count

import psycopg

from world import LOOP, World

_WRITE = """
INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
SELECT %(brand)s || '-' || %(visit)s || '-' || sequence, %(brand)s,
       CASE WHEN sequence = 1 THEN 'booking.visit.created.v1'
            ELSE 'booking.visit.rescheduled.v1' END,
       %(visit)s, sequence, jsonb_build_object('visit_id', %(visit)s::text, 'brand_id', %(brand)s)
FROM generate_series(%(first)s::int, %(last)s::int) AS sequence
"""
_numbers = count(1)


def write_visit(world: World, *, events: int = 3, brand_id: str = LOOP) -> list[str]:
    """A visit's events, committed and in the log; returns their ids in order."""
    return write_visits(world, visits=1, events=events, brand_id=brand_id)


def write_visits(world: World, *, visits: int, events: int = 1, brand_id: str = LOOP) -> list[str]:
    """The events of several visits, first the first of each, then the second of each, …"""
    ids = [f"vis_{next(_numbers)}" for _ in range(visits)]
    with psycopg.connect(world.database_url) as connection:
        for turn in range(1, events + 1):
            for visit in ids:
                connection.execute(
                    _WRITE, {"brand": brand_id, "visit": visit, "first": turn, "last": turn}
                )
        connection.execute("SELECT booking.number_events(10000, 0)")
    return [f"{brand_id}-{visit}-{turn}" for turn in range(1, events + 1) for visit in ids]


def bookmark_of(world: World, brand_id: str = LOOP) -> int:
    """Up to where the brand's log is published, as the table says."""
    rows = world.sql("SELECT position FROM booking.bus_bookmark WHERE brand_id = %s", brand_id)
    return int(str(rows[0][0])) if rows else 0
