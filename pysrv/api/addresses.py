"""Whom the API serves by address. Pure."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network


def lies_in_any(address: str, prefixes: Iterable[str]) -> bool:
    """Whether an address lies in one of the addresses and networks; one that cannot be read lies in none."""
    try:
        ours = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ours, IPv6Address) and ours.ipv4_mapped is not None:
        ours = ours.ipv4_mapped
    return any(ours in ip_network(prefix, strict=False) for prefix in prefixes)
