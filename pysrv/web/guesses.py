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
ROW_EVERY_S = 600.0
ROWS_AN_HOUR = 60
HOUR_S = 3600.0


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

    def count(self, address: str, now: float) -> int:
        """How many guesses are held against `address`."""
        guesses = self._guesses.get(network(address))
        return 0 if guesses is None or now - guesses.last_at > FORGET_AFTER_S else guesses.count

    def refund(self, address: str, count: int = 1) -> None:
        """So many of its guesses are not held against it any more."""
        key = network(address)
        guesses = self._guesses.get(key)
        if guesses is not None and guesses.count <= count:
            del self._guesses[key]
        elif guesses is not None:
            guesses.count -= count

    def forgive(self, address: str) -> None:
        """The guess was right."""
        self._guesses.pop(network(address), None)


class Thrift:
    """Which refused logins are worth a row of the trail: one for each address in ten minutes, so many an hour in all.

    Whoever floods the way in fills neither the trail nor the disk, and still stands in it.
    """

    def __init__(self) -> None:
        self._told: OrderedDict[str, _Guesses] = OrderedDict()
        self._hour, self._rows = 0, 0

    def told(self, address: str, now: float) -> int:
        """Counts a refused login; how many a row should tell of now, 0: no row."""
        hour, key = int(now // HOUR_S), network(address)
        if hour != self._hour:
            self._hour, self._rows = hour, 0
        known = self._told.pop(key, None) or _Guesses(0, now - ROW_EVERY_S)
        known.count += 1
        self._told[key] = known
        if len(self._told) > MAX_ADDRESSES:
            self._told.popitem(last=False)
        if now - known.last_at < ROW_EVERY_S or self._rows >= ROWS_AN_HOUR:
            return 0
        count, known.count, known.last_at = known.count, 0, now
        self._rows += 1
        return count
