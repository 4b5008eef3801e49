"""Who sent a request: an account that showed what its needauth demands, a trunk by its address, or nobody yet.

Digest (RFC 7616) for accounts with a password, the source address for trunks; what needs no password is Entry's.
Unknown users are challenged and refused exactly like known ones with a wrong password or from a wrong address. A
password makes the device *known* to the gate for a while, by address and port, so that customers do not share the
strangers' bucket; over TCP, where each connection has a new port, the whole address, and over UDP too where
`treatusersasknownip` says so. What fails is told to the defence.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from appliance import wire
from appliance.config.settings import Settings
from pysrv.limits.facts import Auth
from pysrv.service.defence import Defence
from pysrv.service.entry import Caller, Entry
from pysrv.service.journal import visible
from pysrv.service.newcomers import Newcomers
from pysrv.service.pairs import KnownPairs
from pysrv.service.surroundings import Surroundings
from pysrv.service.trusted import TrustedAddresses
from pysrv.sip.digest import Algorithm, Authenticator, AuthOutcome, Lookup, NonceKeys
from pysrv.sip.events import Flow
from pysrv.sip.message import Request
from pysrv.store import Store
from pysrv.store.account import Account, AccountType
from pysrv.store.rows import Attempt, Trunk

KNOWN_S = 3600.0  # how long a success makes a source known
KNOWN_REFRESH_S = 900.0
CROWDED_RETRY_S = 20  # what a stranger is told to wait while too many challenges stand unanswered
_MAX_KNOWN = 262_144
LONGEST_PROGRAM = 64  # bytes of a User-Agent that are kept with what it tried
_COUNTED_ALREADY = (AuthOutcome.STALE, AuthOutcome.WRONG_PASSWORD, AuthOutcome.UNKNOWN_USER)
_log = logging.getLogger("pysrv.auth")

SHA256_SPEAKERS = (
    b"acrobits", b"asterisk", b"baresip v2", b"baresip v3", b"baresip v4", b"freeswitch", b"kamailio", b"linphone",
    b"microsip/3.2", b"opensips", b"pjsua v2.1", b"telephone 1.", b"zoiper v2.1",
)  # fmt: skip
"""User agents that choose among several challenges (RFC 8760). Others get MD5 alone: libre before 2.0 (Debian 12's
baresip), SIPp before 3.7, sipsak and many desk phones give up at the first algorithm that they do not know."""

ADDRESS_AND_PASSWORD = (8, 10)  # of needauth
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Unproven:
    """Nobody yet: the answer to give, what the credentials were worth, and whom they named (empty: nobody)."""

    status: int
    headers: Headers = ()
    setting: str = ""
    outcome: AuthOutcome = AuthOutcome.NO_CREDENTIALS
    user: str = ""


@dataclass(frozen=True, slots=True)
class Guard:
    """Who is told of successes and failures; `settings` is the snapshot in force."""

    defence: Defence
    pairs: KnownPairs
    trusted: TrustedAddresses
    settings: Callable[[], Settings]


class Authentication:
    """Decides whose a request is; keeps the gate's list of known sources fresh."""

    def __init__(self, store: Store, authenticator: Authenticator, world: Surroundings, guard: Guard) -> None:
        self._store, self._authenticator, self._world = store, authenticator, world
        self._guard = guard
        self._entry = Entry(store, world, guard.trusted, guard.settings)
        self._newcomers = Newcomers(store, world, guard.trusted, guard.settings)
        self._known: dict[str, float] = {}  # source address -> wall time at which it is forgotten

    def caller(self, request: Request, flow: Flow, *, proxy: bool) -> Caller | Unproven:
        """Trunks by address, everybody else by needauth. `proxy` chooses 407 over 401 (RFC 3261 22.1)."""
        trunk = self._store.trunk_by_address(flow.remote[0]) if proxy else None
        if trunk is not None and _as_agreed(trunk, flow):
            return Caller(trunk=trunk, how=Auth.TRUNK)
        return self._account(request, flow, proxy=proxy)

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

    def _account(self, request: Request, flow: Flow, *, proxy: bool) -> Caller | Unproven:
        now, source = self._world.clock.wall(), flow.remote[0]
        verdict = self._authenticator.verify(request, self._ha1, now, source, proxy=proxy)
        user = verdict.user.decode("utf-8", "replace")
        if verdict.outcome is AuthOutcome.WRONG_PASSWORD and (former := self._former(user, flow)) is not None:
            verdict = self._authenticator.verify(request, former, now, source, proxy=proxy)
        outcome = verdict.outcome
        account = self._store.account(user) if outcome is AuthOutcome.OK else None
        if account is not None and self._entry.admits(account, flow):
            self._proven(request, flow, now, proxy=proxy)
            return Caller(account, lacks_prefix=proxy and self._entry.lacks_prefix(account, request))
        if outcome is AuthOutcome.OK:
            outcome = AuthOutcome.WRONG_PASSWORD  # the right one from the wrong address: nobody learns that it is right
        return self._without_password(request, flow, outcome, user) or self._unproven(
            request, flow, outcome, user, proxy=proxy
        )

    def _without_password(self, request: Request, flow: Flow, outcome: AuthOutcome, user: str) -> Caller | None:
        """Who needs none. Credentials that were refused spoil it, but for the account that they name: a device answers
        the gate's challenge with whatever password it has."""
        taken = self._entry.unproven(request, flow)
        if taken is None and (made := self._newcomers.account(request, flow)) is not None:
            return Caller(made, proven=False, how=Auth.ADDRESS)
        refused = outcome in (AuthOutcome.WRONG_PASSWORD, AuthOutcome.UNKNOWN_USER)
        if taken is None or (refused and (taken.account is None or taken.account.name != user)):
            return None
        return taken

    def _unproven(self, request: Request, flow: Flow, outcome: AuthOutcome, user: str, *, proxy: bool) -> Unproven:
        """The challenge, the same for everybody."""
        now, source = self._world.clock.wall(), flow.remote[0]
        self._failed(request, flow, outcome, user, now)
        if outcome not in _COUNTED_ALREADY and self._guard.defence.is_crowded(flow):
            headers = ((b"retry-after", b"%d" % CROWDED_RETRY_S),)
            return Unproven(503, headers, "fastauthsubswrongusermsg", outcome, user)
        stale = outcome in (AuthOutcome.STALE, AuthOutcome.FORGED_NONCE, AuthOutcome.REPLAYED)
        algorithms = spoken_by(request.headers.get(b"user-agent") or b"")
        challenge = self._authenticator.challenge(now, source, proxy=proxy, stale=stale, algorithms=algorithms)
        return Unproven(407 if proxy else 401, tuple(challenge), "needauth", outcome, user)

    def _proven(self, request: Request, flow: Flow, now: float, *, proxy: bool) -> None:
        self._guard.defence.answered(request, flow)
        self._guard.trusted.authenticated(flow.remote[0])
        if proxy:  # a registration makes its device known by itself, for as long as it holds
            self._guard.pairs.proven(flow)
        if flow.reliable or self._guard.settings().treatusersasknownip:
            self._make_known(flow.remote[0], now)

    def _failed(self, request: Request, flow: Flow, outcome: AuthOutcome, user: str, now: float) -> None:
        source, defence = flow.remote[0], self._guard.defence
        match outcome:
            case AuthOutcome.WRONG_PASSWORD | AuthOutcome.UNKNOWN_USER:
                kind, told = outcome.name.lower(), _told(request, flow, outcome)
                self._store.record_attempt(Attempt(now, source, kind, user[:64], "needauth", told))
                _log.info("credentials refused source=%s user=%r outcome=%s", source, user[:64], outcome.name)
                wrong = outcome is AuthOutcome.WRONG_PASSWORD
                (defence.wrong_password if wrong else defence.unknown_user)(request, flow, user)
            case AuthOutcome.STALE:
                defence.answered(request, flow)  # the right password: only the nonce was too old
            case AuthOutcome.MALFORMED:
                _log.info("credentials not usable source=%s user=%r: incomplete, or for another URI", source, user[:64])
                defence.challenged(request, flow, "unusable credentials")
            case _:
                defence.challenged(request, flow, outcome.name.lower().replace("_", " "))

    def _ha1(self, user: bytes, algorithm: Algorithm) -> bytes | None:
        held = self._store.credentials(user.decode("utf-8", "replace"))
        if held is None or not held.enabled or not logs_in(held):
            return None
        return (held.ha1_sha256 if algorithm is Algorithm.SHA256 else held.ha1_md5).encode()

    def _former(self, user: str, flow: Flow) -> Lookup | None:
        """The password that was replaced as a weak one, for a device that is registered from exactly here."""
        held = self._store.account(user)
        former = self._store.former_ha1(held.id) if held is not None and held.enabled else None
        if former is None or not self._store.has_device(user, flow.transport, *flow.remote[:2]):
            return None
        md5, sha256 = former
        return lambda _user, algorithm: (sha256 if algorithm is Algorithm.SHA256 else md5).encode()

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


