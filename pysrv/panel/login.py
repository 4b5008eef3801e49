"""Who may see the panel: HTTP Basic (RFC 7617) over TLS, with a back-off for each address that guesses.

Pure but for the password check, which is handed in: `now` is an argument (monotonic seconds), the caller runs the
slow part elsewhere. A password that was right is remembered for a while as a keyed hash, so that a page that
refreshes itself does not cost an argon2 every time.
"""

import base64
import binascii
import hashlib
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

FREE_GUESSES = 5
LONGEST_WAIT_S = 300.0
FORGET_AFTER_S = 3600.0
MAX_ADDRESSES = 4096
REMEMBER_S = 300.0
MAX_REMEMBERED = 64
MAX_CREDENTIALS_BYTES = 512


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password, as they were sent."""

    name: str
    password: str


def parse_basic(header: str | None) -> Credentials | None:
    """The credentials of an Authorization header; None for anything that is not well-formed Basic in UTF-8."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic" or len(encoded) > MAX_CREDENTIALS_BYTES:
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return Credentials(name, password) if colon else None


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


class Remembered:
    """Credentials that were right a short while ago, as keyed hashes. `key` is random and dies with the process."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._since: OrderedDict[bytes, float] = OrderedDict()

    def _mark(self, credentials: Credentials) -> bytes:
        told = f"{len(credentials.name)}:{credentials.name}:{credentials.password}".encode()
        return hashlib.blake2b(told, key=self._key, digest_size=32).digest()

    def holds(self, credentials: Credentials, now: float) -> bool:
        """Whether these were right less than REMEMBER_S ago."""
        return self._until.get(self._mark(credentials), 0.0) > now

    def add(self, credentials: Credentials, now: float) -> None:
        """These are right."""
        mark = self._mark(credentials)
        self._until[mark] = now + REMEMBER_S
        self._since.setdefault(mark, now)
        for kept in (self._until, self._since):
            if len(kept) > MAX_REMEMBERED:
                kept.popitem(last=False)

    def ended(self, credentials: Credentials, now: float, longest_s: float) -> bool:
        """Whether a login with these has lasted too long: true once, so that a browser asks for the password again."""
        mark = self._mark(credentials)
        if now - self._since.get(mark, now) < longest_s:
            return False
        self._since.pop(mark, None)
        self._until.pop(mark, None)
        return True
