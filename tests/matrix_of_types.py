"""The rows of the brand matrix that are about visit types, licences, and where patients are."""

from collections.abc import Callable
from typing import Any

from matrix import ANY_PATIENT, SEEN, Row, statuses
from operations import OPERATIONS, Call
from scenes import OTHERS, OWN, Scene
from world import LOOP, LOOPBIO


def administered_type(operation_id: str, *, named: str = "visit_type") -> Row:
    """What an administrator does to a visit type, or to one for a provider."""

    def prepare(scene: Scene, reach: str) -> Call:
        ids = {
            "visit_type": scene.visit_type(reach if named == "visit_type" else OWN),
            "id": scene.provider(reach if named == "id" else OWN),
        }
        if operation_id == "remove_visit_type_override" and reach in (OWN, OTHERS):
            scene.clinic.world.add_visit_type(
                ids["visit_type"], provider_id=ids["id"], duration_minutes=45
            )
        body: dict[str, Any] = {"name": "N. N."}
        if named == "brand_id":
            body["brand_id"] = scene.brand(reach)
        operation = OPERATIONS[operation_id]
        return Call(
            path=operation.path.format(**ids),
            token=scene.token,
            body=None if operation.method == "DELETE" else body,
        )

    return Row(prepare, ANY_PATIENT, statuses(200, 200, 404, 404), is_admin=True)


def new_visit_type(scene: Scene, reach: str) -> Call:
    for brand_id in (LOOP, LOOPBIO):
        scene.clinic.visit_type(brand_id)
    body = {"id": scene.clinic.new_id("type"), "name": "N", "duration_minutes": 30}
    body["brand_id"] = scene.brand(reach)
    return Call(path="/v1/visit-types", token=scene.token, body=body)


def seen_type(scene: Scene, reach: str) -> Call:
    path = f"/v1/visit-types/{scene.visit_type(reach)}"
    return Call(path=path, token=scene.token, query={"brand_id": LOOP})


def seen_type_of_brand(scene: Scene, reach: str) -> Call:
    path = f"/v1/visit-types/{scene.visit_type(reach)}"
    return Call(path=path, token=scene.token, query={"brand_id": scene.brand(reach)})


def types_as_for(scene: Scene, reach: str) -> Call:
    query = {"brand_id": LOOP, "provider_id": scene.provider(reach)}
    return Call(path="/v1/visit-types", token=scene.token, query=query)


def of_provider(rest: str) -> Callable[[Scene, str], Call]:
    """What is asked of a provider who is somebody's."""

    def prepare(scene: Scene, reach: str) -> Call:
        path = f"/v1/providers/{scene.provider(reach)}/{rest}"
        return Call(path=path, token=scene.token, query={"brand_id": LOOP})

    return prepare


def of_shared_provider(rest: str) -> Callable[[Scene, str], Call]:
    """What is asked of a provider who works for both brands, for somebody's brand."""

    def prepare(scene: Scene, reach: str) -> Call:
        path = f"/v1/providers/{scene.clinic.provider(LOOP, LOOPBIO)}/{rest}"
        return Call(path=path, token=scene.token, query={"brand_id": scene.brand(reach)})

    return prepare


def of_brand(path: str) -> Callable[[Scene, str], Call]:
    return lambda scene, reach: Call(
        path=path, token=scene.token, query={"brand_id": scene.brand(reach)}
    )


def licensed(operation_id: str, named: str) -> Row:
    """What an administrator does to a licence. Its provider works for both brands, or is somebody's."""

    def prepare(scene: Scene, reach: str) -> Call:
        both = scene.clinic.provider(LOOP, LOOPBIO)
        person = scene.provider(reach) if named == "id" else both
        licence_id = scene.licence(reach if named != "brand_id" else OWN, person)
        body: dict[str, Any] = {"region": "DE"}
        if named == "brand_id":
            body["brand_id"] = scene.brand(reach)
        operation = OPERATIONS[operation_id]
        return Call(
            path=operation.path.format(id=person, licence_id=licence_id),
            token=scene.token,
            body=None if operation.method == "DELETE" else body,
        )

    success = 201 if operation_id == "add_licence" else 200
    return Row(prepare, ANY_PATIENT, statuses(success, success, 404, 404), is_admin=True)


