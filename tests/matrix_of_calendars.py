"""The rows of the brand matrix that are about calendars."""

from collections.abc import Callable
from typing import Any

import httpx

from matrix import ANY_PATIENT, SEEN, Row, statuses
from operations import Call
from scenes import OWN, UNKNOWN, Scene
from world import LOOP

PATH = "/v1/calendar-feeds"


def feed(scene: Scene, reach: str) -> dict[str, Any]:
    """A patient's feed, as the answer that told its address."""
    made = scene.clinic.post(
        PATH,
        {"patient_id": scene.patient(reach), "brand_id": scene.brand(reach)},
        token=scene.clinic.world.platform,
    )
    body: dict[str, Any] = made.json()
    return body


def feed_id(scene: Scene, reach: str) -> str:
    return "cal_never" if reach == UNKNOWN else str(feed(scene, reach)["id"])


def new_feed_of(kind: str, find: Callable[[Scene, str], str]) -> Callable[[Scene, str], Call]:
    return lambda scene, reach: Call(
        path=PATH, token=scene.token, body={f"{kind}_id": find(scene, reach)}
    )


def new_feed_for_brand(scene: Scene, reach: str) -> Call:
    body = {"patient_id": scene.patient(OWN), "brand_id": scene.brand(reach)}
    return Call(path=PATH, token=scene.token, body=body)


def listed(kind: str, find: Callable[[Scene, str], str]) -> Row:
    """A list of nobody's feeds is empty: it neither tells who there is nor of which brand."""
    nothing_told = statuses(200, 200, 200, 200)
    return Row(
        lambda scene, reach: Call(
            path=PATH,
            token=scene.token,
            query={"brand_id": LOOP, f"{kind}_id": find(scene, reach)},
        ),
        nothing_told,
        nothing_told,
    )


def coach(scene: Scene, reach: str) -> str:
    return scene.provider(reach, kind="coach")


def opened(scene: Scene, reach: str) -> Call:
    """An own feed's address opens it. What others know of a feed is its id, and that opens none."""
    if reach == OWN:
        file = httpx.URL(feed(scene, reach)["url"]).path.rpartition("/")[2]
    else:
        file = f"{feed_id(scene, reach)}.ics"
    return Call(path=f"/calendars/{file}", token=scene.token)


def of_feed(verb: str) -> Row:
    return Row(
        lambda scene, reach: Call(path=f"{PATH}/{feed_id(scene, reach)}{verb}", token=scene.token),
        statuses(200, 404, 404, 404),
        SEEN,
    )


NEW = statuses(201, 201, 404, 404)
ROWS_OF_CALENDARS: dict[tuple[str, str], Row] = {
    ("create_calendar_feed", "brand_id"): Row(new_feed_for_brand, NEW, NEW),
    ("create_calendar_feed", "provider_id"): Row(
        new_feed_of("provider", Scene.provider), ANY_PATIENT, NEW
    ),
    ("create_calendar_feed", "coach_id"): Row(new_feed_of("coach", coach), ANY_PATIENT, NEW),
    ("create_calendar_feed", "patient_id"): Row(
        new_feed_of("patient", Scene.patient), statuses(201, 404, 404, 404), NEW
    ),
    ("list_calendar_feeds", "brand_id"): Row(
        lambda scene, reach: Call(
            path=PATH, token=scene.token, query={"brand_id": scene.brand(reach)}
        ),
        SEEN,
        SEEN,
    ),
    ("list_calendar_feeds", "provider_id"): listed("provider", Scene.provider),
    ("list_calendar_feeds", "coach_id"): listed("coach", coach),
    ("list_calendar_feeds", "patient_id"): listed("patient", Scene.patient),
    ("rotate_calendar_feed", "id"): of_feed("/rotate"),
    ("revoke_calendar_feed", "id"): of_feed(""),
    ("read_calendar", "file"): Row(
        opened, statuses(200, 404, 404, 404), statuses(200, 404, 404, 404)
    ),
}
