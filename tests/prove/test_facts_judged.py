"""The judges of `bookwell prove --events`, on records made by hand: each finds its own fault."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from bookwell.prove.events.checks import all_checks
from bookwell.prove.events.readers import digest_of
from bookwell.prove.events.record import (
    CLOUD_EVENTS,
    EVERY_TYPE,
    STANDARD,
    Committed,
    Conduct,
    Digest,
    Drained,
    Endpoint,
    Heard,
    Received,
    Record,
    Rotation,
)
from bookwell.prove.history import Answer, Attempt, Operation
from bookwell.prove.report import Check

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ONE, OTHER = "prove-one", "prove-other"
CREATED, MOVED, CANCELLED = (
    f"booking.visit.{what}.v1" for what in ("created", "rescheduled", "cancelled")
)
FAULTS_END = 10.0


def committed(brand_id: str, position: int, entity_id: str, sequence: int) -> Committed:
    event_id = f"evt_{brand_id[6:]}_{position}"
    return Committed(
        event_id=event_id,
        event_type=(CREATED, MOVED, CANCELLED)[sequence - 1],
        brand_id=brand_id,
        entity_id=entity_id,
        sequence=sequence,
        position=position,
        occurred_at=NOON + timedelta(seconds=position),
        fingerprint=f"print of {event_id}",
    )


# Two visits in each brand: three events of the first, one of the second in between.
EVENTS = [
    committed(brand_id, *place)
    for brand_id in (ONE, OTHER)
    for place in (
        (1, f"vis_{brand_id}_a", 1),
        (2, f"vis_{brand_id}_b", 1),
        (3, f"vis_{brand_id}_a", 2),
        (4, f"vis_{brand_id}_a", 3),
    )
]
ENDPOINTS = [
    Endpoint(
        endpoint_id=f"whe_{name}_{brand_id}",
        name=name,
        brand_id=brand_id,
        event_types=event_types,
        format=form,
    )
    for brand_id in (ONE, OTHER)
    for name, event_types, form in (
        ("all", (EVERY_TYPE,), STANDARD),
        ("one-type", (CREATED,), STANDARD),
        ("cloudevents", (EVERY_TYPE,), CLOUD_EVENTS),
    )
]
ROTATED = ENDPOINTS[0].endpoint_id


def received(endpoint: Endpoint, event: Committed, **other: Any) -> Received:
    said: dict[str, Any] = {
        "endpoint_id": endpoint.endpoint_id,
        "at": float(event.position or 0),
        "event_id": event.event_id,
        "attempt": 1,
        "conduct": Conduct.TAKES,
        "body_hash": f"hash of {event.event_id} as {endpoint.format}",
        "fingerprint": event.fingerprint,
        "signed_by": (0,),
        "loop_signed_by": (0,),
    }
    return Received(**(said | other))


def mail() -> list[Received]:
    """Every event refused once and then taken; the end of a rotated endpoint is signed twice."""
    requests = []
    for endpoint in ENDPOINTS:
        for event in EVENTS:
            if endpoint.wants(event):
                requests.append(received(endpoint, event, conduct=Conduct.FAILS))
                requests.append(received(endpoint, event, attempt=2))
    last = EVENTS[3]
    requests.append(received(ENDPOINTS[0], last, at=FAULTS_END + 5, attempt=3, signed_by=(0, 1)))
    return requests


def attempt(event: Committed) -> Attempt:
    return Attempt(
        number=event.position or 0,
        client=1,
        operation=(Operation.BOOK, Operation.RESCHEDULE, Operation.CANCEL)[event.sequence - 1],
        key="key",
        called_at=1.0,
        answer=Answer(at=2.0, status=200, id=event.entity_id, version=event.sequence),
    )


def heard() -> list[Heard]:
    return [
        Heard(
            brand_id=event.brand_id,
            at=1.0,
            position=event.position or 0,
            event_id=event.event_id,
            fingerprint=event.fingerprint,
        )
        for event in EVENTS
    ]


def ids(brand_id: str) -> list[str]:
    return [event.event_id for event in EVENTS if event.brand_id == brand_id]


RECORD = Record(
    began_at=NOON,
    brands=(ONE, OTHER),
    endpoints=ENDPOINTS,
    attempts=[attempt(event) for event in EVENTS],
    committed=EVENTS,
    received=mail(),
    followed=heard(),
    streamed=heard(),
    digests=[
        Digest(brand_id=each, day=NOON.date(), event_count=4, hash=digest_of(ids(each)))
        for each in (ONE, OTHER)
    ],
    rotations=[Rotation(endpoint_id=ROTATED, began_at=3.0, answered_at=4.0)],
    strayed=0,
    kills=3,
    database_version="18.4",
    drained=Drained(last_fault_at=FAULTS_END, drained_at=FAULTS_END + 7.5, pending=0),
)


def broken(record: Record) -> dict[str, Check]:
    return {check.name: check for check in all_checks(record) if check.holds is not True}


def with_request(number: int, **changes: Any) -> Record:
    """The record with another request at this place."""
    requests = list(RECORD.received)
    requests[number] = structs.replace(requests[number], **changes)
    return structs.replace(RECORD, received=requests)


def without(*numbers: int) -> Record:
    kept = [each for number, each in enumerate(RECORD.received) if number not in numbers]
    return structs.replace(RECORD, received=kept)


def place(endpoint: int, event_id: str, *, attempt: int) -> int:
    """Where in the record this request is."""
    (number,) = [
        number
        for number, each in enumerate(RECORD.received)
        if each.endpoint_id == ENDPOINTS[endpoint].endpoint_id
        and (each.event_id, each.attempt) == (event_id, attempt)
    ]
    return number


def test_a_run_in_which_all_went_well_holds_in_every_check() -> None:
    checks = all_checks(RECORD)

    assert broken(RECORD) == {}
    assert len({check.name for check in checks}) == len(checks) == 16
    assert "7.5 s after the last fault" in " ".join(check.sentence for check in checks)


def test_an_event_that_an_endpoint_never_took_is_named_with_it() -> None:
    lost = without(place(1, "evt_one_2", attempt=2))

    (check,) = broken(lost).values()

    assert check.name == "every event delivered"
    assert check.sentence == ("one-type of prove-one (whe_one-type_prove-one) never got evt_one_2.")
    assert check.found == 1


def test_an_event_that_came_to_nobody_is_missed_by_all_and_by_their_digests() -> None:
    kept = [each for each in RECORD.received if each.event_id != "evt_other_4"]

    wrong = broken(structs.replace(RECORD, received=kept))

    assert set(wrong) == {"every event delivered", "the digest of the day"}
    assert wrong["every event delivered"].found == 2
    assert "got 3 events, and not the 4 events" in wrong["the digest of the day"].sentence


FOREIGN = [
    (EVENTS[4], "got of no event of its brand evt_other_1"),
    (EVENTS[2], "got of a type that it does not want evt_one_3"),
]


@pytest.mark.parametrize(("event", "said"), FOREIGN, ids=["brand", "type"])
def test_what_is_not_its_own_is_foreign_to_an_endpoint(event: Committed, said: str) -> None:
    extra = [*RECORD.received, received(ENDPOINTS[1], event)]

    (check,) = broken(structs.replace(RECORD, received=extra)).values()

    assert check.name == "nothing foreign"
    assert said in check.sentence


def test_a_redirect_that_was_followed_is_found() -> None:
    assert set(broken(structs.replace(RECORD, strayed=2))) == {"nothing foreign"}


LAST_OF_ALL = len(RECORD.received) - 1


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"signed_by": ()}, "signatures"),
        ({"loop_signed_by": ()}, "signatures"),
        ({"fingerprint": "another"}, "bodies as committed"),
        ({"body_hash": "other bytes"}, "bodies as committed"),
        ({"contradiction": "webhook-id is evt_9"}, "bodies as committed"),
        ({"attempt": 1}, "attempts counted"),
    ],
    ids=["unsigned", "loop", "content", "bytes", "headers", "attempt"],
)
def test_a_request_that_is_not_as_it_must_be_is_found_by_one_check(
    changes: dict[str, Any], name: str
) -> None:
    number = place(2, "evt_one_1", attempt=2)

    (check,) = broken(with_request(number, **changes)).values()

    assert check.name == name
    assert "evt_one_1" in check.sentence


@pytest.mark.parametrize("signed_by", [(0,), (1,)])
def test_during_an_overlap_a_signature_by_one_secret_is_not_enough(
    signed_by: tuple[int, ...],
) -> None:
    (check,) = broken(with_request(LAST_OF_ALL, signed_by=signed_by)).values()

    assert check.name == "rotated secrets"


def test_without_a_request_after_a_rotation_nothing_is_said_of_it() -> None:
    (check,) = broken(without(LAST_OF_ALL)).values()

    assert (check.name, check.holds) == ("rotated secrets", None)


def test_a_later_event_that_was_sent_before_an_earlier_one_was_taken_is_out_of_order() -> None:
    first = place(0, "evt_one_3", attempt=2)
    requests = list(RECORD.received)
    # The second of the visit is taken only after the third was sent.
    requests.insert(first + 2, requests.pop(first))

    (check,) = broken(structs.replace(RECORD, received=requests)).values()

    assert check.name == "order of each visit"
    assert "evt_one_4 (event 3 of vis_prove-one_a, event 2 not yet taken)" in check.sentence


def test_a_refused_request_out_of_order_is_one_too() -> None:
    early = received(ENDPOINTS[0], EVENTS[2], attempt=0, conduct=Conduct.BREAKS_EARLY)

    wrong = broken(structs.replace(RECORD, received=[early, *RECORD.received]))

    assert "order of each visit" in wrong


def test_an_event_again_after_its_followers_is_no_fault() -> None:
    again = received(ENDPOINTS[3], EVENTS[4], attempt=3)

    assert broken(structs.replace(RECORD, received=[*RECORD.received, again])) == {}


def test_an_acknowledged_change_without_an_event_is_named() -> None:
    claimed = structs.replace(
        RECORD.attempts[0], answer=Answer(at=2.0, status=200, id="vis_x", version=3)
    )

    (check,) = broken(structs.replace(RECORD, attempts=[claimed, *RECORD.attempts[1:]])).values()

    assert (check.name, check.sentence) == (
        "a fact for each change",
        "No event tells of vis_x (change 3).",
    )


@pytest.mark.parametrize(
    ("position", "said"),
    [(None, "without a place in its log evt_one_2"), (9, "nothing at the places 2")],
    ids=["unplaced", "gap"],
)
def test_a_place_that_is_missing_is_found(position: int | None, said: str) -> None:
    events = list(EVENTS)
    events[1] = structs.replace(events[1], position=position)

    wrong = broken(structs.replace(RECORD, committed=events))

    assert set(wrong) == {"numbers without a gap"}
    assert said in wrong["numbers without a gap"].sentence


def test_events_of_a_visit_whose_places_are_in_another_order_are_found() -> None:
    events = list(EVENTS)
    events[2] = structs.replace(events[2], position=4)
    events[3] = structs.replace(events[3], position=3)

    wrong = broken(structs.replace(RECORD, committed=events))

    assert "tells out of order of vis_prove-one_a (1, 3, 2)" in (
        wrong["numbers without a gap"].sentence
    )


def swapped(told: list[Heard]) -> list[Heard]:
    return [told[1], told[0], *told[2:]]


def altered(told: list[Heard]) -> list[Heard]:
    return [structs.replace(told[0], fingerprint="another"), *told[1:]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told[1:], "missed evt_one_1"),
        (lambda told: [*told, told[3]], "got twice evt_one_4"),
        (swapped, "got out of order evt_one_1 (place 1 after 2)"),
        (altered, "got otherwise than committed evt_one_1"),
        (lambda told: [structs.replace(told[4], brand_id=ONE), *told[4:]], "got of others"),
    ],
    ids=["missed", "twice", "order", "altered", "foreign"],
)
@pytest.mark.parametrize(
    ("reader", "name"), [("followed", "the log"), ("streamed", "the live stream")]
)
def test_a_reader_that_was_told_anything_but_the_log_is_found(
    reader: str, name: str, change: Callable[[list[Heard]], list[Heard]], said: str
) -> None:
    wrong = broken(structs.replace(RECORD, **{reader: change(heard())}))

    assert set(wrong) == {name}
    assert said in wrong[name].sentence


def test_a_digest_of_other_ids_is_found() -> None:
    other = structs.replace(RECORD.digests[0], hash=digest_of(["evt_9"]))

    wrong = broken(structs.replace(RECORD, digests=[other, RECORD.digests[1]]))

    assert set(wrong) == {"the digest of the day"}
    assert wrong["the digest of the day"].found == 2


@pytest.mark.parametrize(
    ("drained_at", "said"),
    [
        (FAULTS_END + 20.1, "20.1 s after the last fault"),
        (None, "17 deliveries are still to be made"),
    ],
)
def test_what_leaves_too_late_or_never_is_found(drained_at: float | None, said: str) -> None:
    late = Drained(last_fault_at=FAULTS_END, drained_at=drained_at, pending=17)

    (check,) = broken(structs.replace(RECORD, drained=late)).values()

    assert check.name == "drained in time"
    assert said in check.sentence


@pytest.mark.parametrize("quiet", ["kills", "receivers"])
def test_a_run_without_trouble_proves_nothing(quiet: str) -> None:
    calm = structs.replace(RECORD, kills=0)
    if quiet == "receivers":
        good = [
            structs.replace(each, conduct=Conduct.TAKES) if each.attempt == 1 else each
            for each in RECORD.received
        ]
        calm = structs.replace(RECORD, received=good)

    assert set(broken(calm)) == {"trouble enough"}