def visits_at_risk_of(scene: Scene, reach: str) -> Call:
    query = {"brand_id": LOOP, "provider_id": scene.provider(reach)}
    return Call(path="/v1/licences/at-risk", token=scene.token, query=query)


def regions_of(scene: Scene, reach: str) -> Call:
    path = f"/v1/admin/patients/{scene.patient(reach)}/regions"
    return Call(path=path, token=scene.token, body={"regions": []})


def regions_for_brand(scene: Scene, reach: str) -> Call:
    path = f"/v1/admin/patients/{scene.patient(OWN)}/regions"
    return Call(path=path, token=scene.token, body={"regions": [], "brand_id": scene.brand(reach)})


def seen_regions_of(scene: Scene, reach: str) -> Call:
    return Call(path=regions_of(scene, reach).path, token=scene.token)


ROWS_OF_TYPES: dict[tuple[str, str], Row] = {
    ("list_visit_types", "brand_id"): Row(of_brand("/v1/visit-types"), SEEN, SEEN),
    ("list_visit_types", "provider_id"): Row(types_as_for, SEEN, SEEN),
    ("get_visit_type", "visit_type"): Row(seen_type, SEEN, SEEN),
    ("get_visit_type", "brand_id"): Row(seen_type_of_brand, SEEN, SEEN),
    ("add_visit_type", "brand_id"): Row(
        new_visit_type, ANY_PATIENT, statuses(201, 201, 404, 404), is_admin=True
    ),
    ("change_visit_type", "visit_type"): administered_type("change_visit_type"),
    ("change_visit_type", "brand_id"): administered_type("change_visit_type", named="brand_id"),
    ("retire_visit_type", "visit_type"): administered_type("retire_visit_type"),
    ("list_provider_visit_types", "id"): Row(of_provider("visit-types"), SEEN, SEEN),
    ("list_provider_visit_types", "brand_id"): Row(of_shared_provider("visit-types"), SEEN, SEEN),
    **{
        ("set_visit_type_override", named): administered_type(
            "set_visit_type_override", named=named
        )
        for named in ("id", "visit_type", "brand_id")
    },
    **{
        ("remove_visit_type_override", named): administered_type(
            "remove_visit_type_override", named=named
        )
        for named in ("id", "visit_type")
    },
}
ROWS_OF_LICENCES: dict[tuple[str, str], Row] = {
    **{
        (name, named): licensed(name, named)
        for name, several in (
            ("add_licence", ("id", "brand_id")),
            ("change_licence", ("id", "licence_id", "brand_id")),
            ("delete_licence", ("id", "licence_id")),
        )
        for named in several
    },
    # The brand and the provider are looked at after the role is, and a patient is told of neither.
    ("list_licences", "id"): Row(of_provider("licences"), ANY_PATIENT, SEEN),
    ("list_licences", "brand_id"): Row(
        of_shared_provider("licences"), statuses(403, 403, 404, 404), SEEN
    ),
    ("list_visits_at_risk", "provider_id"): Row(visits_at_risk_of, ANY_PATIENT, SEEN),
    ("list_visits_at_risk", "brand_id"): Row(
        of_brand("/v1/licences/at-risk"), statuses(403, 403, 404, 404), SEEN
    ),
    ("set_patient_regions", "id"): Row(regions_of, ANY_PATIENT, SEEN, is_admin=True),
    ("set_patient_regions", "brand_id"): Row(regions_for_brand, ANY_PATIENT, SEEN, is_admin=True),
    ("get_patient_regions", "id"): Row(seen_regions_of, ANY_PATIENT, SEEN, is_admin=True),
}