def _told(request: Request, flow: Flow, outcome: AuthOutcome) -> str:
    """What was tried, from where and by which program, for whoever asks why."""
    host, port = flow.remote[:2]
    program = (request.headers.get(b"user-agent") or b"")[:LONGEST_PROGRAM].decode("utf-8", "backslashreplace")
    words = f"{outcome.name.lower().replace('_', ' ')} from {f'[{host}]' if ':' in host else host}:{port}"
    return words + (f", program {visible(program)}" if program else "")


def logs_in(account: Account) -> bool:
    """Whether an account may prove itself by digest. A calling card is known by its PIN; a telephone has it as its user
    only where needauth asks for an address beside the password."""
    return account.type is not AccountType.CALLING_CARD or account.needauth in ADDRESS_AND_PASSWORD


def spoken_by(user_agent: bytes) -> tuple[Algorithm, ...]:
    """The algorithms to offer to a user agent, the better first."""
    return tuple(Algorithm) if user_agent.lower().startswith(SHA256_SPEAKERS) else (Algorithm.MD5,)


def _as_agreed(trunk: Trunk, flow: Flow) -> bool:
    """Whether a request comes by the transport that was agreed with its trunk, or by a better one: the source of a
    datagram is easily forged, and what is to be encrypted is not believed in the clear.
    """
    order = ("udp", "tcp", "tls")
    return flow.transport in order[order.index(trunk.transport) :]


def _known_source(address: str, until: float) -> wire.Source:
    return wire.Source(address, wire.SourceClass.KNOWN, until, "authenticated")
