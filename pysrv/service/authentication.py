"""Who sent a request: an account that proved its password, a trunk by its address, or nobody yet.

Digest (RFC 7616) for accounts, the source address for trunks. Unknown users are challenged and refused exactly like
known ones with a wrong password. A success makes the source *known* to the gate for a while, so that customers do
not share the strangers' bucket.
"""

import logging
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from appliance import wire
from pysrv.service.surroundings import Surroundings
from pysrv.sip.digest import Algorithm, Authenticator, AuthOutcome, NonceKeys
from pysrv.sip.events import Flow
from pysrv.sip.message import Request
from pysrv.store import Store
from pysrv.store.rows import Account, Attempt, Trunk

KNOWN_S = 3600.0  # how long a success makes a source known
KNOWN_REFRESH_S = 900.0
_MAX_KNOWN = 262_144
_log = logging.getLogger("pysrv.auth")

SHA256_SPEAKERS = (
    b"acrobits", b"asterisk", b"baresip v2", b"baresip v3", b"baresip v4", b"freeswitch", b"kamailio", b"linphone",
    b"microsip/3.2", b"opensips", b"pjsua v2.1", b"telephone 1.", b"zoiper v2.1",
)  # fmt: skip
"""User agents that choose among several challenges (RFC 8760). Others get MD5 alone: libre before 2.0 (Debian 12's
baresip), SIPp before 3.7, sipsak and many desk phones give up at the first algorithm that they do not know."""

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is: exactly one of the two is set."""

    account: Account | None = None
    trunk: Trunk | None = None


@dataclass(frozen=True, slots=True)
class Unproven:
    """Nobody yet: the answer to give."""

    status: int
    headers: Headers = ()
    setting: str = ""


class Authentication:
    """Decides whose a request is; keeps the gate's list of known sources fresh."""

    def __init__(self, store: Store, authenticator: Authenticator, world: Surroundings) -> None:
        self._store, self._authenticator, self._world = store, authenticator, world
        self._known: dict[str, float] = {}  # source address -> wall time at which it is forgotten

    def caller(self, request: Request, flow: Flow, *, proxy: bool) -> Caller | Unproven:
        """Trunks by address, everybody else by digest. `proxy` chooses 407 over 401 (RFC 3261 22.1)."""
        trunk = self._store.trunk_by_address(flow.remote[0]) if proxy else None
        # The source of a datagram is easily forged: a trunk that was agreed to come over TCP is believed there alone.
        if trunk is not None and (trunk.transport == "udp" or flow.reliable):
            return Caller(trunk=trunk)
        return self._digest(request, flow, proxy=proxy)

    def use_realm(self, realm: str, keys: NonceKeys) -> None:
        """Challenge for another realm from now on."""
        if realm.encode() != self._authenticator.realm:
            self._authenticator = Authenticator(realm.encode(), keys)

    def known(self) -> list[wire.Source]:
        """Sources that have authenticated lately, for the gate's plan."""
        now = self._world.clock.wall()
        self._known = {address: until for address, until in self._known.items() if until > now}
        listed = self._listed()
        return [
            _known_source(address, until)
            for address, until in self._known.items()
            if not any(ip_address(address) in network for network in listed)
        ]

    def _digest(self, request: Request, flow: Flow, *, proxy: bool) -> Caller | Unproven:
        now, source = self._world.clock.wall(), flow.remote[0]
        verdict = self._authenticator.verify(request, self._ha1, now, source, proxy=proxy)
        user = verdict.user.decode("utf-8", "replace")
        if verdict.outcome is AuthOutcome.OK and (account := self._store.account(user)) is not None:
            self._make_known(source, now)
            return Caller(account=account)
        if verdict.outcome in (AuthOutcome.WRONG_PASSWORD, AuthOutcome.UNKNOWN_USER):
            self._store.record_attempt(Attempt(now, source, verdict.outcome.name.lower(), user[:64], "needauth"))
            _log.info("credentials refused source=%s user=%r outcome=%s", source, user[:64], verdict.outcome.name)
        elif verdict.outcome is AuthOutcome.MALFORMED:
            _log.info("credentials not usable source=%s user=%r: incomplete, or for another URI", source, user[:64])
        stale = verdict.outcome in (AuthOutcome.STALE, AuthOutcome.FORGED_NONCE, AuthOutcome.REPLAYED)
        algorithms = spoken_by(request.headers.get(b"user-agent") or b"")
        challenge = self._authenticator.challenge(now, source, proxy=proxy, stale=stale, algorithms=algorithms)
        return Unproven(407 if proxy else 401, tuple(challenge), "needauth")

    def _ha1(self, user: bytes, algorithm: Algorithm) -> bytes | None:
        held = self._store.credentials(user.decode("utf-8", "replace"))
        if held is None or not held.enabled:
            return None
        return (held.ha1_sha256 if algorithm is Algorithm.SHA256 else held.ha1_md5).encode()

    def _make_known(self, source: str, now: float) -> None:
        if self._known.get(source, 0.0) - now > KNOWN_S - KNOWN_REFRESH_S:
            return
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()  # the gate keeps its own copies until they expire
        self._known[source] = now + KNOWN_S
        # A single address outweighs a network in the gate, and known is less than allowed: the operator's word stands.
        if not any(ip_address(source) in network for network in self._listed()):
            self._world.gate.allow(_known_source(source, now + KNOWN_S))

    def _listed(self) -> list[IPv4Network | IPv6Network]:
        """What the operator has put on the allow list."""
        return [ip_network(row.prefix) for row in self._store.allows()]


def spoken_by(user_agent: bytes) -> tuple[Algorithm, ...]:
    """The algorithms to offer to a user agent, the better first."""
    return tuple(Algorithm) if user_agent.lower().startswith(SHA256_SPEAKERS) else (Algorithm.MD5,)


def _known_source(address: str, until: float) -> wire.Source:
    return wire.Source(address, wire.SourceClass.KNOWN, until, "authenticated")
