"""The brand matrix of the search for open times."""

from collections.abc import Callable

from matrix import Row, statuses
from operations import Call
from scenes import Scene
from world import LOOP


def open_slots(dimension: str) -> Callable[[Scene, str], Call]:
    """A search that names one thing of somebody's, beside a provider who has a slot."""

    def prepare(scene: Scene, reach: str) -> Call:
        find = {"brand_id": Scene.brand, "provider_id": Scene.provider, "patient_id": Scene.patient}
        query = {"brand_id": LOOP, dimension: find[dimension](scene, reach)}
        if dimension == "patient_id":
            query["provider_id"] = scene.clinic.provider()
        return Call(path="/v1/slots", token=scene.token, query=query)

    return prepare


def a_time_explained(dimension: str) -> Callable[[Scene, str], Call]:
    def prepare(scene: Scene, reach: str) -> Call:
        call = open_slots(dimension)(scene, reach)
        more = {"visit_type": "follow_up", "start_time": "2030-01-01T09:00:00Z"}
        query = {"provider_id": "prv_kim", **call.query, **more}
        return Call(path="/v1/slots/explain", token=call.token, query=query)

    return prepare


ROWS_OF_SEARCH: dict[tuple[str, str], Row] = {
    **{
        ("find_slots", dimension): Row(open_slots(dimension), theirs, theirs)
        for dimension, theirs in {
            "brand_id": statuses(200, 200, 404, 404),
            "provider_id": statuses(200, 200, 404, 404),
            # As with list_visits: for nobody's patient, nothing is open.
            "patient_id": statuses(200, 200, 200, 200),
        }.items()
    },
    ("explain_slot", "brand_id"): Row(
        a_time_explained("brand_id"), statuses(200, 200, 404, 404), statuses(200, 200, 404, 404)
    ),
    # A rule says that no such provider works for the brand.
    ("explain_slot", "provider_id"): Row(
        a_time_explained("provider_id"),
        statuses(200, 200, 200, 200),
        statuses(200, 200, 200, 200),
        says_more=True,
    ),
    ("explain_slot", "patient_id"): Row(
        a_time_explained("patient_id"), statuses(200, 404, 404, 404), statuses(200, 200, 404, 404)
    ),
}
