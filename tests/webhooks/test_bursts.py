"""A burst of events: what is asked of PostgreSQL is as cheap as ever, whenever its plan was made.

The service's plans are made once a session, so often when there is nothing yet, and anew when the
tables are counted, which may be in the middle of a burst.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bookwell.storage import deliveries
from bookwell.storage.connections import session_settings
from bookwell.storage.statements import STATEMENTS
from plans import nodes_of, rows_read
from posting import PostOffice
from world import World

BURST = 20_000
FEW = 100
NUMBER = "SELECT booking.number_events(1000, 0)"
ROOM = 32
# Each of those in hand is looked at a few times; to look through all would be many more.
ROWS_MAX = 1_000


class Session:
    """A session as the service's are, with a plan of this statement made now."""

    def __init__(self, connection: "psycopg.Connection[Any]", name: str) -> None:
        self._connection = connection
        self._statement = STATEMENTS[name]
        connection.execute(f"PREPARE it AS {self._statement.sql}")

    def run(self, **values: object) -> list[tuple[Any, ...]]:
        with self._connection.transaction():
            return self._connection.execute(self._call(values)).fetchall()

    def rows(self, **values: object) -> float:
        """How many deliveries and events it looks at; nothing of what it does stays."""
        with self._connection.transaction(force_rollback=True):
            explain = sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + self._call(values)
            (([plan],),) = self._connection.execute(explain).fetchall()
        nodes = list(nodes_of(plan["Plan"]))
        return rows_read(nodes, "delivery") + rows_read(nodes, "event")

    def _call(self, values: dict[str, object]) -> sql.Composed:
        given = [sql.Literal(values[name]) for name in self._statement.parameters]
        return sql.SQL("EXECUTE it ({})").format(sql.SQL(", ").join(given))


@pytest.fixture
def endpoint_id(world: World) -> str:
    return PostOffice(world).endpoint("https://receiver.example/", types=("*",))


def test_deliveries_of_a_burst_are_taken_by_a_plan_of_whatever_time(
    world: World, endpoint_id: str
) -> None:
    # As a restored or upgraded database is.
    world.sql("ANALYZE")
    with session(world, "claim_deliveries") as early, session(world, "claim_deliveries") as soon:
        assert early.run(**claim(endpoint_id)) == []
        happen(world, 1, FEW)
        soon.rows(**claim(endpoint_id))
        happen(world)
        planned_when_empty = early.rows(**claim(endpoint_id))
        planned_with_few = soon.rows(**claim(endpoint_id))
        with session(world, "claim_deliveries") as uncounted:
            planned_uncounted = uncounted.rows(**claim(endpoint_id))
        world.sql("ANALYZE booking.delivery")
        world.sql("ANALYZE booking.event")
        planned_when_all_wait = early.rows(**claim(endpoint_id))
        world.sql(
            "UPDATE booking.delivery SET status = 'delivered', settled_at = now()"
            " WHERE delivery_no < (SELECT max(delivery_no) - 1000 FROM booking.delivery)"
        )
        world.sql("VACUUM booking.delivery")
        and_most_have_left = early.rows(**claim(endpoint_id))

    assert planned_when_empty < ROWS_MAX
    assert planned_with_few < ROWS_MAX
    assert planned_uncounted < ROWS_MAX
    assert planned_when_all_wait < ROWS_MAX
    assert and_most_have_left < ROWS_MAX


