"""Which addresses may be connected to.

A name is resolved and each of its addresses judged; the connection is then made to one of those
very addresses. So a name that gives another answer the next time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from bridge.core.errors import EnvironmentProblem, Transient

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet.

    Private, loopback, link-local, shared, reserved and multicast addresses do not, nor do IPv6
    addresses that stand for one of these in IPv4 (mapped, compatible, 6to4, Teredo, NAT64).
    """
    ip = ipaddress.ip_address(address)
    inner = _inside(ip) if isinstance(ip, IPv6Address) else None
    if inner is not None:
        return _is_global(inner)
    return _is_global(ip)


def _is_global(ip: IPv4Address | IPv6Address) -> bool:
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _inside(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64 or ip in _COMPATIBLE:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.teredo is not None:
        return ip.teredo[1]
    return ip.ipv4_mapped or ip.sixtofour


def addresses_of(host: str, port: int, *, name: str, allow_private: bool) -> list[str]:
    """Return the IP addresses of a host that may be connected to, in the resolver's order.

    Args:
        host: name or IP address.
        port: of TCP.
        name: of the host in messages.
        allow_private: whether every address may be.

    Raises:
        Transient: the name cannot be resolved now.
        EnvironmentProblem: it has private addresses only, and these are not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not a host name"
        raise Transient(f"The host of {name} cannot be resolved: {why}.") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [address for address in addresses if allow_private or is_public(address)]
    if not allowed:
        raise EnvironmentProblem(
            f"{name} has the address {addresses[0]}, which is not on the public internet; "
            "nothing was sent to it.",
            remedy="Set allow_private_addresses to true if the receiver is meant to be there.",
        )
    return allowed
