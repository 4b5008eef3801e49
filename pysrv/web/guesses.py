"""How long somebody who guesses passwords has to wait: nothing at first, then twice as long each time.

Pure: `now` is an argument (monotonic seconds).
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

FREE_GUESSES = 5
LONGEST_WAIT_S = 300.0
FORGET_AFTER_S = 3600.0
MAX_ADDRESSES = 4096


def network(address: str) -> str:
    """Whom a guess is charged to: the IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


@dataclass(slots=True)
class _Guesses:
    count: int
    last_at: float


class BackOff:
    """How long an address must wait before its next guess is looked at: nothing at first, then doubling."""

    def __init__(self) -> None:
        self._guesses: OrderedDict[str, _Guesses] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until `address` may guess again; 0: now."""
        guesses = self._guesses.get(network(address))
        if guesses is None or guesses.count < FREE_GUESSES or now - guesses.last_at > FORGET_AFTER_S:
            return 0.0
        # The exponent is bounded because 2.0 ** 1024 raises.
        penalty = min(LONGEST_WAIT_S, 2.0 ** min(guesses.count - FREE_GUESSES, 16))
        return max(0.0, guesses.last_at + penalty - now)

    def charge(self, address: str, now: float) -> None:
        """Count a guess before it is looked at, so that many at once gain nothing."""
        key = network(address)
        guesses = self._guesses.pop(key, None)
        if guesses is None or now - guesses.last_at > FORGET_AFTER_S:
            guesses = _Guesses(0, now)
        self._guesses[key] = _Guesses(guesses.count + 1, now)
        if len(self._guesses) > MAX_ADDRESSES:
            self._guesses.popitem(last=False)

    def forgive(self, address: str) -> None:
        """The guess was right."""
        self._guesses.pop(network(address), None)
