"""The world of a run: two brands, so that it shows if one hears of the other, and their endpoints.

The endpoints are there before anything else of their brand, so that they must hear of everything.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
from msgspec import Struct
from ulid import ULID

from bookwell.prove.arrangement import AHEAD, Asking, office_hours, said
from bookwell.prove.events.receivers import Mailbox, Receivers
from bookwell.prove.events.record import CLOUD_EVENTS, EVERY_TYPE, STANDARD, Endpoint
from bookwell.prove.history import OfferedSession

BRANDS = ("one", "other")
# Of a provider, half an hour each; each client has a provider to itself.
SLOTS_OF_A_CLIENT = 32
SLOT = timedelta(minutes=30)
PATIENTS_OF_A_CLIENT = 2
ROTATED = "rotated"
CREATED = "booking.visit.created.v1"
# By name, what each brand's endpoints ask for.
ASKED: dict[str, tuple[Sequence[str], str]] = {
    "all": ((EVERY_TYPE,), STANDARD),
    "one-type": ((CREATED,), STANDARD),
    "cloudevents": ((EVERY_TYPE,), CLOUD_EVENTS),
    ROTATED: ((EVERY_TYPE,), STANDARD),
}


class Arranged(Struct, frozen=True, kw_only=True):
    """A brand: the slots and patients of each client, seats for all of them, and endpoints."""

    brand_id: str
    slots: list[list[str]]
    patients: list[list[str]]
    sessions: list[OfferedSession]
    endpoints: list[Endpoint]


async def arrange_brand(
    http: httpx.AsyncClient,
    receivers: Receivers,
    mailboxes: dict[str, Mailbox],
    *,
    name: str,
    clients: int,
) -> Arranged:
    """Make it, and put its endpoints' mailboxes beside the others, by endpoint.

    Raises:
        CannotProve: The service does not do it.
    """
    brand_id = f"prove-{name}-{ULID()}".lower()
    http.headers["X-Brand-Id"] = brand_id
    asking = Asking(http)
    await asking.post("/v1/admin/brands", {"id": brand_id, "name": f"bookwell prove, {name}"})
    endpoints = [
        await _endpoint(asking, receivers, mailboxes, brand_id, name, asked) for asked in ASKED
    ]
    day = (datetime.now(UTC) + AHEAD).replace(hour=0, minute=0, second=0, microsecond=0)
    patients = [
        [f"{brand_id}-patient-{client}-{number}" for number in range(PATIENTS_OF_A_CLIENT)]
        for client in range(clients)
    ]
    for patient_id in (patient_id for mine in patients for patient_id in mine):
        await asking.post("/v1/admin/patients", {"id": patient_id})
    return Arranged(
        brand_id=brand_id,
        slots=[await _slots(asking, brand_id, client, day) for client in range(clients)],
        patients=patients,
        sessions=await office_hours(asking, f"{brand_id}-coach", day),
        endpoints=endpoints,
    )


async def _endpoint(
    asking: Asking,
    receivers: Receivers,
    mailboxes: dict[str, Mailbox],
    brand_id: str,
    brand_name: str,
    name: str,
) -> Endpoint:
    event_types, form = ASKED[name]
    url, mailbox = receivers.open_mailbox(f"/{brand_name}/{name}")
    wanted = {"brand_id": brand_id, "url": url, "event_types": event_types, "format": form}
    made = await asking.post("/v1/webhook-endpoints", wanted)
    mailbox.endpoint_id, mailbox.format = made["id"], form
    mailbox.secrets.append(made["secret"])
    mailboxes[made["id"]] = mailbox
    return Endpoint(
        endpoint_id=made["id"],
        name=name,
        brand_id=brand_id,
        event_types=tuple(event_types),
        format=form,
    )


async def _slots(asking: Asking, brand_id: str, client: int, day: datetime) -> list[str]:
    provider_id = f"{brand_id}-clinician-{client}"
    provider = {"id": provider_id, "name": f"Clinician {client}"}
    await asking.post("/v1/admin/providers", provider)
    times = [
        {"start_time": said(day + SLOT * number), "end_time": said(day + SLOT * (number + 1))}
        for number in range(SLOTS_OF_A_CLIENT)
    ]
    offered = {"brand_id": brand_id, "slots": times}
    made = await asking.post(f"/v1/providers/{provider_id}/slots/bulk", offered)
    return [slot["id"] for slot in made["slots"]]
