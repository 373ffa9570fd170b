"""Ids as the outside sees them: a prefix that names the noun, and a ULID that sorts by time."""

from ulid import ULID


def new_id(prefix: str) -> str:
    """Return a new opaque id such as `vis_01JD…`; 80 of its bits are random."""
    return f"{prefix}_{ULID()}"


VISIT = "vis"
SLOT = "slt"
OFFICE_HOUR = "ofh"
OFFICE_HOUR_BOOKING = "ohb"
EVENT = "evt"
TOKEN = "tok"  # noqa: S105 - a prefix, no secret
REQUEST = "req"
