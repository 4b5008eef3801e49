"""Digest access authentication: challenges, nonces of which no list is kept, verification, and our own answers.

RFC 7616 (digest), RFC 8760 (SHA-256 in SIP, several challenges in one answer), RFC 3261 section 22. `qop=auth` is
always offered and always demanded: without a nonce count a caught answer could be sent again. Knows neither accounts
nor clocks: HA1 values come from a look-up, `now` is Unix time in seconds.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from hmac import compare_digest
from typing import Final

from pysrv.sip.errors import BadMessage
from pysrv.sip.grammar import quote, unquote
from pysrv.sip.message import Request
from pysrv.sip.uri import Uri

NONCE_TIME_BYTES: Final = 8
NONCE_MAC_BYTES: Final = 12
MAX_COUNTED_NONCES: Final = 200_000
MAX_NONCE_COUNT: Final = 0xFFFFFFFF
_parameter: Final = re.compile(
    rb'[ \t]*+([A-Za-z0-9_-]++)[ \t]*+=[ \t]*+("(?:[^"\\]++|\\.)*+"|[^",\s]++)[ \t]*+(?:,|\Z)'
).match
_hex: Final = re.compile(rb"[0-9A-Fa-f]++").fullmatch


class Algorithm(StrEnum):
    """The hash functions that are offered, the better first."""

    SHA256 = "SHA-256"
    MD5 = "MD5"

    def hexdigest(self, text: bytes) -> bytes:
        """The hash in lower-case hex."""
        if self is Algorithm.SHA256:
            return hashlib.sha256(text).hexdigest().encode()
        return hashlib.md5(text, usedforsecurity=False).hexdigest().encode()


class AuthOutcome(Enum):
    """What a request's credentials are worth."""

    OK = auto()
    NO_CREDENTIALS = auto()
    STALE = auto()
    FORGED_NONCE = auto()
    UNKNOWN_USER = auto()
    WRONG_PASSWORD = auto()
    REPLAYED = auto()
    MALFORMED = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, and the user that was named (empty when none was)."""

    outcome: AuthOutcome
    user: bytes = b""


Lookup = Callable[[bytes, Algorithm], bytes | None]


def ha1(user: bytes, realm: bytes, password: bytes, algorithm: Algorithm) -> bytes:
    """H(user:realm:password) in hex (RFC 7616 section 3.4.2): what is stored instead of a password."""
    return algorithm.hexdigest(b"%b:%b:%b" % (user, realm, password))


def response_of(
    secret: bytes, method: bytes, uri: bytes, nonce: bytes, nc: bytes, cnonce: bytes, algorithm: Algorithm
) -> bytes:
    """The response value for qop=auth (RFC 7616 section 3.4.1); `secret` is HA1 in hex."""
    ha2 = algorithm.hexdigest(b"%b:%b" % (method, uri))
    return algorithm.hexdigest(b"%b:%b:%b:%b:auth:%b" % (secret, nonce, nc, cnonce, ha2))


def parameters(value: bytes) -> dict[bytes, bytes]:
    """The parameters of `Digest a=b, c="d"`, quotes removed. Raises BadMessage(400)."""
    scheme, _, rest = value.strip().partition(b" ")
    if scheme.lower() != b"digest":
        raise BadMessage(400, "not Digest credentials")
    found: dict[bytes, bytes] = {}
    position, rest = 0, rest.strip()
    while position < len(rest):
        match = _parameter(rest, position)
        if match is None:
            raise BadMessage(400, "malformed Digest parameters")
        name = match[1].lower()
        if name in found:
            raise BadMessage(400, f"{name.decode()} twice in Digest parameters")
        found[name] = unquote(match[2])
        position = match.end()
    return found


class NonceKeys:
    """Makes and recognises nonces: time, then a MAC over time and source address, under the current or the last key.

    The keys follow from one secret and the time, so that a restart knows the nonces from before it.
    """

    def __init__(self, secret: bytes, rotate_s: float = 86_400.0) -> None:
        """`secret`: 16 bytes or more; `rotate_s`: how long a key is used."""
        if len(secret) < 16:
            raise ValueError("a nonce secret has 16 bytes or more")
        self._secret, self._rotate_s = secret, rotate_s
        self._keys: dict[int, bytes] = {}

    def make(self, now: float, source: str) -> bytes:
        """A nonce for one source."""
        stamp = b"%016x" % int(now * 1000)
        return stamp + self._mac(stamp, source, int(now // self._rotate_s))

    def age(self, nonce: bytes, now: float, source: str) -> float | None:
        """Seconds since we gave this nonce to this source; None: we did not."""
        stamp = nonce[: 2 * NONCE_TIME_BYTES]
        if len(nonce) != 2 * (NONCE_TIME_BYTES + NONCE_MAC_BYTES) or not _hex(nonce):
            return None
        made = int(stamp, 16) / 1000
        epoch, current = int(made // self._rotate_s), int(now // self._rotate_s)
        if epoch not in (current, current - 1) or not compare_digest(
            nonce[len(stamp) :], self._mac(stamp, source, epoch)
        ):
            return None
        return max(0.0, now - made)

    def _mac(self, stamp: bytes, source: str, epoch: int) -> bytes:
        mac = hashlib.blake2b(stamp + source.encode(), key=self._key(epoch), digest_size=NONCE_MAC_BYTES)
        return mac.hexdigest().encode()

    def _key(self, epoch: int) -> bytes:
        key = self._keys.get(epoch)
        if key is None:
            if len(self._keys) > 4:
                self._keys.clear()
            key = hashlib.blake2b(b"%d" % epoch, key=self._secret[:64], digest_size=32).digest()
            self._keys[epoch] = key
        return key


class NonceCounts:
    """The highest nonce count seen for each nonce in use: an answer that was caught cannot be sent again.

    Bounded: the older half is forgotten when it is full, and whose nonce was forgotten is asked again (`stale`).
    """

    def __init__(self, most: int = MAX_COUNTED_NONCES) -> None:
        self._most = most
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}
        self.forgotten_before = b""

    def take(self, nonce: bytes, count: int) -> bool:
        """Whether `count` is new for `nonce`; it is remembered if so."""
        seen = self._young.get(nonce) or self._old.get(nonce)
        if seen is None and nonce[: 2 * NONCE_TIME_BYTES] <= self.forgotten_before:
            return False
        if seen is not None and count <= seen:
            return False
        self._young[nonce] = count
        if len(self._young) * 2 > self._most:
            if self._old:
                self.forgotten_before = max(self.forgotten_before, max(self._old)[: 2 * NONCE_TIME_BYTES])
            self._old, self._young = self._young, {}
        return True


class Authenticator:
    """Challenges and verifies for one realm."""

    def __init__(self, realm: bytes, keys: NonceKeys, nonce_ttl_s: float = 300.0) -> None:
        """`nonce_ttl_s`: how long a nonce may be answered before it is `stale`."""
        self.realm, self._keys, self._ttl_s = realm, keys, nonce_ttl_s
        self._counts = NonceCounts()
        # Compared against for unknown users, so that they cost the time of known ones.
        self._nobody = {algorithm: algorithm.hexdigest(b"nobody:" + realm) for algorithm in Algorithm}

    def challenge(self, now: float, source: str, *, proxy: bool, stale: bool = False) -> list[tuple[bytes, bytes]]:
        """The header lines of a 401 (`proxy`: 407), the better algorithm first (RFC 8760 section 2.4)."""
        name = b"proxy-authenticate" if proxy else b"www-authenticate"
        nonce = self._keys.make(now, source)
        flag = b", stale=true" if stale else b""
        return [
            (
                name,
                b'Digest realm=%b, nonce="%b", algorithm=%b, qop="auth"%b'
                % (quote(self.realm), nonce, algorithm.encode(), flag),
            )
            for algorithm in Algorithm
        ]

    def verify(self, request: Request, lookup: Lookup, now: float, source: str, *, proxy: bool) -> Verdict:
        """What the credentials for our realm are worth. `lookup(user, algorithm)` gives HA1 in hex, or None."""
        try:
            given = self._given(request, b"proxy-authorization" if proxy else b"authorization")
        except BadMessage:
            return Verdict(AuthOutcome.MALFORMED)
        if given is None:
            return Verdict(AuthOutcome.NO_CREDENTIALS)
        user = given.get(b"username", b"")
        return Verdict(self._outcome(given, request, lookup, now, source), user)

    def _given(self, request: Request, name: bytes) -> dict[bytes, bytes] | None:
        """The credentials for our realm, if the request brings some."""
        for value in request.headers.get_all(name):
            found = parameters(value)
            if found.get(b"realm") == self.realm:
                return found
        return None

    def _outcome(
        self, given: dict[bytes, bytes], request: Request, lookup: Lookup, now: float, source: str
    ) -> AuthOutcome:
        algorithm = _algorithm(given)
        count = given.get(b"nc", b"")
        if algorithm is None or given.get(b"qop", b"").lower() != b"auth" or len(count) != 8 or not _hex(count):
            return AuthOutcome.MALFORMED
        if not given.get(b"cnonce") or not _same_target(given.get(b"uri", b""), request.uri):
            return AuthOutcome.MALFORMED
        nonce = given.get(b"nonce", b"")
        age = self._keys.age(nonce, now, source)
        if age is None:
            return AuthOutcome.FORGED_NONCE
        known = lookup(given.get(b"username", b""), algorithm)
        secret = known if known is not None else self._nobody[algorithm]
        due = response_of(secret, request.method, given[b"uri"], nonce, count, given[b"cnonce"], algorithm)
        right = compare_digest(due, given.get(b"response", b"").lower())
        if known is None:
            return AuthOutcome.UNKNOWN_USER
        if not right:
            return AuthOutcome.WRONG_PASSWORD
        if age > self._ttl_s:
            return AuthOutcome.STALE
        return AuthOutcome.OK if self._counts.take(nonce, int(count, 16)) else AuthOutcome.REPLAYED


def answer_challenge(
    challenge: bytes, method: bytes, uri: bytes, user: bytes, password: bytes, cnonce: bytes, nc: int = 1
) -> bytes:
    """The credentials that answer one challenge. Raises BadMessage(400) for one that we cannot answer."""
    asked = parameters(challenge)
    algorithm = _algorithm(asked)
    if algorithm is None:
        raise BadMessage(400, "unknown Digest algorithm")
    realm, nonce = asked.get(b"realm", b""), asked.get(b"nonce", b"")
    secret = ha1(user, realm, password, algorithm)
    text = b"Digest username=%b, realm=%b, nonce=%b, uri=%b, algorithm=%b" % (
        quote(user), quote(realm), quote(nonce), quote(uri), algorithm.encode(),
    )  # fmt: skip
    if b"opaque" in asked:
        text += b", opaque=" + quote(asked[b"opaque"])
    if b"qop" not in asked:  # RFC 2069: old carriers still ask so
        ha2 = algorithm.hexdigest(b"%b:%b" % (method, uri))
        return text + b', response="%b"' % algorithm.hexdigest(b"%b:%b:%b" % (secret, nonce, ha2))
    if b"auth" not in [item.strip().lower() for item in asked[b"qop"].split(b",")]:
        raise BadMessage(400, "only qop=auth can be answered")
    count = b"%08x" % nc
    response = response_of(secret, method, uri, nonce, count, cnonce, algorithm)
    return text + b', qop=auth, nc=%b, cnonce=%b, response="%b"' % (count, quote(cnonce), response)


def _algorithm(given: dict[bytes, bytes]) -> Algorithm | None:
    name = given.get(b"algorithm", b"MD5").upper()
    return next((algorithm for algorithm in Algorithm if algorithm.encode() == name), None)


def _same_target(claimed: bytes, uri: Uri) -> bool:
    """Whether the credentials were made for this Request-URI; proxies on the way may have changed its parameters."""
    try:
        named = Uri.parse(claimed)
    except BadMessage:
        return False
    return (named.scheme, named.user, named.host.lower()) == (uri.scheme, uri.user, uri.host.lower())
