"""The ids that operations of the disruption desk take; see `test_brand_matrix`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from clinic import said
from matrix import ANY_PATIENT, Row, statuses
from operations import Call
from scenes import FOREIGN, OWN, UNKNOWN, Scene
from world import LOOP, LOOPBIO

OUT = {"from": "2031-12-24T00:00:00Z", "until": "2031-12-26T00:00:00Z"}
STAFF = statuses(200, 200, 404, 404)
NEW = statuses(201, 201, 404, 404)
# The brand is looked at before the role is.
PATIENT_NAMING_A_BRAND = statuses(403, 403, 404, 404)


def _of_provider(scene: Scene, reach: str) -> Call:
    path = f"/v1/providers/{scene.provider(reach)}/disruptions"
    return Call(path=path, token=scene.token, body={"brand_id": LOOP, **OUT})


def _for_brand(scene: Scene, reach: str) -> Call:
    path = f"/v1/providers/{scene.clinic.provider(LOOP, LOOPBIO)}/disruptions"
    return Call(path=path, token=scene.token, body={"brand_id": scene.brand(reach), **OUT})


def _list_of_provider(scene: Scene, reach: str) -> Call:
    call = _of_provider(scene, reach)
    return Call(path=call.path, token=call.token)


def _list_for_brand(scene: Scene, reach: str) -> Call:
    call = _for_brand(scene, reach)
    return Call(path=call.path, token=call.token, query={"brand_id": scene.brand(reach)})


def _draft(scene: Scene, provider_id: str, brand_id: str, starts_at: datetime | None = None) -> str:
    """A disruption of two days, or of one hour from a given time on."""
    out = OUT
    if starts_at is not None:
        out = {"from": said(starts_at), "until": said(starts_at + timedelta(hours=1))}
    made = scene.clinic.post(
        f"/v1/providers/{provider_id}/disruptions",
        {"brand_id": brand_id, **out},
        token=scene.clinic.world.platform,
    )
    draft_id: str = made.json()["id"]
    return draft_id


def _of_draft(method_path: str) -> Callable[[Scene, str], Call]:
    def prepare(scene: Scene, reach: str) -> Call:
        draft_id = "dis_never"
        if reach != UNKNOWN:
            draft_id = _draft(scene, scene.provider(reach), scene.brand(reach))
        return Call(path=f"/v1/disruptions/{draft_id}{method_path}", token=scene.token)

    return prepare


def _visit_at(scene: Scene, starts_at: datetime, provider_id: str, reach: str) -> str:
    """A visit of that reach at the time, with this provider of both brands."""
    if reach == UNKNOWN:
        return "vis_never"
    clinic, brand_id = scene.clinic, scene.brand(reach)
    slot_id = clinic.slot(starts_at, provider_id=provider_id, brand_id=brand_id)
    wanted = clinic.world.book(slot_id, brand_id=brand_id, patient_id=scene.patient(reach))
    visit_id: str = clinic.post("/v1/visits", wanted, token=clinic.world.platform).json()["id"]
    return visit_id


def _choosing(changed: str) -> Callable[[Scene, str], Call]:
    """A choice whose disruption, visit or slot is not the caller's; the rest is."""

    def prepare(scene: Scene, reach: str) -> Call:
        both = scene.clinic.provider(LOOP, LOOPBIO)
        starts_at = scene.clinic.new_time()
        visit_id = _visit_at(scene, starts_at, both, reach if changed == "visit_id" else OWN)
        draft_id = _draft(scene, both, LOOP, starts_at)
        if changed == "id" and reach == FOREIGN:
            draft_id = _draft(scene, both, LOOPBIO, starts_at)
        if changed == "id" and reach == UNKNOWN:
            draft_id = "dis_never"
        body: dict[str, Any] = {"action": "leave"}
        if changed == "slot_id":
            body = {"action": "move", "slot_id": scene.slot(reach)}
        path = f"/v1/disruptions/{draft_id}/choices/{visit_id}"
        return Call(path=path, token=scene.token, body=body)

    return prepare


ROWS_OF_DISRUPTIONS = {
    ("open_disruption", "id"): Row(_of_provider, ANY_PATIENT, NEW),
    ("open_disruption", "brand_id"): Row(_for_brand, PATIENT_NAMING_A_BRAND, NEW),
    ("list_disruptions", "id"): Row(_list_of_provider, ANY_PATIENT, STAFF),
    ("list_disruptions", "brand_id"): Row(_list_for_brand, PATIENT_NAMING_A_BRAND, STAFF),
    ("get_disruption", "id"): Row(_of_draft(""), ANY_PATIENT, STAFF),
    ("choose_for_visit", "id"): Row(_choosing("id"), ANY_PATIENT, STAFF),
    ("choose_for_visit", "visit_id"): Row(_choosing("visit_id"), ANY_PATIENT, STAFF),
    ("choose_for_visit", "slot_id"): Row(_choosing("slot_id"), ANY_PATIENT, STAFF),
    ("commit_disruption", "id"): Row(_of_draft("/commit"), ANY_PATIENT, STAFF),
    ("abandon_disruption", "id"): Row(_of_draft("/abandon"), ANY_PATIENT, STAFF),
}
