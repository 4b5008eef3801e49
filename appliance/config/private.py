"""Ranges that no public network routes: the office trusts them on request, SSH's door starts with them."""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

# RFC 1918, RFC 6598 (shared address space), RFC 3927, RFC 4193, RFC 4291. `is_private` would add documentation's.
PRIVATE: Final = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
EVERYBODY: Final = ("0.0.0.0/0", "::/0")


def meets(prefix: str, networks: Iterable[str]) -> bool:
    """Whether an address or network has something in common with one of the networks."""
    own = ip_network(prefix)
    return any(own.version == each.version and own.overlaps(each) for each in map(ip_network, networks))


def ssh_words(networks: Iterable[str]) -> str:
    """Whom SSH answers."""
    named = list(networks)
    if set(EVERYBODY) & set(named):
        return "SSH answers everybody who has a key"
    return f"SSH answers the tunnel and {', '.join(named)}" if named else "SSH answers the tunnel alone"
