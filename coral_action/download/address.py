"""Which addresses may be asked: public ones. What a stranger writes must reach nothing else.

A runner stands inside of somebody's network; cloud machines hand out credentials to whoever asks
at link-local addresses (https://owasp.org/Top10/A10_2021-Server-Side_Request_Forgery_(SSRF)/).
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Public by its number, yet every Azure machine's own agent answers there, and so on GitHub's
# runners (https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16).
_NOT_PUBLIC = frozenset({ipaddress.ip_address("168.63.129.16")})
# IPv6 addresses that lead to an IPv4 one: NAT64 (RFC 6052), and IPv4-compatible (RFC 4291).
_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96")))


def is_public(text: str) -> bool:
    """Whether an address, as `getaddrinfo` gives it, is one of the public internet.

    Private, loopback, link-local, multicast, reserved and unspecified ones are not, nor is any
    IPv6 address that stands for such an IPv4 one.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(
        each.is_global
        and not (each.is_multicast or each.is_reserved or each.is_private)
        and not (isinstance(each, ipaddress.IPv6Address) and each.is_site_local)
        and each not in _NOT_PUBLIC
        for each in _meant(address)
    )


def _meant(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address stands for, or else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    found: list[Address] = []
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found += address.teredo
    if any(address in network for network in _TRANSLATED):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found or [address]
