"""What changes something: book, hold, confirm, cancel, and the races for a few slots."""

import json
from dataclasses import replace

from bench.fixture import ACTOR, BOOKED, FREE, HELD
from bench.scale import BRAND, FIRST_ID, RACE_SLOTS_PER_PROVIDER, Scale
from bench.scenario import SEED, Race, Request, Scenario

# A prime, so that steps of it reach everything before anything again.
_STRIDE = 7_919
REASON = "A benchmark of bookings, unique slots."

_ACTOR = {
    "brand_id": BRAND,
    "actor_type": "service",
    "actor_id": ACTOR,
    "actor_brand_id": BRAND,
    "request_id": "req_00000000000000000000000000",
}
_KEY = {
    "caller": f"service:{ACTOR}",
    "route": "POST /v1/visits",
    "fingerprint": "\\x" + 32 * "5c",
}
_NO_KEY = {"caller": None, "route": None, "fingerprint": None, "key": None}
_NEW_IDS = {
    "visit_id": f"{FIRST_ID} + :item",
    "event_id": f"{FIRST_ID} + :item",
    "patient_id": f"{FIRST_ID} + random(0, :patients - 1)",
}
_NEW_KEY = {"key": f"{FIRST_ID} + :item"}
# `permute` is a random permutation.
_ANY_ONCE = f"{FIRST_ID} + permute(:item, :slots, {SEED})"
_KEYS = "SELECT count(*) FROM booking.idempotency"
_OVERLAPS = {
    "overlaps": """
        SELECT count(*) FROM (
            SELECT starts_at < lag(ends_at) OVER (PARTITION BY provider_no ORDER BY starts_at) AS hit
            FROM booking.visit WHERE status IN ('held', 'booked', 'checked_in')) AS v
        WHERE hit
        """,
    "active visits of one slot": """
        SELECT count(*) FROM (
            SELECT FROM booking.visit WHERE status IN ('held', 'booked', 'checked_in')
            GROUP BY slot_id HAVING count(*) > 1) AS twice
        """,
}


def _leaves(status: str, event: str, sequence: int, *, key: bool = True) -> dict[str, str]:
    """What as many as succeeded must have left behind."""
    return {
        "visits": f"SELECT count(*) FROM booking.visit WHERE status = '{status}'",
        "events": "SELECT count(*) FROM booking.event"
        f" WHERE event_type = 'booking.visit.{event}.v1' AND sequence = {sequence}",
        "audit rows": "SELECT count(*) FROM booking.audit WHERE entity_type = 'visit'",
        **({"idempotency rows": _KEYS} if key else {}),
    }


def _wanted(slot: int, number: int, scale: Scale) -> dict[str, str]:
    return {
        "brand_id": BRAND,
        "patient_id": str(FIRST_ID + number * _STRIDE % scale.patients),
        "slot_id": str(FIRST_ID + slot),
        "visit_type": "follow_up",
        "reason": REASON,
    }


def _post(path: str, body: dict[str, str], number: int) -> Request:
    return Request(
        path=path,
        body=json.dumps(body, separators=(",", ":")) if body else "",
        key=str(FIRST_ID + number),
    )


def _booking(number: int, scale: Scale) -> Request:
    return _post("/v1/visits", _wanted(number, number, scale), number)


def _booking_without_key(number: int, scale: Scale) -> Request:
    return replace(_booking(number, scale), key="")


def _holding(number: int, _scale: Scale) -> Request:
    # A patient holds so many at most; here each holds one.
    body = {"brand_id": BRAND, "patient_id": str(FIRST_ID + number), "visit_type": "follow_up"}
    return _post(f"/v1/slots/{FIRST_ID + number}/hold", body, number)


def _confirming(number: int, _scale: Scale) -> Request:
    return _post(f"/v1/visits/{FIRST_ID + number}/confirm", {"reason": REASON}, number)


def _cancelling(number: int, _scale: Scale) -> Request:
    return _post(f"/v1/visits/{FIRST_ID + number}/cancel", {"reason": "ill"}, number)


