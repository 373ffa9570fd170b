r"""Ids as the outside sees them: a prefix that names the noun, and a ULID that sorts by time.

Ids of other systems are any 1 to 128 visible characters (CONTRACT.md, head). The patterns end in
`(?![\s\S])`, the end of the text in both Python's and JSON Schema's regular expressions; `$` would
let a line break through.
"""

from ulid import ULID

# Spaces, control characters, lone surrogates, and what has no width or turns the writing around:
# two ids that look the same would be two people.
_UNSEEN = (
    r"\s\x00-\x20\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    r"\ufeff\ufff9-\ufffb"
)
VISIBLE = rf"^[^{_UNSEEN}]{{1,128}}(?![\s\S])"
# A clinic's own words, such as "Follow up"; no control characters.
VISIT_TYPE = r"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,128}(?![\s\S])"


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
