"""The rows of the brand matrix that are about webhook endpoints."""

from typing import Any

from matrix import ANY_PATIENT, SEEN, Row, statuses
from operations import Call
from scenes import OWN, Scene

PATH = "/v1/webhook-endpoints"


def of_endpoint(verb: str = "", body: dict[str, Any] | None = None, success: int = 200) -> Row:
    return Row(
        lambda scene, reach: Call(
            path=f"{PATH}/{scene.endpoint(reach)}{verb}", token=scene.token, body=body
        ),
        ANY_PATIENT,
        statuses(success, success, 404, 404),
        is_admin=True,
    )


def new_for_brand(scene: Scene, reach: str) -> Call:
    # A brand has so many and no more.
    scene.clinic.world.sql("UPDATE booking.webhook_endpoint SET deleted_at = now()")
    body = {
        "url": "https://receiver.invalid/",
        "event_types": ["*"],
        "brand_id": scene.brand(reach),
    }
    return Call(path=PATH, token=scene.token, body=body)


def listed_for_brand(scene: Scene, reach: str) -> Call:
    return Call(path=PATH, token=scene.token, query={"brand_id": scene.brand(reach)})


def deliveries_of_visit(scene: Scene, reach: str) -> Call:
    path = f"{PATH}/{scene.endpoint(OWN)}/deliveries"
    return Call(path=path, token=scene.token, query={"visit_id": scene.visit(reach)})


# Of a visit that the endpoint never heard of there are no deliveries: nothing is told of it.
NOTHING_TOLD = statuses(200, 200, 200, 200)

ROWS_OF_WEBHOOKS: dict[tuple[str, str], Row] = {
    ("add_webhook_endpoint", "brand_id"): Row(
        new_for_brand, ANY_PATIENT, statuses(201, 201, 404, 404), is_admin=True
    ),
    ("list_webhook_endpoints", "brand_id"): Row(listed_for_brand, ANY_PATIENT, SEEN, is_admin=True),
    ("get_webhook_endpoint", "id"): of_endpoint(),
    ("change_webhook_endpoint", "id"): of_endpoint(body={"event_types": ["*"]}),
    ("delete_webhook_endpoint", "id"): of_endpoint(),
    ("rotate_webhook_secret", "id"): of_endpoint("/rotate-secret", {}),
    ("list_deliveries", "id"): of_endpoint("/deliveries"),
    ("list_deliveries", "visit_id"): Row(
        deliveries_of_visit, ANY_PATIENT, NOTHING_TOLD, is_admin=True
    ),
    ("replay_events", "id"): of_endpoint("/replay", {"only_failed": True}, success=202),
    ("test_webhook_endpoint", "id"): of_endpoint("/test"),
}
