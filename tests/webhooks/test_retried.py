"""What happens when a receiver does not take what it is sent: nothing is lost, the order stays."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from posting import PostOffice, quiet, until
from receivers import Answer, Receiver, drip, flood, hang, receiving, reset, status


def test_events_of_one_visit_arrive_in_their_order_whatever_fails(
    office: PostOffice, receiver: Receiver
) -> None:
    endpoint_id = office.endpoint(receiver.url)
    receiver.next(status(500), status(200), reset, status(503))

    first = office.send(endpoint_id, "vis_1", "vis_1", "vis_1")
    office.all_are(endpoint_id, "delivered")

    taken = [
        request.headers["webhook-id"]
        for request, answer in zip(receiver.got, [500, 200, 0, 503, 200, 200, 200], strict=False)
        if answer == 200
    ]
    assert taken == first


def test_a_visit_that_is_not_taken_does_not_hold_up_other_visits(
    office: PostOffice, receiver: Receiver
) -> None:
    endpoint_id = office.endpoint(receiver.url)
    stuck = f"vis_stuck_{endpoint_id}"
    receiver.decide = lambda request: status(
        500 if request.event["data"]["visit_id"] == stuck else 200
    )

    event_ids = office.send(
        endpoint_id, "vis_stuck", "vis_a", "vis_stuck", "vis_b", "vis_c", "vis_a"
    )

    others = {event_ids[index] for index in (1, 3, 4, 5)}
    until(lambda: others <= set(receiver.events()))
    assert event_ids[2] not in receiver.events()


def test_a_receiver_that_hangs_delays_no_other(office: PostOffice, receiver: Receiver) -> None:
    with receiving() as hanging:
        hanging.always(hang)
        stuck = office.endpoint(hanging.url)
        office.send(stuck, *(f"vis_{number}" for number in range(200)))
        hanging.wait_for(1)
        endpoint_id = office.endpoint(receiver.url)
        office.send(endpoint_id, *(f"vis_{number}" for number in range(50)))

        office.all_are(endpoint_id, "delivered")

        assert "delivered" not in office.statuses(stuck)
        office.change(stuck, "disabled_at = now(), disabled_because = 'staff'")


@pytest.mark.parametrize(
    ("answer", "http_status", "cause"),
    [
        (status(500), 500, "status"),
        (status(400), 400, "status"),
        (status(302, location="https://elsewhere.example/"), 302, "redirect"),
        (hang, None, "timeout"),
        (reset, None, "reset"),
    ],
)
def test_each_failure_is_on_record_with_its_cause_and_is_tried_again(
    office: PostOffice,
    receiver: Receiver,
    answer: Answer,
    http_status: int | None,
    cause: str,
) -> None:
    endpoint_id = office.endpoint(receiver.url)
    receiver.next(answer)

    office.send(endpoint_id, "vis_1")
    office.all_are(endpoint_id, "delivered")

    assert office.attempts(endpoint_id) == [(1, http_status, cause), (2, 200, None)]
    assert len(receiver.got) == 2
    # A little less, because the clock that counts is the database's.
    assert receiver.got[1].at - receiver.got[0].at >= 0.98


@pytest.mark.parametrize("answer", [drip, flood])
def test_a_receiver_that_goes_on_talking_has_taken_it(
    office: PostOffice, receiver: Receiver, answer: Answer
) -> None:
    endpoint_id = office.endpoint(receiver.url)
    receiver.next(answer)

    office.send(endpoint_id, "vis_1")
    office.all_are(endpoint_id, "delivered")

    assert office.attempts(endpoint_id) == [(1, 200, None)]


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_receiver_that_asks_us_to_wait_is_sent_nothing_meanwhile(
    office: PostOffice, receiver: Receiver, code: int, form: str
) -> None:
    endpoint_id = office.endpoint(receiver.url)
    later = datetime.now(UTC) + timedelta(seconds=4)
    asked = "3" if form == "seconds" else format_datetime(later, usegmt=True)
    receiver.next(status(code, retry_after=asked))

    office.send(endpoint_id, "vis_1")
    receiver.wait_for(1)
    until(lambda: office.look(endpoint_id, "paused_until > now()"))
    office.send(endpoint_id, "vis_2")
    office.all_are(endpoint_id, "delivered")

    assert receiver.got[1].at - receiver.got[0].at > 1.9
    assert len(receiver.got) == 3


def test_a_receiver_that_says_gone_is_disabled_and_what_waits_waits(
    office: PostOffice, receiver: Receiver
) -> None:
    endpoint_id = office.endpoint(receiver.url)
    receiver.always(status(410))

    office.send(endpoint_id, "vis_1", "vis_1")
    until(lambda: office.look(endpoint_id, "disabled_because = 'gone'"))

    assert quiet(receiver, seconds=2.5) == 0
    assert office.statuses(endpoint_id) == ["pending", "pending"]
    assert office.attempts(endpoint_id) == [(1, 410, "gone")]
    audit = office.world.sql(
        "SELECT actor_type, event_type FROM booking.audit WHERE entity_id = %s", endpoint_id
    )
    assert audit == [("system", "webhook_endpoint.disabled")]

    receiver.always(status(200))
    office.change(endpoint_id, "disabled_at = NULL, disabled_because = NULL")
    office.all_are(endpoint_id, "delivered")


def test_what_was_not_taken_for_three_days_has_failed_and_the_next_one_goes(
    office: PostOffice, receiver: Receiver
) -> None:
    endpoint_id = office.endpoint(receiver.url)
    receiver.always(status(500))
    office.send(endpoint_id, "vis_1", "vis_1")
    receiver.wait_for(1)
    until(lambda: office.attempts(endpoint_id) == [(1, 500, "status")])
    office.change(endpoint_id, "disabled_at = now(), disabled_because = 'staff'")
    office.world.sql(
        "UPDATE booking.delivery SET created_at = now() - interval '73 hours' WHERE delivery_no ="
        " (SELECT min(delivery_no) FROM booking.delivery WHERE endpoint_id = %s)",
        endpoint_id,
    )

    office.change(endpoint_id, "disabled_at = NULL, disabled_because = NULL")
    until(lambda: office.statuses(endpoint_id)[0] == "failed")
    receiver.always(status(200))

    until(lambda: office.statuses(endpoint_id) == ["failed", "delivered"])


def test_the_last_attempt_is_at_the_end_of_the_three_days(
    office: PostOffice, receiver: Receiver
) -> None:
    endpoint_id = office.endpoint(receiver.url)
    receiver.always(status(500))
    office.change(endpoint_id, "disabled_at = now(), disabled_because = 'staff'")
    office.change(endpoint_id, "disabled_at = NULL, disabled_because = NULL")
    office.send(endpoint_id, "vis_1")
    until(lambda: office.attempts(endpoint_id))
    office.world.sql(
        "UPDATE booking.delivery SET attempts = 30,"
        " created_at = now() - interval '71 hours 59 minutes' WHERE endpoint_id = %s",
        endpoint_id,
    )

    until(lambda: len(office.attempts(endpoint_id)) == 2)

    ((is_at_the_end,),) = office.world.sql(
        "SELECT next_attempt_at = created_at + interval '3 days' FROM booking.delivery"
        " WHERE endpoint_id = %s",
        endpoint_id,
    )
    assert is_at_the_end


def test_what_waits_for_a_receiver_goes_as_soon_as_it_is_back(
    office: PostOffice, receiver: Receiver
) -> None:
    endpoint_id = office.endpoint(receiver.url)
    receiver.always(status(500))
    office.send(endpoint_id, "vis_1", "vis_2", "vis_3")
    receiver.wait_for(3)
    until(lambda: len(office.attempts(endpoint_id)) >= 3)
    office.world.sql(
        "UPDATE booking.delivery SET next_attempt_at = now() + interval '8 hours'"
        " WHERE endpoint_id = %s",
        endpoint_id,
    )
    office.change(endpoint_id, "failing_since = now() - interval '1 hour'")
    receiver.always(status(200))

    office.send(endpoint_id, "vis_4")

    office.all_are(endpoint_id, "delivered")
    assert office.look(endpoint_id, "failing_since") is None


def test_a_dead_receiver_is_left_alone_ever_longer(office: PostOffice, receiver: Receiver) -> None:
    endpoint_id = office.endpoint(receiver.url)
    receiver.always(status(500))

    office.send(endpoint_id, *(f"vis_{number}" for number in range(500)))
    receiver.wait_for(6)

    until(lambda: office.look(endpoint_id, "failing_since IS NOT NULL"))
    assert quiet_until_settled(receiver) < 60
    office.change(endpoint_id, "disabled_at = now(), disabled_because = 'staff'")


def quiet_until_settled(receiver: Receiver) -> int:
    """How many came until none came for a second and a half."""
    while quiet(receiver, seconds=1.5):
        pass
    return len(receiver.got)
