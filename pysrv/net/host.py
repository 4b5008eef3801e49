"""The machine's own addresses and its default gateways, as proc(5) tells them: nobody may cut those off.

Reads /proc/net of the namespace that the process is in. What cannot be read is left out.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path

_PROC = Path("/proc/net")
_OWN, _GATEWAY = "an address of this machine", "the default gateway"


def protected_of_host(proc: Path = _PROC) -> Mapping[str, str]:
    """Address to what it is."""
    found = dict.fromkeys(_addresses4(_lines(proc / "fib_trie")), _OWN)
    found |= dict.fromkeys(_addresses6(_lines(proc / "if_inet6")), _OWN)
    found |= dict.fromkeys(_gateways4(_lines(proc / "route")), _GATEWAY)
    return found | dict.fromkeys(_gateways6(_lines(proc / "ipv6_route")), _GATEWAY)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []


def _addresses4(lines: list[str]) -> Iterator[str]:
    """Host routes of the local table: an address, and under it `/32 host LOCAL`."""
    address = ""
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "|--":
            address = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"] and address:
            yield address


def _addresses6(lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0])))


def _gateways4(lines: list[str]) -> Iterator[str]:
    """Destination and mask 0: the gateway stands in hexadecimal, in the machine's order."""
    for line in lines[1:]:
        words = line.split()
        if len(words) > 7 and words[1] == words[7] == "00000000" and words[2] != "00000000":
            yield str(ipaddress.IPv4Address(int(words[2], 16).to_bytes(4, "little")))


def _gateways6(lines: list[str]) -> Iterator[str]:
    for line in lines:
        words = line.split()
        if len(words) > 4 and words[0] == "0" * 32 and words[1] == "00" and words[4] != "0" * 32:
            yield str(ipaddress.IPv6Address(bytes.fromhex(words[4])))
