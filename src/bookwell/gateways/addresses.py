"""Which addresses outbound requests may go to: public ones, and nobody's inside.

Sources: the IANA special-purpose address registries for IPv4 and IPv6; RFC 6052 (NAT64), RFC 3056
(6to4), RFC 4291 section 2.5.5.2 (IPv4-mapped).
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# Not global, whatever the version of the standard library says of them.
_NOT_PUBLIC_4 = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("224.0.0.0/3"),
)
# All that is handed out as global unicast, and what is set apart within it.
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = (
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("3fff::/20"),
)
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an address, as `getaddrinfo` gives it, is one of the public internet.

    An address that carries an IPv4 address (IPv4-mapped, 6to4, NAT64) is what that one is.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        # One with a zone (`fe80::1%eth0`) is of this machine's own links.
        return False
    if isinstance(parsed, IPv4Address):
        return _is_public_4(parsed)
    carried = _carried_by(parsed)
    if carried is not None:
        return _is_public_4(carried)
    return (
        parsed in _GLOBAL_UNICAST_6
        and parsed.is_global
        and not any(parsed in network for network in _NOT_PUBLIC_6)
    )


def is_loopback(address: str) -> bool:
    """Whether it is this machine itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def literal_of(host: str) -> str | None:
    """The address that a host's text is, in whatever spelling; None where it is a name.

    `2130706433`, `0x7f.1` and `0177.0.0.1` are 127.0.0.1 to the system's resolver, so here too.
    """
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _is_public_4(address: IPv4Address) -> bool:
    return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)


def _carried_by(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
