"""The brand matrix of the search for open times."""

from collections.abc import Callable

from matrix import SEEN, Row, statuses
from operations import Call
from scenes import Scene
from world import LOOP, LOOPBIO


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


def open_times(dimension: str) -> Callable[[Scene, str], Call]:
    """The stream of open times of one of the brand's, or of somebody else's."""

    def prepare(scene: Scene, reach: str) -> Call:
        is_provider = dimension == "id"
        provider_id = scene.provider(reach) if is_provider else scene.clinic.provider(LOOP, LOOPBIO)
        brand_id = LOOP if is_provider else scene.brand(reach)
        return Call(
            path=f"/v1/providers/{provider_id}/availability/stream",
            token=scene.token,
            query={"brand_id": brand_id, "day": "2030-01-01", "time_zone": "UTC"},
        )

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
    **{
        ("stream_availability", dimension): Row(open_times(dimension), SEEN, SEEN)
        for dimension in ("id", "brand_id")
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
