"""One good call of each operation of calendar feeds."""

from collections.abc import Callable
from typing import Any

from clinic import Clinic
from ready_call import Call
from world import LOOP

PATH = "/v1/calendar-feeds"


def new_feed(clinic: Clinic) -> Call:
    return Call(path=PATH, token=clinic.world.staff, body={"provider_id": clinic.provider()})


def _feed(clinic: Clinic) -> dict[str, Any]:
    """A feed of a provider's own, as the answer that tells its address."""
    feed: dict[str, Any] = clinic.post(PATH, new_feed(clinic).body).json()
    return feed


def _of_feed(verb: str = "") -> Callable[[Clinic], Call]:
    def prepare(clinic: Clinic) -> Call:
        feed_id = _feed(clinic)["id"]
        path = f"{PATH}/{feed_id}{verb}"
        return Call(path=path, token=clinic.world.staff, entity_id=feed_id)

    return prepare


def _read_calendar(clinic: Clinic) -> Call:
    path = "/calendars/" + _feed(clinic)["url"].rpartition("/")[2]
    return Call(path=path, token=clinic.world.staff)


PREPARE_CALENDARS: dict[str, Callable[[Clinic], Call]] = {
    "create_calendar_feed": new_feed,
    "list_calendar_feeds": lambda clinic: Call(
        path=PATH, token=clinic.world.staff, query={"brand_id": LOOP}
    ),
    "rotate_calendar_feed": _of_feed("/rotate"),
    "revoke_calendar_feed": _of_feed(),
    "read_calendar": _read_calendar,
}
