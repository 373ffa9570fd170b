"""What a practice does with visits after they were taken, and what the database keeps of them."""

from typing import Any

import httpx

from envelope import ok
from practice import Practice


def held(practice: Practice, slot_id: str, **more: Any) -> dict[str, Any]:
    """A hold of the practice's patient, as a follow-up unless another type is named."""
    return ok(practice.hold(slot_id, **{"visit_type": "follow_up", **more}), 201)


def confirm(
    practice: Practice, visit: dict[str, Any], *, token: str | None = None, **body: Any
) -> httpx.Response:
    """Confirm the hold, by staff unless another token is named."""
    path = f"/v1/visits/{visit['id']}/confirm"
    return practice.clinic.post(path, body, token=token or practice.staff)


def move(
    practice: Practice,
    visit: dict[str, Any],
    slot_id: str,
    *,
    token: str | None = None,
    **body: Any,
) -> httpx.Response:
    """Move the visit to this slot."""
    path = f"/v1/visits/{visit['id']}/reschedule"
    return practice.clinic.post(
        path, {"new_slot_id": slot_id, **body}, token=token or practice.staff
    )


def change_type(practice: Practice, visit_type: str = "follow_up", **fields: Any) -> None:
    """Change the brand's visit type."""
    ok(
        practice.clinic.call(
            "PATCH",
            f"/v1/visit-types/{visit_type}",
            fields,
            token=practice.admin,
            query={"brand_id": practice.brand_id},
        )
    )


def retire(practice: Practice, visit_type: str = "follow_up") -> None:
    """Retire the brand's visit type."""
    query = {"brand_id": practice.brand_id}
    path = f"/v1/visit-types/{visit_type}"
    ok(practice.clinic.call("DELETE", path, token=practice.admin, query=query))


def kept(practice: Practice, visit: dict[str, Any]) -> tuple[object, ...]:
    """The visit's terms, and how long before and after itself it takes time."""
    (found,) = practice.clinic.world.sql(
        "SELECT terms_no, starts_at - taken_from, taken_until - ends_at FROM booking.visit"
        " WHERE visit_id = %s",
        visit["id"],
    )
    return found


def terms_no(practice: Practice, visit_type: str) -> object:
    """The terms of the visit type as it is now."""
    ((number,),) = practice.clinic.world.sql(
        "SELECT terms_no FROM booking.visit_type WHERE brand_id = %s AND visit_type = %s",
        practice.brand_id,
        visit_type,
    )
    return number


def row(practice: Practice, visit: dict[str, Any]) -> tuple[object, ...]:
    """All that the database knows of the visit."""
    (found,) = practice.clinic.world.sql(
        "SELECT v.* FROM booking.visit AS v WHERE visit_id = %s", visit["id"]
    )
    return found


def override_audited(practice: Practice, visit: dict[str, Any]) -> object:
    """What the visit's newest audit row says of an override."""
    ((details,), *_) = practice.clinic.world.sql(
        "SELECT details -> 'override' FROM booking.audit WHERE entity_id = %s ORDER BY id DESC",
        visit["id"],
    )
    return details
