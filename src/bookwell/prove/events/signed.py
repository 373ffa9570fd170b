"""Which of an endpoint's secrets a request was signed with, by other people's code where there is.

`webhook-signature` is judged by the library of Standard Webhooks. `X-Loop-Signature` is the hex
HMAC-SHA256 of the raw body, keyed by the secret as it was shown.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from standardwebhooks import Webhook, WebhookVerificationError


def signed_by(secrets: Sequence[str], headers: Mapping[str, str], body: bytes) -> tuple[int, ...]:
    """The numbers of the secrets by which the webhook-signature verifies, within its five minutes.

    The library has the names of headers in lower case.
    """
    return tuple(
        number for number, secret in enumerate(secrets) if _verifies(secret, headers, body)
    )


def loop_signed_by(secrets: Sequence[str], signature: str, body: bytes) -> tuple[int, ...]:
    """The numbers of the secrets that this X-Loop-Signature was made with."""
    return tuple(
        number
        for number, secret in enumerate(secrets)
        if hmac.compare_digest(
            hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode(), signature.encode()
        )
    )


def _verifies(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    # ValueError: a signature without a comma, or that is no base64; a body that is no UTF-8.
    except (WebhookVerificationError, ValueError):
        return False
    return True
