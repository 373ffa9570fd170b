"""The brand matrix of the log of events."""

import time

from matrix import Row, statuses
from operations import Call
from scenes import Scene


def _log_of_visit(scene: Scene, reach: str) -> Call:
    """The log, once everything is in it that happened until now: then it says the same again."""
    visit_id = scene.visit(reach)
    while scene.clinic.world.sql("SELECT 1 FROM booking.event WHERE position IS NULL"):
        time.sleep(0.01)
    return Call(path="/v1/events", token=scene.token, query={"visit_id": visit_id})


def _stream_of_visit(scene: Scene, reach: str) -> Call:
    """The log, once everything is in it that happened until now: then it says the same again."""
    visit_id = scene.visit(reach)
    while scene.clinic.world.sql("SELECT 1 FROM booking.event WHERE position IS NULL"):
        time.sleep(0.01)
    return Call(path="/v1/events/stream", token=scene.token, query={"visit_id": visit_id})


# A log without anybody's visit is empty: it neither tells whose it is nor of which brand.
NOTHING_TOLD = statuses(200, 200, 200, 200)

ROWS_OF_EVENTS: dict[tuple[str, str], Row] = {
    ("list_events", "visit_id"): Row(_log_of_visit, NOTHING_TOLD, NOTHING_TOLD, says_more=True),
    ("stream_events", "visit_id"): Row(_stream_of_visit, NOTHING_TOLD, NOTHING_TOLD),
}