def test_what_came_of_a_burst_is_written_down_by_a_plan_of_whatever_time(
    world: World, endpoint_id: str
) -> None:
    world.sql("ANALYZE")
    with (
        session(world, "finish_deliveries") as early,
        session(world, "finish_deliveries") as soon,
        session(world, "claim_deliveries") as taking,
    ):
        assert early.run(**finish([])) == []
        happen(world, 1, FEW)
        assert soon.run(**finish([])) == []
        happen(world)
        taken = [row[0] for row in taking.run(**claim(endpoint_id))]
        planned_when_empty = early.rows(**finish(taken))
        planned_with_few = soon.rows(**finish(taken))
        with session(world, "finish_deliveries") as uncounted:
            planned_uncounted = uncounted.rows(**finish(taken))
        world.sql("ANALYZE booking.delivery")
        planned_when_all_wait = early.rows(**finish(taken))
        early.run(**finish(taken))

    assert len(taken) > 8, "the first of each visit"
    assert world.sql("SELECT count(*) FROM booking.delivery WHERE status = 'delivered'") == [
        (len(taken),)
    ]
    assert planned_when_empty < ROWS_MAX
    assert planned_with_few < ROWS_MAX
    assert planned_uncounted < ROWS_MAX
    assert planned_when_all_wait < ROWS_MAX


@pytest.mark.usefixtures("endpoint_id")
def test_what_has_no_place_yet_is_numbered_without_passing_what_has_one(world: World) -> None:
    world.sql("ANALYZE")
    with psycopg.connect(world.database_url, autocommit=True) as early:
        configure(early)
        write(world, 1, FEW)
        assert early.execute(NUMBER).fetchone() == (FEW,)
        happen(world)
        # What others did to the index is tidied up as in any night.
        world.sql("VACUUM booking.event")
        write(world, BURST + 1, BURST + 1)
        planned_with_few = pages_of_numbering(early)
        world.sql("VACUUM ANALYZE booking.event")
        write(world, BURST + 2, BURST + 2)
        planned_with_many = pages_of_numbering(early)

    # Some hundred, and where nobody could tidy up twice as many; all events are nine hundred.
    assert planned_with_few < 500
    assert planned_with_many < 500


def pages_of_numbering(connection: "psycopg.Connection[Any]") -> int:
    """The pages that are touched until all that waits has its place."""
    (([plan],),) = connection.execute(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {NUMBER}"
    ).fetchall()
    return int(plan["Plan"]["Shared Hit Blocks"]) + int(plan["Plan"]["Shared Read Blocks"])


@contextmanager
def session(world: World, name: str) -> Iterator[Session]:
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        configure(connection)
        yield Session(connection, name)


def configure(connection: "psycopg.Connection[Any]") -> None:
    # Else psycopg forgets all prepared statements whenever a transaction is rolled back.
    connection.prepare_threshold = None
    for setting, value in session_settings().items():
        connection.execute("SELECT set_config(%s, %s, false)", (setting, value))


def happen(world: World, first: int = FEW + 1, last: int = BURST) -> None:
    """These events, three of each visit, and their deliveries."""
    write(world, first, last)
    while world.sql(NUMBER) != [(0,)]:
        pass


def write(world: World, first: int, last: int) -> None:
    world.sql(
        "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
        " SELECT 'evt_01JD0000000000000000' || n, 'loop', 'booking.visit.created.v1',"
        " 'vis_01JD00000000000000' || n / 3, n %% 3, '{}' FROM generate_series(%s::int, %s::int) AS n",
        first,
        last,
    )


def claim(endpoint_id: str) -> dict[str, object]:
    return {
        "worker_id": "one",
        "endpoint_ids": [endpoint_id],
        "rooms": [ROOM],
        "room_at_first": 4,
        "row_limit": 100,
        "slack": deliveries.SLACK,
        "lease": deliveries.LEASE,
        "behind_for": deliveries.BEHIND_FOR,
    }


def finish(taken: list[int]) -> dict[str, object]:
    """All of them were taken by their receiver, at the first attempt."""
    of_each = len(taken)
    return {
        "worker_id": "one",
        "request_id": "req_01JD0000000000000000000000",
        "delivery_nos": taken,
        "attempts": [1] * of_each,
        "outcomes": ["delivered"] * of_each,
        "http_statuses": [200] * of_each,
        "causes": [None] * of_each,
        "durations_ms": [5] * of_each,
        "waits": [deliveries.BEHIND_FOR] * of_each,
        "pauses": [None] * of_each,
        "tried_for": deliveries.LEASE * 1000,
        "recovered_after": deliveries.LEASE,
    }
