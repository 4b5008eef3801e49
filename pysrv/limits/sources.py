"""Addresses as the rules count them: IPv4 one by one, IPv6 by /64, and the networks in which many are one attack."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

IPV6_BITS: Final = 64  # what one customer has at least (RFC 6177)
PREFIX_BITS: Final = {4: 24, 6: 48}


@lru_cache(maxsize=16_384)
def subject_of(address: str) -> str:
    """The address itself for IPv4, its /64 for IPv6. Raises ValueError for what is no address."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((int(parsed) >> IPV6_BITS << IPV6_BITS, IPV6_BITS)))
    return str(parsed)


@lru_cache(maxsize=16_384)
def network_of(subject: str) -> str:
    """The network in which many banned addresses make one distributed attack: /24, /48."""
    network = ip_network(subject, strict=False)
    return str(network.supernet(new_prefix=PREFIX_BITS[network.version]))


def lies_in(address: str, prefix: str) -> bool:
    """Whether an address, or a whole network, lies in `prefix`."""
    inner, outer = ip_network(address, strict=False), ip_network(prefix, strict=False)
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def is_inside(subject: str, prefix: str) -> bool:
    """Whether a counted source belongs to `prefix`: it is that address, its /64, or an address of that network."""
    if "/" not in prefix:
        return subject == prefix or subject == subject_of(prefix)
    return subject == prefix or lies_in(subject, prefix)
