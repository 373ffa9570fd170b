"""What is measured: each scenario both as HTTP requests and as pgbench's use of the same statement.

Both sides take the same things in an equally random order, each thing once. `item` n of a scenario
is the n-th thing taken.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from bench.fixture import ACTOR, BOOKED, BRAND, FIRST_ID, FREE, Scale

REASON = "A benchmark of bookings, unique slots."
# Any order will do, as long as it is the same in every run.
SEED = 20_260_101


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST. It stands as one line in the load generators' feed."""

    path: str
    body: str
    key: str = ""

    @property
    def line(self) -> str:
        return f"{self.path}\t{self.key}\t{self.body}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One operation of the service and the statement that carries it.

    `variables` are pgbench's commands for one transaction; they may use `:item`. A parameter of the
    statement that is neither among them nor in `constants` is NULL: so pgbench sends a variable
    that it does not know. `leaves` are counts in the database that must equal the successes, and
    `never` counts that must be 0.
    """

    name: str
    title: str
    template: str
    statement: str
    constants: Mapping[str, str]
    variables: tuple[str, ...]
    request: Callable[[int, Scale], Request]
    success: int
    leaves: Mapping[str, str]
    never: Mapping[str, str] = field(default_factory=dict)
    # The one number of connections at which it is measured; None is every one asked for.
    connections: int | None = None

    def requests(self, scale: Scale) -> Iterator[Request]:
        """All there are, in random order."""
        numbers = list(range(scale.slots))
        random.Random(SEED).shuffle(numbers)
        for number in numbers:
            yield self.request(number, scale)


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
# `permute` is a random permutation; `:item` begins anew from a number we give.
_SLOT = (rf"\set slot_id {FIRST_ID} + permute(:item, :slots, {SEED})",)
_NEW_IDS = (
    rf"\set visit_id {FIRST_ID} + :item",
    rf"\set event_id {FIRST_ID} + :item",
    rf"\set patient_id {FIRST_ID} + random(0, :patients - 1)",
)
_BOOKED_LEAVES = {
    "visits": "SELECT count(*) FROM booking.visit WHERE status = 'booked'",
    "events": "SELECT count(*) FROM booking.event"
    " WHERE event_type = 'booking.visit.created.v1' AND sequence = 1",
    "audit rows": "SELECT count(*) FROM booking.audit WHERE event_type = 'visit.created'",
}
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


def _booking(number: int, scale: Scale, *, key: str = "") -> Request:
    body = {
        "brand_id": BRAND,
        "patient_id": str(FIRST_ID + number * 7_919 % scale.patients),
        "slot_id": str(FIRST_ID + number),
        "visit_type": "follow_up",
        "reason": REASON,
    }
    return Request(path="/v1/visits", key=key, body=json.dumps(body, separators=(",", ":")))


def _booking_with_key(number: int, scale: Scale) -> Request:
    return _booking(number, scale, key=str(FIRST_ID + number))


def _cancelling(number: int, _scale: Scale) -> Request:
    return Request(path=f"/v1/visits/{FIRST_ID + number}/cancel", body='{"reason":"ill"}')


BOOK = Scenario(
    name="book",
    title="book",
    template=FREE,
    statement="book_visit",
    constants={**_ACTOR, "visit_type": "follow_up", "reason": REASON},
    variables=(*_SLOT, *_NEW_IDS),
    request=_booking,
    success=201,
    leaves=_BOOKED_LEAVES,
    never={"idempotency rows": _KEYS, **_OVERLAPS},
)

BOOK_WITH_KEY = Scenario(
    name="book-with-key",
    title="book+key",
    template=FREE,
    statement="book_visit",
    constants={**BOOK.constants, **_KEY},
    variables=(*BOOK.variables, rf"\set key {FIRST_ID} + :item"),
    request=_booking_with_key,
    success=201,
    leaves={**_BOOKED_LEAVES, "idempotency rows": _KEYS},
    never=_OVERLAPS,
)

CANCEL = Scenario(
    name="cancel",
    title="cancel",
    template=BOOKED,
    statement="change_visit_status",
    constants={
        **_ACTOR,
        "to_status": "cancelled",
        "from_statuses": "{booked,held}",
        "once_begun": "false",
        "cancel_reason": "ill",
    },
    variables=(
        rf"\set visit_id {FIRST_ID} + permute(:item, :slots, {SEED})",
        rf"\set event_id {FIRST_ID} + :item",
    ),
    request=_cancelling,
    success=200,
    leaves={
        "visits": "SELECT count(*) FROM booking.visit WHERE status = 'cancelled'",
        "events": "SELECT count(*) FROM booking.event"
        " WHERE event_type = 'booking.visit.cancelled.v1' AND sequence = 2",
        "audit rows": "SELECT count(*) FROM booking.audit WHERE event_type = 'visit.cancelled'",
    },
    never={"idempotency rows": _KEYS, **_OVERLAPS},
    connections=16,
)

SCENARIOS = {scenario.name: scenario for scenario in (BOOK, BOOK_WITH_KEY, CANCEL)}
