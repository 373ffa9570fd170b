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
