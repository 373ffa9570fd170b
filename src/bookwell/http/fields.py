"""The kinds of value that requests carry, and their limits (CONTRACT.md head and decision 17)."""

from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bookwell.domain.errors import InvalidInput
from bookwell.domain.ids import VISIBLE, VISIT_TYPE
from bookwell.domain.licences import REGION, REGION_LENGTH_MAX
from bookwell.domain.visit_types import CURRENCY

_NO_NUL = r"^[^\x00]*(?![\s\S])"

# Clinics keep no book before, and plan none after; PostgreSQL and every calendar agree on these.
YEAR_MIN = 1900
YEAR_MAX = 2200

_SLUG = r"^[a-z0-9](-?[a-z0-9])*(?![\s\S])"
WALL_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?(?![\s\S])"

# A code of the clinic's own, so that nobody writes of a patient here: it stands in the audit.
_CODE = r"^[a-z][a-z0-9_]*(?![\s\S])"

_WORD = r"^[A-Za-z0-9][A-Za-z0-9._:-]*(?![\s\S])"

_IN_WORDS = {
    _WORD: "must be letters, digits and . _ : -",
    _CODE: "must be a code of lower-case letters, digits and underscores",
    VISIBLE: "must be 1 to 128 visible characters",
    VISIT_TYPE: "must be 1 to 128 characters, none of them a control character",
    _NO_NUL: "must not contain the NUL character",
    _SLUG: "must be lower-case letters and digits, with single hyphens between them",
    REGION: "must be a country or a part of one, such as DE, DE-BE or US-NY",
    CURRENCY: "must be three capital letters such as EUR",
    WALL_TIME: "must be a time of day such as 09:30",
}

Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=VISIBLE)]
VisitType = Annotated[str, Meta(min_length=1, max_length=128, pattern=VISIT_TYPE)]
Slug = Annotated[str, Meta(min_length=1, max_length=64, pattern=_SLUG)]
# A word that another system knows, such as the name of a template.
Code = Annotated[str, Meta(min_length=1, max_length=64, pattern=_WORD)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_NO_NUL)]
Reason = Annotated[str, Meta(max_length=2_000, pattern=_NO_NUL)]
Notes = Annotated[str, Meta(max_length=10_000, pattern=_NO_NUL)]
OverrideReason = Annotated[str, Meta(min_length=1, max_length=64, pattern=_CODE)]
Region = Annotated[str, Meta(min_length=1, max_length=REGION_LENGTH_MAX, pattern=REGION)]
ZoneName = Annotated[str, Meta(min_length=1, max_length=64)]
Instant = Annotated[datetime, Meta(tz=True)]
WallTime = Annotated[str, Meta(pattern=WALL_TIME)]


def problem_of(field: str, problem: str) -> str:
    """What msgspec finds wrong with a field as a sentence; a pattern is told in words."""
    for pattern, words in _IN_WORDS.items():
        if repr(pattern) in problem:
            return f"{field} {words}."
    if problem.startswith("Invalid enum value"):  # msgspec goes on with the value
        return f"{field} is none of the values it may have."
    return f"{field}: {problem}."


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


def checked_day(day: date | UnsetType | None, field: str) -> date | None:
    """The day, if it lies in a year that people live in; None where it is absent or null.

    Raises:
        InvalidInput: It does not.
    """
    if day is UNSET or day is None:
        return None
    if not YEAR_MIN <= day.year < YEAR_MAX:
        raise InvalidInput(f"{field} must lie in {YEAR_MIN} to {YEAR_MAX - 1}.", field=field)
    return day


def read_instant(text: str, field: str) -> datetime:
    """The instant this text says (RFC 3339).

    Raises:
        InvalidInput: It says none, or none that `checked_instant` lets through.
    """
    try:
        instant = msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise InvalidInput(
            f"{field} must be an instant such as 2027-03-28T09:00:00Z.", field=field
        ) from error
    return checked_instant(instant, field)


def or_none(text: str | UnsetType | None) -> str | None:
    """An absent field as None."""
    return None if text is UNSET else text
