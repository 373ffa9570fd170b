"""Remembers for a few seconds what the identity service said of a token.

A key is a digest of the token; the token itself is not kept, so a memory dump of this cache opens
no door.
"""

from enum import Enum
from typing import Final

from bookwell.domain.callers import Claims

# A revoked token must stop working within this time, whatever the settings say.
CACHE_SECONDS_MAX = 5.0

# Ten thousand new callers a second for five seconds; a full cache measures 80 MB.
ENTRIES_MAX = 50_000


class NoAnswer(Enum):
    """Says that nothing is known of a token, where None says that it is not active."""

    NO_ANSWER = "no answer"


NO_ANSWER: Final = NoAnswer.NO_ANSWER


class IntrospectionCache:
    """Answers by key, each for at most `seconds` and never past the token's own expiry.

    `now` and `asked_at` are readings of one monotonic clock, `wall` is in seconds since the epoch.
    """

    def __init__(self, *, seconds: float, entries_max: int = ENTRIES_MAX) -> None:
        self._seconds = min(seconds, CACHE_SECONDS_MAX)
        self._entries_max = entries_max
        # In the order of their arrival, which is nearly that in which they go stale.
        self._entries: dict[bytes, tuple[Claims | None, float]] = {}

    def find(self, key: bytes, *, now: float, wall: float) -> Claims | NoAnswer | None:
        """The answer, None for a token that is not active, or NO_ANSWER."""
        entry = self._entries.get(key)
        if entry is None:
            return NO_ANSWER
        claims, asked_at = entry
        expires_at = None if claims is None else claims.expires_at
        if now - asked_at >= self._seconds or (expires_at is not None and expires_at <= wall):
            del self._entries[key]
            return NO_ANSWER
        return claims

    def remember(self, key: bytes, claims: Claims | None, *, asked_at: float) -> None:
        """Keep an answer. Its age counts from the question: the token may be revoked since."""
        self._entries.pop(key, None)
        self._entries[key] = (claims, asked_at)
        if len(self._entries) > self._entries_max:
            del self._entries[next(iter(self._entries))]
