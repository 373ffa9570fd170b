"""What was sent to an endpoint, sending it again, and sending a test."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from bookwell.storage import replays as replay_rows
from bookwell.usecases import replays
from clinic import Clinic, said
from envelope import invalid, ok, refused
from receivers import Receiver, hang, status
from webhook_desk import PATH, add, call, change, deliveries, happen, until

CREATED = "booking.visit.created.v1"
CANCELLED = "booking.visit.cancelled.v1"


def all_delivered(clinic: Clinic, endpoint_id: str, count: int) -> None:
    until(
        lambda: (
            [each["status"] for each in deliveries(clinic, endpoint_id)] == ["delivered"] * count
        )
    )


# ----------------------------------------------------------------------------------- deliveries


def test_every_attempt_is_on_record(clinic: Clinic, receiver: Receiver) -> None:
    receiver.next(status(500), hang)
    endpoint_id = add(clinic, receiver.url)["id"]

    (position,) = happen(clinic, "vis_tried")
    all_delivered(clinic, endpoint_id, 1)

    (delivery,) = deliveries(clinic, endpoint_id)
    assert delivery["position"] == position
    assert delivery["event_type"] == CREATED
    assert delivery["event_id"] == receiver.got[0].headers["webhook-id"]
    assert delivery["next_attempt_at"] is None
    assert delivery["settled_at"] > delivery["created_at"]
    assert delivery["attempt_count"] == 3
    tried = [(each["attempt"], each["http_status"], each["cause"]) for each in delivery["attempts"]]
    assert tried == [(1, 500, "status"), (2, None, "timeout"), (3, 200, None)]
    assert delivery["attempts"][1]["duration_ms"] >= 900
    assert all(each["attempted_at"].endswith("Z") for each in delivery["attempts"])


def test_what_waits_says_when_it_is_tried_next(clinic: Clinic, receiver: Receiver) -> None:
    receiver.always(status(500))
    endpoint_id = add(clinic, receiver.url)["id"]
    happen(clinic, "vis_waits")
    receiver.wait_for(1)
    until(lambda: deliveries(clinic, endpoint_id)[0]["attempts"])

    (delivery,) = deliveries(clinic, endpoint_id)

    assert (delivery["status"], delivery["settled_at"]) == ("pending", None)
    assert delivery["next_attempt_at"] > delivery["attempts"][0]["attempted_at"]


def test_deliveries_are_listed_newest_first_and_filtered(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    happen(clinic, "vis_a", "vis_b")
    positions = happen(clinic, "vis_a", event_type=CANCELLED)
    all_delivered(clinic, endpoint_id, 3)

    everything = deliveries(clinic, endpoint_id)
    of_visit = deliveries(clinic, endpoint_id, visit_id="vis_a")
    of_type = deliveries(clinic, endpoint_id, event_type=CANCELLED)

    places = [each["position"] for each in everything]
    assert places == sorted(places, reverse=True)
    assert [each["event_type"] for each in of_visit] == [CANCELLED, CREATED]
    assert [each["position"] for each in of_type] == positions
    assert deliveries(clinic, endpoint_id, status="delivered") == everything
    assert deliveries(clinic, endpoint_id, status="failed") == []


def test_deliveries_are_paged(clinic: Clinic, receiver: Receiver) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    happen(clinic, "vis_1", "vis_2", "vis_3")
    all_delivered(clinic, endpoint_id, 3)

    path = f"{PATH}/{endpoint_id}/deliveries"
    first = ok(clinic.get(path, token=clinic.world.admin, limit=2))
    second = ok(clinic.get(path, token=clinic.world.admin, limit=2, cursor=first["next_cursor"]))

    assert [*first["deliveries"], *second["deliveries"]] == deliveries(clinic, endpoint_id)
    assert "next_cursor" not in second
    invalid(clinic.get(path, token=clinic.world.admin, cursor="x"), "cursor")
    invalid(clinic.get(path, token=clinic.world.admin, status="eaten"), "status")


# --------------------------------------------------------------------------------------- replay


def replay(clinic: Clinic, endpoint_id: str, **said: object) -> dict[str, object]:
    return ok(call(clinic, "POST", f"/{endpoint_id}/replay", said), 202)


def test_a_stretch_is_sent_again_in_its_order_with_the_ids_it_had(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    places = happen(clinic, "vis_r", "vis_r", "vis_r", "vis_r")
    all_delivered(clinic, endpoint_id, 4)
    sent_before = receiver.events()

    done = replay(clinic, endpoint_id, after_position=places[0], through_position=places[2])

    assert done == {
        "delivery_count": 2,
        "after_position": places[0],
        "through_position": places[2],
    }
    all_delivered(clinic, endpoint_id, 6)
    assert receiver.events()[4:] == sent_before[1:3]
    assert [each["position"] for each in deliveries(clinic, endpoint_id)[:2]] == [
        places[2],
        places[1],
    ]


def test_a_replay_takes_the_types_that_the_endpoint_wants_or_those_named(
    clinic: Clinic, receiver: Receiver
) -> None:
    (before,) = happen(clinic, "vis_t")
    happen(clinic, "vis_t", event_type=CANCELLED)
    endpoint_id = add(clinic, receiver.url, event_types=[CREATED])["id"]

    wanted = replay(clinic, endpoint_id, after_position=before - 1)
    named = replay(clinic, endpoint_id, after_position=before - 1, event_types=[CANCELLED])

    assert (wanted["delivery_count"], named["delivery_count"]) == (1, 1)
    all_delivered(clinic, endpoint_id, 2)
    assert [each["event_type"] for each in deliveries(clinic, endpoint_id)] == [CANCELLED, CREATED]


def test_only_what_was_not_taken_is_sent_again(clinic: Clinic, receiver: Receiver) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    taken, failed = happen(clinic, "vis_taken", "vis_failed")
    all_delivered(clinic, endpoint_id, 2)
    clinic.world.sql(
        "UPDATE booking.delivery SET status = 'failed' WHERE endpoint_id = %s AND position = %s",
        endpoint_id,
        failed,
    )
    change(clinic, endpoint_id, is_enabled=False)
    (missed,) = happen(clinic, "vis_missed")
    change(clinic, endpoint_id, is_enabled=True)

    first = replay(clinic, endpoint_id, after_position=taken - 1, only_failed=True)
    again = replay(clinic, endpoint_id, after_position=taken - 1, only_failed=True)

    assert first["delivery_count"] == 2
    assert again["delivery_count"] == 0, "they are on their way, or there"
    newest = [each["position"] for each in deliveries(clinic, endpoint_id)[:2]]
    assert newest == [missed, failed]


def test_a_stretch_may_be_named_by_when_it_occurred(clinic: Clinic, receiver: Receiver) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    (before,) = happen(clinic, "vis_o")
    began = said(datetime.now(UTC))
    happen(clinic, "vis_o")
    ended = said(datetime.now(UTC))
    happen(clinic, "vis_o")
    a_day_ago = said(datetime.now(UTC) - timedelta(days=400))

    done = replay(clinic, endpoint_id, **{"from": began, "until": ended})
    from_then = replay(clinic, endpoint_id, after_position=before, **{"from": began})
    never = replay(clinic, endpoint_id, until=a_day_ago)

    assert done["delivery_count"] == 1
    assert from_then["delivery_count"] == 2
    assert never["delivery_count"] == 0


def test_a_repeated_replay_is_made_once(clinic: Clinic, receiver: Receiver) -> None:
    (before,) = happen(clinic, "vis_once")
    endpoint_id = add(clinic, receiver.url)["id"]
    body = {"after_position": before - 1}

    first, again = (
        call(clinic, "POST", f"/{endpoint_id}/replay", body, Idempotency_Key="replay")
        for _ in range(2)
    )

    assert ok(first, 202) == ok(again, 202)
    assert again.headers["Idempotency-Replayed"] == "true"
    all_delivered(clinic, endpoint_id, 1)


def test_nothing_is_replayed_to_a_disabled_endpoint(clinic: Clinic) -> None:
    endpoint_id = add(clinic)["id"]
    change(clinic, endpoint_id, is_enabled=False)

    answer = call(clinic, "POST", f"/{endpoint_id}/replay")

    refused(answer, 412, "webhook_endpoint_disabled", disabled_because="staff")


def test_what_is_kept_no_more_cannot_be_replayed(clinic: Clinic) -> None:
    happen(clinic, "vis_kept")
    endpoint_id = add(clinic)["id"]
    ((kept_from,),) = clinic.world.sql(
        "UPDATE booking.event_log SET kept_from = kept_from + 1 WHERE brand_id = 'loop'"
        " RETURNING kept_from"
    )

    gone = call(clinic, "POST", f"/{endpoint_id}/replay", {"after_position": 0})
    clinic.world.sql("UPDATE booking.event_log SET kept_from = 1 WHERE brand_id = 'loop'")

    refused(gone, 410, "events_gone", kept_from=kept_from)


def test_too_much_at_once_is_refused_with_where_to_split(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_id = add(clinic)["id"]
    places = happen(clinic, "vis_1", "vis_2", "vis_3", "vis_4")
    body = {"after_position": places[0] - 1}
    path = f"/{endpoint_id}/replay"

    for limit in ("REPLAY_SPAN_MAX", "REPLAY_DELIVERIES_MAX"):
        with monkeypatch.context() as small:
            for module in (replays, replay_rows):
                if hasattr(module, limit):
                    small.setattr(module, limit, 3)
            answer = call(clinic, "POST", path, body)
            in_part = call(clinic, "POST", path, {**body, "through_position": places[2]})
        told = invalid(answer, "through_position")["message"]
        assert f"through_position {places[2]} first" in told
        assert f"after_position {places[2]}." in told
        assert ok(in_part, 202)["delivery_count"] == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("after_position", -1),
        ("through_position", 2**53),
        ("from", "2027-01-01T00:00:00"),
        ("until", "0001-01-01T00:00:00Z"),
        ("only_failed", "yes"),
    ],
)
def test_a_stretch_that_makes_no_sense_is_refused(
    clinic: Clinic, field: str, value: object
) -> None:
    endpoint_id = add(clinic)["id"]

    invalid(call(clinic, "POST", f"/{endpoint_id}/replay", {field: value}), field)


def test_a_stretch_that_ends_before_it_begins_is_refused(clinic: Clinic) -> None:
    path = f"/{clinic.endpoint()}/replay"
    places = {"after_position": 7, "through_position": 6}
    times = {"from": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"}

    invalid(call(clinic, "POST", path, places), "through_position")
    invalid(call(clinic, "POST", path, times), "until")


# ----------------------------------------------------------------------------------------- test


def test_a_test_event_arrives_signed_and_the_answer_says_so(
    clinic: Clinic, receiver: Receiver
) -> None:
    added = add(clinic, receiver.url)

    tested = ok(call(clinic, "POST", f"/{added['id']}/test"))

    (request,) = receiver.got
    assert (
        Webhook(added["secret"]).verify(request.body, request.headers)["id"] == tested["event_id"]
    )
    assert request.event["type"] == "booking.webhook_endpoint.test.v1"
    assert tested == {
        "event_id": tested["event_id"],
        "is_delivered": True,
        "attempted_at": tested["attempted_at"],
        "duration_ms": tested["duration_ms"],
        "http_status": 200,
        "cause": None,
    }
    (delivery,) = deliveries(clinic, added["id"])
    assert (delivery["event_id"], delivery["position"]) == (tested["event_id"], None)
    assert delivery["status"] == "delivered"


def test_a_test_says_what_went_wrong_and_is_not_tried_again(
    clinic: Clinic, receiver: Receiver
) -> None:
    at_fault, silent, nowhere = (
        add(clinic, url)["id"] for url in (receiver.url,) * 2 + ("https://receiver.invalid/",)
    )
    receiver.next(status(503), hang)

    answers = [ok(call(clinic, "POST", f"/{each}/test")) for each in (at_fault, silent, nowhere)]

    found = [(each["is_delivered"], each["http_status"], each["cause"]) for each in answers]
    assert found == [(False, 503, "status"), (False, None, "timeout"), (False, None, "dns")]
    assert [each["status"] for each in deliveries(clinic, at_fault)] == ["failed"]


def test_a_disabled_endpoint_is_tested_too(clinic: Clinic, receiver: Receiver) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    change(clinic, endpoint_id, is_enabled=False)

    assert ok(call(clinic, "POST", f"/{endpoint_id}/test"))["is_delivered"]


def test_a_repeated_test_is_sent_once(clinic: Clinic, receiver: Receiver) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]

    first, again = (
        call(clinic, "POST", f"/{endpoint_id}/test", Idempotency_Key="test") for _ in range(2)
    )

    assert ok(first) == ok(again)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(receiver.got) == 1


def test_tests_with_one_key_that_meet_are_one(clinic: Clinic, receiver: Receiver) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]

    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        await status(200)(writer)

    receiver.always(slowly)
    with ThreadPoolExecutor() as threads:
        asked = [
            threads.submit(call, clinic, "POST", f"/{endpoint_id}/test", Idempotency_Key="three")
            for _ in range(3)
        ]
        answers = [each.result() for each in asked]

    assert len({ok(answer)["event_id"] for answer in answers}) == 1
    assert len(receiver.got) == 1
    replayed = [answer for answer in answers if "Idempotency-Replayed" in answer.headers]
    assert len(replayed) == 2


def test_a_twin_of_a_test_that_nobody_ended_is_sent_when_that_is_too_long_ago(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    ok(call(clinic, "POST", f"/{endpoint_id}/test", Idempotency_Key="died"))
    # As it was while it was under way.
    clinic.world.sql(
        "UPDATE booking.idempotency SET outcome = 'under_way', route = route || ' under way',"
        " created_at = now() + interval '1 hour' WHERE key = 'died'"
    )
    with ThreadPoolExecutor() as threads:
        twin = threads.submit(call, clinic, "POST", f"/{endpoint_id}/test", Idempotency_Key="died")
        others = [
            ok(call(clinic, "POST", f"/{endpoint_id}/test", Idempotency_Key=f"other-{n}"))
            for n in range(4)
        ]
        is_waiting = not twin.done()
        clinic.world.sql(
            "UPDATE booking.idempotency SET created_at = now() - interval '1 hour'"
            " WHERE key = 'died'"
        )
        sent = ok(twin.result())

    assert is_waiting
    assert receiver.events()[1:] == [each["event_id"] for each in (*others, sent)]
