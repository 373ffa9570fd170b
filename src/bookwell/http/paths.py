"""Ids in paths may contain a slash, written %2F; servers decode it before anybody can route.

So the edge takes the path as it was sent, and lets a character stand for such a slash that no id
contains; whoever reads an id from the path turns it back.
"""

from urllib.parse import unquote

_STAND_IN = "\x1f"  # a control character is in no id, and one in a path is refused all the same


def with_slashes_kept(raw_path: bytes) -> str | None:
    """The decoded path with a stand-in for each %2F, or None where there is none to keep."""
    if b"%2f" not in raw_path.lower():
        return None
    segments = raw_path.decode("ascii", "replace").split("/")
    return "/".join(unquote(segment).replace("/", _STAND_IN) for segment in segments)


def slashes_restored(value: str) -> str:
    """The id that a segment of the path stands for."""
    return value.replace(_STAND_IN, "/")
