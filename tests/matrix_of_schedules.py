"""The ids that operations on schedules and time off take; see `test_brand_matrix`."""

from collections.abc import Callable
from typing import Any

from matrix import ANY_PATIENT, Row, statuses
from operations import Call
from scenes import FOREIGN, UNKNOWN, Scene
from world import LOOP, LOOPBIO

HOURS = {"weekday": "monday", "start_time": "09:00", "end_time": "09:30"}
WEEK: dict[str, Any] = {"time_zone": "UTC", "weekly": [HOURS]}
DAYS: dict[str, Any] = {"from": "2031-12-24", "until": "2031-12-26", "time_zone": "UTC"}
BODIES = {"schedules": WEEK, "time-off": DAYS}


def _of_provider(noun: str, *, is_new: bool) -> Callable[[Scene, str], Call]:
    """For the caller's brand, of a provider who is that brand's own, another's or nobody."""

    def prepare(scene: Scene, reach: str) -> Call:
        return Call(
            path=f"/v1/providers/{scene.provider(reach)}/{noun}",
            token=scene.token,
            body={"brand_id": LOOP, **BODIES[noun]} if is_new else None,
        )

    return prepare


def _for_brand(noun: str, *, is_new: bool) -> Callable[[Scene, str], Call]:
    """Of a provider who works for both brands, for the brand named."""

    def prepare(scene: Scene, reach: str) -> Call:
        brand = {"brand_id": scene.brand(reach)}
        return Call(
            path=f"/v1/providers/{scene.clinic.provider(LOOP, LOOPBIO)}/{noun}",
            token=scene.token,
            body={**brand, **BODIES[noun]} if is_new else None,
            query={} if is_new else brand,
        )

    return prepare


def _thing(scene: Scene, noun: str, provider_id: str, reach: str) -> str:
    if reach == UNKNOWN:
        return f"{noun[:3]}_never"
    made = scene.clinic.post(
        f"/v1/providers/{provider_id}/{noun}",
        {"brand_id": scene.brand(reach), **BODIES[noun]},
        token=scene.clinic.world.platform,
    )
    thing_id: str = made.json()["id"]
    return thing_id


def _one(noun: str, by: str, *, is_put: bool = False) -> Callable[[Scene, str], Call]:
    """One schedule or time off: the provider is somebody else's, or the thing alone is."""

    def prepare(scene: Scene, reach: str) -> Call:
        both = scene.clinic.provider(LOOP, LOOPBIO)
        provider_id = scene.provider(reach) if by == "id" else both
        thing_id = _thing(scene, noun, provider_id, reach)
        return Call(
            path=f"/v1/providers/{provider_id}/{noun}/{thing_id}",
            token=scene.token,
            body=BODIES[noun] if is_put else None,
        )

    return prepare


def _put_for_brand(scene: Scene, reach: str) -> Call:
    """The schedule is of the brand that the body names."""
    provider_id = scene.clinic.provider(LOOP, LOOPBIO)
    named = FOREIGN if reach == FOREIGN else reach
    schedule_id = _thing(scene, "schedules", provider_id, named)
    return Call(
        path=f"/v1/providers/{provider_id}/schedules/{schedule_id}",
        token=scene.token,
        body={"brand_id": scene.brand(reach), **WEEK},
    )


READ = (statuses(200, 200, 404, 404), statuses(200, 200, 404, 404))
ADD = (ANY_PATIENT, statuses(201, 201, 404, 404))
CHANGE = (ANY_PATIENT, statuses(200, 200, 404, 404))
# The brand is looked at before the role is.
BRAND_FIRST = statuses(403, 403, 404, 404)

ROWS_OF_SCHEDULES: dict[tuple[str, str], Row] = {
    ("add_schedule", "id"): Row(_of_provider("schedules", is_new=True), *ADD),
    ("add_schedule", "brand_id"): Row(
        _for_brand("schedules", is_new=True), BRAND_FIRST, statuses(201, 201, 404, 404)
    ),
    ("list_schedules", "id"): Row(_of_provider("schedules", is_new=False), *READ),
    ("list_schedules", "brand_id"): Row(_for_brand("schedules", is_new=False), *READ),
    ("get_schedule", "id"): Row(_one("schedules", "id"), *READ),
    ("get_schedule", "schedule_id"): Row(_one("schedules", "schedule_id"), *READ),
    ("change_schedule", "id"): Row(_one("schedules", "id", is_put=True), *CHANGE),
    ("change_schedule", "schedule_id"): Row(_one("schedules", "schedule_id", is_put=True), *CHANGE),
    ("change_schedule", "brand_id"): Row(_put_for_brand, BRAND_FIRST, statuses(200, 200, 404, 404)),
    ("delete_schedule", "id"): Row(_one("schedules", "id"), *CHANGE),
    ("delete_schedule", "schedule_id"): Row(_one("schedules", "schedule_id"), *CHANGE),
    ("add_time_off", "id"): Row(_of_provider("time-off", is_new=True), *ADD),
    ("add_time_off", "brand_id"): Row(
        _for_brand("time-off", is_new=True), BRAND_FIRST, statuses(201, 201, 404, 404)
    ),
    ("list_time_off", "id"): Row(_of_provider("time-off", is_new=False), *READ),
    ("list_time_off", "brand_id"): Row(_for_brand("time-off", is_new=False), *READ),
    ("remove_time_off", "id"): Row(_one("time-off", "id"), *CHANGE),
    ("remove_time_off", "time_off_id"): Row(_one("time-off", "time_off_id"), *CHANGE),
}
