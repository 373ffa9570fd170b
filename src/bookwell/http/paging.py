"""Pages at the HTTP door: `limit`, an opaque `cursor`, and `next_cursor` while there is more."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
from litestar.params import QueryParameter

from bookwell.domain.errors import InvalidInput
from bookwell.domain.ids import VISIBLE

LIMIT_DEFAULT = 100
# A page of a thousand visits is half a megabyte: the most one answer should be.
LIMIT_MAX = 1000

Limit = Annotated[
    int,
    QueryParameter(ge=1, le=LIMIT_MAX, description="The most items to answer with."),
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        max_length=1024,
        description="Where to go on: the `next_cursor` of the page before.",
    ),
]
PatientFilter = Annotated[
    str | None, QueryParameter(pattern=VISIBLE, description="Only this patient's.")
]

# As far as PostgreSQL counts, and some more than enough.
_PLACE = re.compile(r"0|[1-9][0-9]{0,15}")


def write_cursor(key: tuple[datetime, str] | tuple[str] | None) -> str | msgspec.UnsetType:
    """The key of the last item on a page, opaque to the caller."""
    if key is None:
        return msgspec.UNSET
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).rstrip(b"=").decode()


def read_timed_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """The (instant, id) a cursor stands for; InvalidInput if it is none of ours."""
    if cursor is None:
        return None
    key = _read(cursor, _TimedKey)
    try:
        return key.at.astimezone(UTC), _storable(key.item_id)
    except (OverflowError, ValueError) as error:
        raise _no_cursor() from error


def read_id_cursor(cursor: str | None) -> str | None:
    """The id a cursor stands for; InvalidInput if it is none of ours."""
    if cursor is None:
        return None
    return _storable(_read(cursor, _IdKey).item_id)


def read_place_cursor(cursor: str | None) -> int | None:
    """The place in a log a cursor stands for; InvalidInput if it is none of ours."""
    if cursor is None:
        return None
    place = _read(cursor, _IdKey).item_id
    if _PLACE.fullmatch(place) is None:
        raise _no_cursor()
    return int(place)


class _TimedKey(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    item_id: str


class _IdKey(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    item_id: str


_Key = TypeVar("_Key", _TimedKey, _IdKey)


def _read(cursor: str, kind: type[_Key]) -> _Key:
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        return msgspec.json.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True), type=kind
        )
    except (msgspec.MsgspecError, binascii.Error, UnicodeError, ValueError) as error:
        raise _no_cursor() from error


def _storable(item_id: str) -> str:
    if "\x00" in item_id:
        raise _no_cursor()
    return item_id


def _no_cursor() -> InvalidInput:
    return InvalidInput("cursor must be a next_cursor of this list.", field="cursor")
