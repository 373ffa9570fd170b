r"""The kinds of value that requests carry, and their limits (CONTRACT.md head and decision 17).

The patterns end in `(?![\s\S])`, the end of the text in both Python's and JSON Schema's regular
expressions; `$` would let a line break through.
"""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from bookwell.domain.errors import InvalidInput

# 1 to 128 visible characters: no space, no control character, no lone surrogate.
VISIBLE = r"^[^\s\x00-\x20\x7f-\xa0\ud800-\udfff]{1,128}(?![\s\S])"
_NO_NUL = r"^[^\x00]*(?![\s\S])"

# Clinics keep no book before, and plan none after; PostgreSQL and every calendar agree on these.
YEAR_MIN = 1900
YEAR_MAX = 2200

Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=VISIBLE)]
Slug = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9](-?[a-z0-9])*(?![\s\S])")
]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_NO_NUL)]
Reason = Annotated[str, Meta(max_length=2_000, pattern=_NO_NUL)]
Notes = Annotated[str, Meta(max_length=10_000, pattern=_NO_NUL)]
Instant = Annotated[datetime, Meta(tz=True)]


def checked_instant(instant: datetime, field: str) -> datetime:
    """The instant, if it lies in a year that people live in.

    Raises:
        InvalidInput: It does not, or it has no offset from UTC.
    """
    if instant.tzinfo is None:
        raise InvalidInput(f"{field} must have an offset from UTC, such as Z.", field=field)
    if not YEAR_MIN <= instant.year < YEAR_MAX:
        raise InvalidInput(f"{field} must lie in {YEAR_MIN} to {YEAR_MAX - 1}.", field=field)
    return instant


def or_none(text: str | UnsetType | None) -> str | None:
    """An absent field as None."""
    return None if text is UNSET else text
