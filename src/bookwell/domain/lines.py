"""A line of a CSV file: its cells, what they must hold, and why it is refused.

A sentence that refuses a line names the column and never quotes what stands in it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.ids import VISIBLE

# As the HTTP door takes instants: see http/fields.py; a test compares the two.
YEAR_MIN = 1900
YEAR_MAX = 2200

visible = re.compile(VISIBLE)
_Instant = Annotated[datetime, Meta(tz=True)]


class Row(NamedTuple):
    """The text of one line: a value for each wanted column, and the line it begins on, from 1."""

    number: int
    values: Sequence[str]


class Refusal(Struct, frozen=True, kw_only=True):
    """A line that is not imported; `why` is a sentence without anything a patient said or is.

    `external_id` or `column` say which visit or cell it is about, where that is known.
    """

    number: int
    why: str
    external_id: str | None = None
    column: str | None = None


def read_id(cells: Mapping[str, str], column: str) -> str:
    """The id in this column; InvalidInput if there is none."""
    if not visible.match(cells[column]):
        raise InvalidInput(f"{column} must be 1 to 128 visible characters.", field=column)
    return cells[column]


def read_instant(cells: Mapping[str, str], column: str) -> datetime:
    """The aware instant in this column; InvalidInput if there is none that people live in."""
    try:
        instant = msgspec.convert(cells[column], type=_Instant)
    except msgspec.ValidationError as error:
        raise InvalidInput(
            f"{column} must be an instant with an offset from UTC,"
            " such as 2026-04-29T08:00:00-03:00.",
            field=column,
        ) from error
    if not YEAR_MIN <= instant.year < YEAR_MAX:
        raise InvalidInput(f"{column} must lie in {YEAR_MIN} to {YEAR_MAX - 1}.", field=column)
    return instant
