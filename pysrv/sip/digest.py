"""Digest access authentication: challenges, their verification, and our own answers to others' challenges.

RFC 7616 (digest), RFC 8760 (SHA-256 in SIP, several challenges in one response), RFC 3261 section 22. Knows neither
accounts nor clocks: HA1 values come from a look-up, `now` is Unix time in seconds. `qop=auth` is always offered and
therefore always demanded: an answer without a nonce count (RFC 2069) could be caught and sent again, and whoever
accepts it lets an attacker choose the weaker form.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from hashlib import md5, sha256
from hmac import compare_digest
from typing import Final

from pysrv.sip.errors import BadMessage
from pysrv.sip.grammar import quote
from pysrv.sip.message import Request
from pysrv.sip.nonces import Count, NonceCounts, NonceKeys
from pysrv.sip.uri import Uri

__all__ = [
    "NONCE_TTL_S",
    "Algorithm",
    "AuthOutcome",
    "Authenticator",
    "Lookup",
    "NonceKeys",
    "Verdict",
    "answer_challenge",
    "credentials",
    "ha1",
    "response_of",
]

NONCE_TTL_S: Final = 300.0
_PARAMETER: Final = rb'[ \t]*+([A-Za-z0-9_*-]++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]++|\\.)*)"|([^",\s]++))[ \t]*+(?:,|\Z)'
_parameters: Final = re.compile(_PARAMETER, re.DOTALL).findall
_are_parameters: Final = re.compile(rb"(?:" + _PARAMETER + rb")*[ \t,]*+", re.DOTALL).fullmatch
_pair: Final = re.compile(rb"\\(.)", re.DOTALL).sub
_scheme: Final = re.compile(rb"[ \t]*+[Dd][Ii][Gg][Ee][Ss][Tt][ \t]++").match
_is_count: Final = re.compile(rb"[0-9A-Fa-f]{8}").fullmatch


class Algorithm(StrEnum):
    """The hash functions that are offered, the better first."""

    SHA256 = "SHA-256"
    MD5 = "MD5"

    def hexdigest(self, text: bytes) -> bytes:
        """The hash in lower-case hex."""
        if self is Algorithm.SHA256:
            return sha256(text).hexdigest().encode()
        return md5(text, usedforsecurity=False).hexdigest().encode()

    @property
    def digits(self) -> int:
        """How many hex digits the hash has."""
        return 64 if self is Algorithm.SHA256 else 32


_ALGORITHMS: Final = {algorithm.encode(): algorithm for algorithm in Algorithm}


class AuthOutcome(Enum):
    """What a request's credentials are worth."""

    OK = auto()
    NO_CREDENTIALS = auto()
    STALE = auto()  # right password, nonce too old or forgotten: challenge with stale=true
    FORGED_NONCE = auto()  # not made by us for that address: expired key, other address, or invented
    UNKNOWN_USER = auto()
    WRONG_PASSWORD = auto()
    REPLAYED = auto()  # right password, nonce count seen before
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
    """The response value for qop=auth (RFC 7616 section 3.4.1); `secret` is HA1 in hex, `nc` has 8 hex digits."""
    ha2 = algorithm.hexdigest(b"%b:%b" % (method, uri))
    return algorithm.hexdigest(b"%b:%b:%b:%b:auth:%b" % (secret, nonce, nc, cnonce, ha2))


def credentials(value: bytes) -> dict[bytes, bytes]:
    """The parameters of `Digest name=value, name="value"`: names in lower case, quotes and their escapes resolved.

    Whether a value is quoted does not matter: many peers quote what should not be, and the other way round.
    Raises BadMessage(400) for anything else, and for a parameter that is there twice.
    """
    start = _scheme(value)
    if start is None:
        raise BadMessage(400, "not Digest credentials")
    text = value[start.end() :]
    if not _are_parameters(text):
        raise BadMessage(400, "malformed Digest parameters")
    found: dict[bytes, bytes] = {}
    for name, quoted, bare in _parameters(text):
        name = name.lower()
        if name in found:
            raise BadMessage(400, "a Digest parameter is there twice")
        found[name] = bare or (_pair(rb"\1", quoted) if b"\\" in quoted else quoted)
    return found


