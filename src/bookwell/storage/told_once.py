"""Secrets that are told once and never stored; under an idempotency key they can be told again."""

import hashlib
import hmac
from base64 import urlsafe_b64encode

from bookwell.domain.callers import Call


def hash_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def derived(call: Call, *, bearer: str, purpose: str) -> str:
    """The 256 bits, as URL-safe text, that this call's idempotency key stands for, each time.

    They are HMAC-SHA256 (RFC 2104) with the caller's own bearer token as its key, over all that
    makes two requests one. A bearer token has 256 bits and is never stored, so whoever reads the
    database has every part of the message and still cannot make the secret.
    """
    assert call.key is not None, "without a key there is nothing to derive from"
    # No part but the last may hold a line break, so no two requests make the same message. The
    # brand is among them because one caller's key is another key in each brand.
    parts = (f"bookwell {purpose}", call.brand_id, call.key.key, call.key.route)
    message = "\n".join(parts).encode() + b"\n" + call.key.fingerprint
    digest = hmac.digest(bearer.encode(), message, "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
