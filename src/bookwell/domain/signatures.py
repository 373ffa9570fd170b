"""What a webhook says in its headers, so that a receiver can tell it from a forgery.

Sources: Standard Webhooks 1.0; CONTRACT.md and the platform's documentation for `X-Loop-…`;
docs/decisions/0029-webhooks.md.
"""

import hmac
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from standardwebhooks import Webhook

from bookwell.domain.envelopes import CONTENT_TYPES, Format


class Message(NamedTuple):
    """One attempt to deliver one event: what is sent, and as which."""

    event_id: str
    event_type: str
    attempt: int
    form: Format
    body: bytes


def sign(
    message: Message, *, current: str, previous: str | None, sent_at: datetime
) -> dict[str, str]:
    """The headers of one attempt; `sent_at` is an aware time in UTC.

    `current` and `previous` are secrets as their owner was shown them (`whsec_…`); `previous` is
    None but for the overlap of a rotation. `webhook-signature` then carries a signature of each.
    `X-Loop-Signature` has room for one: it is made with the previous, which a receiver that was not
    told yet knows, and one that was told still knows.
    """
    text = message.body.decode()
    secrets = [current] if previous is None else [current, previous]
    signatures = [
        Webhook(secret).sign(msg_id=message.event_id, timestamp=sent_at, data=text)
        for secret in secrets
    ]
    return {
        "content-type": CONTENT_TYPES[message.form],
        "user-agent": "bookwell",
        "webhook-id": message.event_id,
        # As the library rounds it when it signs.
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": " ".join(signatures),
        "x-loop-event-id": message.event_id,
        "x-loop-event-type": message.event_type,
        "x-loop-signature": hmac.new(secrets[-1].encode(), message.body, sha256).hexdigest(),
        "x-loop-delivery-attempt": str(message.attempt),
    }
