"""When a delivery that was not taken is tried again: often at first, then ever more rarely.

Ten attempts in about a minute, so that a restart of the receiver is hardly noticed; then up to
eight hours apart, until three days have passed since the event was put on its way.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

TRIED_FOR = timedelta(days=3)
# A receiver may ask us to wait, but a slip of its clock must not silence it for a year.
RETRY_AFTER_MAX = timedelta(days=1)
# Each wait is made longer by up to this part of it, so that what failed together does not come
# back together.
JITTER = 0.25

_FIRST_SECONDS = (1, 2, 4, 8, 8, 8, 8, 8, 8)
_THEN_SECONDS = (30, 60, 5 * 60, 15 * 60, 3600, 2 * 3600, 4 * 3600, 8 * 3600)
WAITS_SECONDS = (*_FIRST_SECONDS, *_THEN_SECONDS)


def base_wait_after(attempt: int) -> timedelta:
    """The shortest time from the beginning of this attempt (1, 2, …) to the next."""
    return timedelta(seconds=WAITS_SECONDS[min(attempt, len(WAITS_SECONDS)) - 1])


def wait_after(attempt: int, *, chance: float, took: timedelta = timedelta(0)) -> timedelta:
    """How long to wait after this attempt (1, 2, …); `chance` is at least 0 and below 1.

    Waits are counted from when the attempt began: who waited in vain for an answer has waited.
    There is a second at least between the end of one and the next.
    """
    return max(base_wait_after(attempt) * (1 + JITTER * chance) - took, base_wait_after(1))


def read_retry_after(text: str, *, now: datetime) -> timedelta | None:
    """What a Retry-After header asks for: seconds or an HTTP date (RFC 9110 section 10.2.3).

    None where it is neither. Never negative, and never longer than RETRY_AFTER_MAX.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        # More digits than any wait has would be an error of `timedelta`.
        asked = timedelta(seconds=int(text)) if len(text) <= 9 else RETRY_AFTER_MAX  # noqa: PLR2004 - see above
    else:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        asked = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    return min(max(asked, timedelta(0)), RETRY_AFTER_MAX)
