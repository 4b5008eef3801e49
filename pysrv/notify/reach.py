"""Where a webhook and an SMS gateway may lie: at public addresses, or with `notifyprivate` also inside.

Who may set a URL could otherwise have the appliance ask services that only it can reach. So addresses are judged, not
names, and those that are judged are those that are connected to: a name cannot mean something else in between.
Link-local addresses (a cloud's metadata, 169.254.169.254) are never reached.
"""

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from pysrv.notify.message import SendFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
INSIDE: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "::1", "fc00::/7")
)
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def meant(address: Address) -> Address:
    """The IPv4 address that one of IPv6 leads to (mapped, NAT64, 6to4); any other is itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_inside(address: str) -> bool:
    """Whether an address is this machine's own, or of a private network."""
    found = meant(ipaddress.ip_address(address.partition("%")[0]))
    return any(found.version == network.version and found in network for network in INSIDE)


def may_reach(address: str, *, private: bool) -> bool:
    """Whether something may be asked at an address."""
    found = meant(ipaddress.ip_address(address.partition("%")[0]))
    return (found.is_global and not found.is_multicast) or (private and is_inside(address))


def check(url: str, *, private: bool) -> None:
    """Refuses an address that is written out, and plain http to anything but one inside. Raises SendFailed."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    written = _is_address(host)
    if written and not may_reach(host, private=private):
        raise _refused()
    if parts.scheme != "https" and not (private and written and is_inside(host)):
        raise SendFailed("http:// is for addresses inside, written out, and with notifyprivate alone", final=True)


class Lookup(AbstractResolver):
    """Looks names up, and leaves out what may not be reached."""

    def __init__(self, inner: AbstractResolver, *, private: bool) -> None:
        self._inner, self._private = inner, private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name that may be reached. Raises SendFailed when it has others alone, OSError for none."""
        found = await self._inner.resolve(host, port, family)
        kept = [row for row in found if may_reach(row["host"], private=self._private)]
        if found and not kept:
            raise _refused()
        return kept

    async def close(self) -> None:
        """Nothing more is looked up."""
        await self._inner.close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refused() -> SendFailed:
    words = "the host lies inside, at an address that is not public: notifyprivate allows private ones"
    return SendFailed(words, final=True)
