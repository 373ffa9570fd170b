"""Asking for open times, in tests."""

from typing import Any

from envelope import ok
from practice import Practice


def asked(practice: Practice, **query: Any) -> dict[str, Any]:
    """What is answered to staff who look for a follow-up."""
    token = query.pop("token", practice.staff)
    query = {"brand_id": practice.brand_id, **query}
    return ok(practice.clinic.get("/v1/slots", token=token, **query))


def ids(slots: list[dict[str, Any]]) -> list[str]:
    return [slot["id"] for slot in slots]


def scheduled(practice: Practice, time_zone: str, rule_id: str, provider_id: str) -> None:
    """A schedule of the provider's, as far as slots are told in its zone."""
    practice.clinic.world.sql(
        "INSERT INTO booking.schedule (schedule_id, brand_id, provider_no, time_zone, rules)"
        " SELECT %s, %s, provider_no, %s, jsonb_build_object('weekly',"
        " jsonb_build_array(jsonb_build_object('rule_id', %s::text)))"
        " FROM booking.provider WHERE provider_id = %s",
        practice.clinic.new_id("sch"),
        practice.brand_id,
        time_zone,
        rule_id,
        provider_id,
    )


def derived(practice: Practice, slot_id: str, rule_id: str, *visit_types: str) -> str:
    """The slot, as a rule of a schedule would have made it."""
    practice.clinic.world.sql(
        "UPDATE booking.slot SET rule_id = %s, visit_types = %s WHERE slot_id = %s",
        rule_id,
        list(visit_types) or ["follow_up"],
        slot_id,
    )
    return slot_id
