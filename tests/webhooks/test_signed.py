"""What a receiver gets: the event, who signed it, and which attempt it is."""

import hmac
from hashlib import sha256

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from posting import PostOffice, new_secret
from receivers import Receiver, status


def test_a_delivery_is_verified_by_the_library_of_standard_webhooks(
    office: PostOffice, receiver: Receiver
) -> None:
    secret = new_secret()
    endpoint_id = office.endpoint(receiver.url, secret=secret)

    (event_id,) = office.send(endpoint_id, "vis_1")

    (request,) = receiver.wait_for(1)
    verified = Webhook(secret).verify(request.body, request.headers)
    assert verified["id"] == event_id == request.headers["webhook-id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(request.body, request.headers)


def test_a_delivery_carries_the_headers_of_the_platform(
    office: PostOffice, receiver: Receiver
) -> None:
    secret = new_secret()
    endpoint_id = office.endpoint(receiver.url, secret=secret)

    (event_id,) = office.send(endpoint_id, "vis_1")

    (request,) = receiver.wait_for(1)
    assert request.headers["x-loop-event-id"] == event_id
    assert request.headers["x-loop-event-type"] == request.event["type"]
    assert request.headers["x-loop-delivery-attempt"] == "1"
    assert request.headers["content-type"] == "application/json"
    expected = hmac.new(secret.encode(), request.body, sha256).hexdigest()
    assert request.headers["x-loop-signature"] == expected


def test_the_id_stays_and_the_attempts_are_counted(office: PostOffice, receiver: Receiver) -> None:
    endpoint_id = office.endpoint(receiver.url)
    receiver.next(status(500), status(500))

    (event_id,) = office.send(endpoint_id, "vis_1")

    requests = receiver.wait_for(3)
    assert [request.headers["webhook-id"] for request in requests] == [event_id] * 3
    assert [request.attempt for request in requests] == [1, 2, 3]
    assert len({request.body for request in requests}) == 1
    timestamps = [int(request.headers["webhook-timestamp"]) for request in requests]
    assert timestamps[0] < timestamps[2]


def test_while_secrets_overlap_a_receiver_with_either_accepts(
    office: PostOffice, receiver: Receiver
) -> None:
    old, new = new_secret(), new_secret()
    endpoint_id = office.endpoint(receiver.url, secret=new)
    office.change(
        endpoint_id,
        f"previous_secret = '{old}', previous_secret_until = now() + interval '1 hour'",
    )

    office.send(endpoint_id, "vis_1")
    (during,) = receiver.wait_for(1)
    office.change(endpoint_id, "previous_secret_until = now() - interval '1 second'")
    office.send(endpoint_id, "vis_1")
    after = receiver.wait_for(2)[1]

    for secret in (old, new):
        Webhook(secret).verify(during.body, during.headers)
    loop_signature = hmac.new(old.encode(), during.body, sha256).hexdigest()
    assert during.headers["x-loop-signature"] == loop_signature
    Webhook(new).verify(after.body, after.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(after.body, after.headers)
    loop_signature = hmac.new(new.encode(), after.body, sha256).hexdigest()
    assert after.headers["x-loop-signature"] == loop_signature


def test_an_endpoint_may_want_cloud_events(office: PostOffice, receiver: Receiver) -> None:
    secret = new_secret()
    endpoint_id = office.endpoint(receiver.url, form="cloudevents", secret=secret)

    (event_id,) = office.send(endpoint_id, "vis_1")

    (request,) = receiver.wait_for(1)
    assert request.headers["content-type"] == "application/cloudevents+json"
    event = Webhook(secret).verify(request.body, request.headers)
    assert (event["specversion"], event["id"], event["source"]) == ("1.0", event_id, "/brands/loop")
    assert event["subject"] == f"vis_1_{endpoint_id}"
