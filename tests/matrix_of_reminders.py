"""The rows of the brand matrix that are about reminders, quiet hours and patients' time zones."""

from typing import Any

from matrix import ANY_PATIENT, SEEN, Row, statuses
from operations import Call
from scenes import OWN, UNKNOWN, Scene

RULES, HOURS = "/v1/reminder-rules", "/v1/quiet-hours"
ZONE = {"time_zone": "Europe/Berlin"}
NIGHT = {"start_time": "21:00", "end_time": "08:00"}


def reminders(scene: Scene, reach: str) -> dict[str, Any]:
    """The body of a rule of a visit type of that reach."""
    reminder = {"offset_minutes": 43_200, "channel": "sms", "template_key": "visit_ahead"}
    return {"visit_type": scene.visit_type(reach), "reminders": [reminder]}


def rules_for_brand(scene: Scene, reach: str) -> Call:
    """Of the brand that is named; an unknown one has no visit types."""
    body = {**reminders(scene, reach), "brand_id": scene.brand(reach)}
    return Call(path=RULES, token=scene.token, body=body)


def rule_to_delete(scene: Scene, reach: str) -> Call:
    rule_id = "rmr_never"
    if reach != UNKNOWN:
        body = {**reminders(scene, reach), "brand_id": scene.brand(reach)}
        made = scene.clinic.call("PUT", RULES, body, token=scene.clinic.world.platform)
        rule_id = made.json()["id"]
    return Call(path=f"{RULES}/{rule_id}", token=scene.token)


def seen(path: str) -> Row:
    def prepare(scene: Scene, reach: str) -> Call:
        return Call(path=path, token=scene.token, query={"brand_id": scene.brand(reach)})

    return Row(prepare, SEEN, SEEN)


def quiet_for_brand(scene: Scene, reach: str) -> Call:
    return Call(path=HOURS, token=scene.token, body={**NIGHT, "brand_id": scene.brand(reach)})


def zone_of(scene: Scene, reach: str) -> Call:
    return Call(path=f"/v1/patients/{scene.patient(reach)}/time-zone", token=scene.token)


def zone_to_set(scene: Scene, reach: str) -> Call:
    call = zone_of(scene, reach)
    return Call(path=call.path, token=call.token, body=ZONE)


def zone_for_brand(scene: Scene, reach: str) -> Call:
    path = f"/v1/patients/{scene.patient(OWN)}/time-zone"
    return Call(path=path, token=scene.token, body={**ZONE, "brand_id": scene.brand(reach)})


OF_A_PATIENT = (statuses(200, 404, 404, 404), statuses(200, 200, 404, 404))

ROWS_OF_REMINDERS: dict[tuple[str, str], Row] = {
    ("list_reminder_rules", "brand_id"): seen(RULES),
    ("set_reminder_rule", "brand_id"): Row(rules_for_brand, ANY_PATIENT, SEEN, is_admin=True),
    ("delete_reminder_rule", "id"): Row(rule_to_delete, ANY_PATIENT, SEEN, is_admin=True),
    ("get_quiet_hours", "brand_id"): seen(HOURS),
    ("set_quiet_hours", "brand_id"): Row(quiet_for_brand, ANY_PATIENT, SEEN, is_admin=True),
    ("get_patient_time_zone", "id"): Row(zone_of, *OF_A_PATIENT),
    ("set_patient_time_zone", "id"): Row(zone_to_set, *OF_A_PATIENT),
    ("set_patient_time_zone", "brand_id"): Row(zone_for_brand, SEEN, SEEN),
}