class Authenticator:
    """Challenges and verifies for one realm."""

    def __init__(
        self, realm: bytes, keys: NonceKeys, nonce_ttl_s: float = NONCE_TTL_S, counts: NonceCounts | None = None
    ) -> None:
        """`nonce_ttl_s`: how long a nonce may be answered before it is stale, in seconds."""
        self.realm, self._keys, self._ttl_s = realm, keys, nonce_ttl_s
        self._counts = NonceCounts(nonce_ttl_s) if counts is None else counts
        # compared against for unknown users, so that they take the time of known ones
        self._nobody = {algorithm: algorithm.hexdigest(b"nobody:" + realm) for algorithm in Algorithm}

    def challenge(
        self,
        now: float,
        source: str,
        *,
        proxy: bool,
        stale: bool = False,
        algorithms: Sequence[Algorithm] = tuple(Algorithm),
    ) -> list[tuple[bytes, bytes]]:
        """The header lines of a 401 (`proxy`: 407) to `source`, the better algorithm first (RFC 8760 2.4)."""
        name = b"proxy-authenticate" if proxy else b"www-authenticate"
        realm, nonce, flag = quote(self.realm), self._keys.make(now, source), b", stale=true" if stale else b""
        form = b'Digest realm=%b, nonce="%b", algorithm=%b, qop="auth"%b'
        return [(name, form % (realm, nonce, algorithm.encode(), flag)) for algorithm in algorithms]

    def verify(self, request: Request, lookup: Lookup, now: float, source: str, *, proxy: bool) -> Verdict:
        """What the credentials for our realm are worth. Never raises.

        `lookup(user, algorithm)` gives HA1 in hex; None, or anything that is no such hash, means that there is no
        such user. It is asked only after the nonce has proved to be ours.
        """
        try:
            given = self._ours(request, b"proxy-authorization" if proxy else b"authorization")
        except BadMessage:
            return Verdict(AuthOutcome.MALFORMED)
        if given is None:
            return Verdict(AuthOutcome.NO_CREDENTIALS)
        return Verdict(self._outcome(given, request, lookup, now, source), given.get(b"username", b""))

    def _ours(self, request: Request, name: bytes) -> dict[bytes, bytes] | None:
        """The credentials for our realm, if the request brings some (22.3: others may be for other realms)."""
        for value in request.headers.get_all(name):
            found = credentials(value)
            if found.get(b"realm") == self.realm:
                return found
        return None

    def _outcome(
        self, given: dict[bytes, bytes], request: Request, lookup: Lookup, now: float, source: str
    ) -> AuthOutcome:
        algorithm, nonce = _algorithm(given), given.get(b"nonce", b"")
        if algorithm is None or not _is_complete(given) or not _is_for(given[b"uri"], request):
            return AuthOutcome.MALFORMED
        made = self._keys.made_at(nonce, now, source)
        if made is None:
            return AuthOutcome.FORGED_NONCE
        known = lookup(given[b"username"], algorithm)
        is_user = known is not None and len(known) == algorithm.digits
        secret = known if known is not None and is_user else self._nobody[algorithm]
        due = response_of(secret, request.method, given[b"uri"], nonce, given[b"nc"], given[b"cnonce"], algorithm)
        is_right = compare_digest(due, given[b"response"].lower())
        if not is_user:
            return AuthOutcome.UNKNOWN_USER
        if not is_right:
            return AuthOutcome.WRONG_PASSWORD
        return self._freshness(nonce, int(given[b"nc"], 16), made, now)

    def _freshness(self, nonce: bytes, count: int, made: float, now: float) -> AuthOutcome:
        if now - made > self._ttl_s:
            return AuthOutcome.STALE
        match self._counts.take(nonce, count, made, now):
            case Count.FRESH:
                return AuthOutcome.OK
            case Count.REPEATED:
                return AuthOutcome.REPLAYED
            case Count.FORGOTTEN:
                return AuthOutcome.STALE


def answer_challenge(
    challenge: bytes, method: bytes, uri: bytes, user: bytes, password: bytes, cnonce: bytes, nc: int = 1
) -> bytes:
    """The credentials that answer one challenge. Raises BadMessage(400) for one that we cannot answer."""
    asked = credentials(challenge)
    algorithm = _algorithm(asked)
    if algorithm is None:
        raise BadMessage(400, "unknown Digest algorithm")
    if not 0 < nc <= 0xFFFFFFFF:
        raise ValueError(f"no nonce count: {nc}")
    realm, nonce = asked.get(b"realm", b""), asked.get(b"nonce", b"")
    secret = ha1(user, realm, password, algorithm)
    values = quote(user), quote(realm), quote(nonce), quote(uri)
    text = b"Digest username=%b, realm=%b, nonce=%b, uri=%b" % values
    if b"algorithm" in asked:
        text += b", algorithm=" + algorithm.encode()
    if b"opaque" in asked:
        text += b", opaque=" + quote(asked[b"opaque"])
    if b"qop" not in asked:  # RFC 2069: old carriers still ask so, and it is their account to protect
        ha2 = algorithm.hexdigest(b"%b:%b" % (method, uri))
        return text + b', response="%b"' % algorithm.hexdigest(b"%b:%b:%b" % (secret, nonce, ha2))
    if b"auth" not in [offer.strip().lower() for offer in asked[b"qop"].split(b",")]:
        raise BadMessage(400, "only qop=auth can be answered")
    count = b"%08x" % nc
    response = response_of(secret, method, uri, nonce, count, cnonce, algorithm)
    return text + b', qop=auth, nc=%b, cnonce=%b, response="%b"' % (count, quote(cnonce), response)


def _algorithm(given: dict[bytes, bytes]) -> Algorithm | None:
    return _ALGORITHMS.get(given.get(b"algorithm", b"MD5").upper())


def _is_complete(given: dict[bytes, bytes]) -> bool:
    if given.get(b"qop", b"").lower() != b"auth" or not _is_count(given.get(b"nc", b"")):
        return False
    return bool(given.get(b"username") and given.get(b"uri") and given.get(b"cnonce") and given.get(b"response"))


def _is_for(claimed: bytes, request: Request) -> bool:
    """Whether the credentials were made for this Request-URI (22.4 point 5).

    User and host must agree; port and parameters may have been changed on the way, and many phones leave them out.
    """
    try:
        named, uri = Uri.parse(claimed), request.uri
    except BadMessage:
        return False
    return named == uri or named.aor() == uri.aor()