BOOK = Scenario(
    name="book",
    title="book",
    template=FREE,
    statement="take_slot",
    constants={
        **_ACTOR,
        **_KEY,
        "provider_id": None,
        "visit_type": "follow_up",
        "judged_type": "follow_up",
        "by_patient": "false",
        "reason": REASON,
        "notes": None,
        "hold_length": None,
        "holds_max": None,
        "has_locks": "false",
        "overruled": "{}",
        "override_reason": None,
    },
    numbers={"slot_id": _ANY_ONCE, **_NEW_IDS, **_NEW_KEY},
    request=_booking,
    success=201,
    leaves=_leaves("booked", "created", 1),
    never=_OVERLAPS,
)

BOOK_WITHOUT_KEY = replace(
    BOOK,
    name="book-without-key",
    title="book, no key",
    constants={**BOOK.constants, **_NO_KEY},
    numbers={"slot_id": _ANY_ONCE, **_NEW_IDS},
    request=_booking_without_key,
    leaves=_leaves("booked", "created", 1, key=False),
    never={"idempotency rows": _KEYS, **_OVERLAPS},
    connections=(16,),
)

HOLD = replace(
    BOOK,
    name="hold",
    title="hold",
    constants={
        **BOOK.constants,
        "route": "POST /v1/slots/{id}/hold",
        "reason": None,
        "hold_length": "5 minutes",
        "holds_max": "5",
    },
    numbers={**BOOK.numbers, "patient_id": ":slot_id"},
    request=_holding,
    leaves=_leaves("held", "held", 1),
    connections=(16,),
)

CONFIRM = Scenario(
    name="confirm",
    title="confirm",
    template=HELD,
    statement="change_visit_status",
    constants={
        **_ACTOR,
        **_KEY,
        "route": "POST /v1/visits/{id}/confirm",
        "to_status": "booked",
        "from_statuses": "{held}",
        "once_begun": "false",
        "event_type": "booking.visit.created.v1",
        "audit_type": "visit.confirmed",
        "by_patient": "false",
        "is_judged": "false",
        "reason": REASON,
        **dict.fromkeys(
            (
                "patient_id",
                "slot_id",
                "provider_id",
                "versions",
                "cancel_reason",
                "visit_type",
                "notes",
                "override",
                "terms_no",
                "taken_from",
                "taken_until",
            )
        ),
    },
    numbers={"visit_id": _ANY_ONCE, "event_id": f"{FIRST_ID} + :item", **_NEW_KEY},
    request=_confirming,
    success=200,
    leaves=_leaves("booked", "created", 2),
    never=_OVERLAPS,
    connections=(16,),
)

CANCEL = replace(
    CONFIRM,
    name="cancel",
    title="cancel",
    template=BOOKED,
    constants={
        **CONFIRM.constants,
        "route": "POST /v1/visits/{id}/cancel",
        "to_status": "cancelled",
        "from_statuses": "{booked,held}",
        "event_type": "booking.visit.cancelled.v1",
        "audit_type": "visit.cancelled",
        "cancel_reason": "ill",
        "reason": None,
    },
    request=_cancelling,
    leaves=_leaves("cancelled", "cancelled", 2),
)


def _race(name: str, title: str, race: Race) -> Scenario:
    """Slots of the same few providers, twenty of each, tried one after the other, again and again."""

    def trying(number: int, scale: Scale) -> Request:
        chosen = number * _STRIDE % race.slots
        row, provider = chosen % RACE_SLOTS_PER_PROVIDER, chosen // RACE_SLOTS_PER_PROVIDER
        slot = scale.slots + row * scale.providers + provider
        return _post("/v1/visits", _wanted(slot, number, scale), number)

    return replace(
        BOOK,
        name=name,
        title=title,
        numbers={
            "chosen": f":item * {_STRIDE} % {race.slots}",
            "slot_id": f"{FIRST_ID} + :slots + :chosen % {RACE_SLOTS_PER_PROVIDER} * :providers"
            f" + :chosen / {RACE_SLOTS_PER_PROVIDER}",
            **_NEW_IDS,
            **_NEW_KEY,
        },
        request=trying,
        # Over HTTP a refusal is remembered under its key too, so those rows are not counted.
        leaves=_leaves("booked", "created", 1, key=False),
        connections=(64,),
        race=race,
    )


CONTENTION = _race("contention", "race for 20 slots", Race(slots=20))
RUSH = _race("rush", "race for 200 slots", Race(slots=200, attempts=10_000))

WRITES = (BOOK, BOOK_WITHOUT_KEY, HOLD, CONFIRM, CANCEL, CONTENTION, RUSH)
