"""Which texts may be the host of an address on the public internet, as far as spelling says.

Sources: RFC 1123 section 2.1 and RFC 1035 section 2.3.4 (labels and lengths); RFC 6761 section 6.3
(`localhost`); the WHATWG URL standard, "ends in a number" (what looks like an IPv4 address is one).
"""

import re
from ipaddress import ip_address

# In letters and dots, without the dot of the root.
NAME_LENGTH_MAX = 253
# An underscore is no letter of host names, but is inside some that are in use.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def is_host(host: str) -> bool:
    """Whether it is an address as such are written, or could be a name, in use today or not.

    Other spellings of IPv4 addresses (`0x7f.1`, `2130706433`, `010.0.0.1`) are neither.
    """
    try:
        ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        return (
            len(host.removesuffix(".")) <= NAME_LENGTH_MAX
            and all(map(_LABEL.fullmatch, labels))
            and not _NUMBER.fullmatch(labels[-1])
        )
    return True


def is_localhost(host: str) -> bool:
    """Whether it is a name of this machine: `localhost`, or one below it."""
    return f".{host.removesuffix('.').lower()}".endswith(".localhost")
