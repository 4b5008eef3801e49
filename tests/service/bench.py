"""The whole service on a table: a store in a folder, a gate that only remembers, clocks that are numbers.

A `Client` is a peer at one address: it knows a name and a password, and answers challenges. What the service sends is
kept by destination until a test takes it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from appliance import wire
from appliance.config.settings import Settings
from pysrv.media.spoken import Tongue
from pysrv.service import Service
from pysrv.service.surroundings import Clock, Surroundings
from pysrv.sip.digest import answer_challenge
from pysrv.sip.events import Flow
from pysrv.sip.message import Request, Response
from pysrv.sip.parser import parse_datagram
from pysrv.store import Store
from pysrv.store.rows import NewAccount, NewTrunk, Route
from tests.calls.playbook import APPLIANCE, sdp, source

PASSWORD = "correct-horse-42"
WALL = 1_800_000_000.0
TRUNK = "198.51.100.7"


@dataclass
class FakeGate:
    """Remembers what it was told; the closed sessions' counters come back when the bench says so."""

    status: wire.GateStatus | None = None
    sessions: dict[int, wire.RelaySession] = field(default_factory=dict)
    closed: list[int] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    bans: dict[tuple[str, int], wire.Ban | wire.PairBan] = field(default_factory=dict)
    pairs: dict[tuple[str, int], float] = field(default_factory=dict)
    remembered: list[wire.Refresh] = field(default_factory=list)
    forgotten: list[wire.RefreshRef] = field(default_factory=list)
    resyncs: int = 0
    asked: list[tuple[wire.KeeperVerb, Any, Callable[..., None], Callable[..., None]]] = field(default_factory=list)

    def open_session(self, session: wire.RelaySession) -> None:
        self.sessions[session.session] = session

    def renew_lease(self, session: int, deadline_ns: int) -> None:
        if session in self.sessions:
            self.sessions[session] = replace(self.sessions[session], deadline_ns=deadline_ns)

    def close_session(self, session: int) -> None:
        self.sessions.pop(session, None)
        self.closed.append(session)

    def allow(self, source: wire.Source) -> None:
        self.known.append(source.prefix)

    def ask(self, verb: wire.KeeperVerb, args: Any, done: Callable[..., None], refused: Callable[..., None]) -> None:
        self.asked.append((verb, args, done, refused))

    def request_counters(self) -> None: ...
    def resync(self) -> None:
        self.resyncs += 1

    def disallow(self, prefix: str) -> None: ...

    def ban(self, ban: wire.Ban) -> None:
        self.bans[ban.prefix, 0] = ban

    def unban(self, prefix: str) -> None:
        self.bans.pop((prefix, 0), None)

    def ban_pair(self, ban: wire.PairBan) -> None:
        self.bans[ban.address, ban.port] = ban

    def unban_pair(self, pair: wire.Pair) -> None:
        self.bans.pop((pair.address, pair.port), None)

    def remember(self, refresh: wire.Refresh) -> None:
        self.remembered.append(refresh)

    def forget(self, ref: wire.RefreshRef) -> None:
        self.forgotten.append(ref)

    def know_pair(self, pair: wire.KnownPair) -> None:
        self.pairs[pair.address, pair.port] = pair.expires_at

    def forget_pair(self, pair: wire.Pair) -> None:
        self.pairs.pop((pair.address, pair.port), None)

    def flush(self) -> None: ...


@dataclass
class FakeVoice:
    """Remembers what it was told to say, by session; every clip takes half a second."""

    tongues: dict[int, Tongue] = field(default_factory=dict)
    said: list[tuple[str, ...]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)  # before each of them, in seconds

    def begin(self, session: int, tongue: Tongue) -> None:
        self.tongues[session] = tongue

    def play(self, session: int, clips: tuple[str, ...], *, again: bool = False, after_s: float = 0.0) -> float:
        assert session in self.tongues
        self.said.append(clips)
        self.waits.append(after_s)
        return len(clips) / 2

    def hush(self, session: int) -> None: ...

    def end(self, session: int) -> None:
        del self.tongues[session]


@dataclass
class Time:
    """The monotonic clock; the wall clock goes with it."""

    now: float = 1000.0

    def wall(self) -> float:
        """Unix seconds."""
        return WALL + self.now


class Bench:
    """One service and its surroundings."""

    def __init__(self, store: Store, settings: Settings, time: Time | None = None) -> None:
        self.store, self.gate, self.time, self.voice = store, FakeGate(), time or Time(), FakeVoice()
        self.names: dict[str, str] = {}  # what DNS says; a name that is not here has no address yet, a trunk's its own
        self.own: dict[str, str] = {}  # the machine's own addresses
        self.service = Service(store, settings, self._world())
        self.sent: list[tuple[Request | Response, Flow]] = []
        self.service.start()

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self.time.now

    @now.setter
    def now(self, at: float) -> None:
        self.time.now = at

    def _world(self) -> Surroundings:
        clock = Clock(lambda: self.time.now, self.time.wall)
        return Surroundings(
            self.gate, clock, lambda _address, _now: APPLIANCE[0],
            lambda host: self.names.get(host, host), source("service"),
            lambda n: 0, "boot",
            APPLIANCE[1], (20000, 20399), host=lambda: self.own, lookup=self.names.get,
            voice=self.voice,
        )  # fmt: skip

    def receive(self, payload: bytes, flow: Flow) -> None:
        """One datagram and the turn that it causes."""
        self.service.receive_datagram(payload, flow)
        self.turn()

    def turn(self) -> None:
        """Decide, commit, and keep what was sent; relay sessions that were closed report at once."""
        for payload, flow in self.service.turn():
            self.sent.append((parse_datagram(payload), flow))
        while self.gate.closed:
            session = self.gate.closed.pop(0)
            self.service.on_session_closed(session, wire.SessionCounters(session, True))
            self.service.turn()

    def sleep(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass, timers included."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + step)
            self.service.handle_timer()
            self.turn()

    def take(self, address: str) -> list[Request | Response]:
        """What was sent to an address since it was last asked."""
        found = [message for message, flow in self.sent if flow.remote[0] == address]
        self.sent = [row for row in self.sent if row[1].remote[0] != address]
        return found


def _uri(user: str) -> str:
    """A Request-URI: of a user of ours, of `user@host`, of nobody."""
    if "@" in user:
        return f"sip:{user}"
    return f"sip:{user}@{APPLIANCE[0]}" if user else f"sip:{APPLIANCE[0]}"


class Client:
    """A peer at one address."""

    _order = count(1)

    def __init__(self, bench: Bench, name: str, address: str, port: int = 5060) -> None:
        self.bench, self.name, self.address, self.port = bench, name, address, port
        self.flow = Flow("udp", APPLIANCE, (address, port))

    @property
    def host(self) -> str:
        """Its address as SIP writes it."""
        return f"[{self.address}]" if ":" in self.address else self.address

    def message(
        self, method: str, user: str, *, extra: tuple[bytes, ...] = (), body: bytes = b"", seq: int = 1,
        call_id: str = "", from_: bytes = b"", to: bytes = b"",
    ) -> bytes:  # fmt: skip
        """A request outside of dialogs as bytes."""
        number = next(self._order)
        uri = _uri(user)
        sender = from_ or f"<sip:{self.name}@example.org>".encode()
        lines = [
            f"{method} {uri} SIP/2.0".encode(),
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{number};rport".encode(),
            b"Max-Forwards: 70",
            b"From: " + sender + b";tag=%d" % number,
            b"To: " + (to or f"<sip:{user.partition('@')[0] or self.name}@example.org>".encode()),
            f"Call-ID: {call_id or f'c{number}'}".encode(),
            f"CSeq: {seq} {method}".encode(),
            f"Contact: <sip:{self.name}@{self.host}:{self.port}>".encode(),
            *extra,
            *([b"Content-Type: application/sdp"] if body else []),
            b"Content-Length: %d" % len(body),
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def ask(
        self, method: str, user: str, *, extra: tuple[bytes, ...] = (), body: bytes = b"", **more: Any
    ) -> Response | None:
        """Send a request, answer its challenge, and return the last response; None while there is none."""
        call_id = f"call{next(self._order)}"
        self.bench.receive(self.message(method, user, extra=extra, body=body, call_id=call_id, **more), self.flow)
        first = self._last()
        if first is None or first.status not in (401, 407):
            return first
        pair = (
            (b"www-authenticate", b"Authorization")
            if first.status == 401
            else (b"proxy-authenticate", b"Proxy-Authorization")
        )
        challenge = first.headers.get(pair[0])
        assert challenge is not None
        uri = _uri(user)
        answer = answer_challenge(
            challenge, method.encode(), uri.encode(), self.name.encode(), PASSWORD.encode(), b"cnonce"
        )
        extra = (*extra, pair[1] + b": " + answer)
        self.bench.receive(
            self.message(method, user, extra=extra, body=body, call_id=call_id, seq=2, **more), self.flow
        )
        return self._last()

    def register(self, extra: tuple[bytes, ...] = ()) -> Response | None:
        """Become reachable."""
        return self.ask("REGISTER", "", extra=extra)

    def invite(self, user: str, *, extra: tuple[bytes, ...] = (), **more: Any) -> Response | None:
        """Call somebody."""
        return self.ask("INVITE", user, extra=extra, body=sdp(self.address, 10_000), **more)

    def requests(self) -> list[Request]:
        """What the service asked of this peer."""
        return [message for message in self.bench.take(self.address) if isinstance(message, Request)]

    def reply(self, request: Request, status: int, body: bytes = b"", tag: bytes = b"callee") -> None:
        """Answer a request of the service."""
        lines = [
            b"SIP/2.0 %d Whatever" % status,
            *(b"Via: " + value for value in request.headers.get_all(b"via")),
            b"From: " + (request.headers.get(b"from") or b""),
            b"To: " + (request.headers.get(b"to") or b"") + (b"" if request.to.tag else b";tag=" + tag),
            b"Call-ID: " + request.call_id,
            b"CSeq: " + (request.headers.get(b"cseq") or b""),
            f"Contact: <sip:{self.name}@{self.host}:{self.port}>".encode(),
            *([b"Content-Type: application/sdp"] if body else []),
            b"Content-Length: %d" % len(body),
        ]
        self.bench.receive(b"\r\n".join(lines) + b"\r\n\r\n" + body, self.flow)

    def inside(self, answer: Response, method: str, seq: int, *extra: bytes) -> bytes:
        """A request of the caller in the dialog that `answer` made, as bytes."""
        lines = [
            f"{method} sip:appliance@{APPLIANCE[0]} SIP/2.0".encode(),
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{next(self._order)};rport".encode(),
            b"Max-Forwards: 70",
            b"From: " + (answer.headers.get(b"from") or b""),
            b"To: " + (answer.headers.get(b"to") or b""),
            b"Call-ID: " + answer.call_id,
            f"CSeq: {seq} {method}".encode(),
            f"Contact: <sip:{self.name}@{self.host}:{self.port}>".encode(),
            *extra,
            b"Content-Length: 0",
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def responses(self) -> list[Response]:
        """What the service answered this peer; its requests stay for `requests`."""
        found = [row for row in self.bench.sent if row[1].remote[0] == self.address and isinstance(row[0], Response)]
        self.bench.sent = [row for row in self.bench.sent if row not in found]
        return [message for message, _ in found if isinstance(message, Response)]

    def _last(self) -> Response | None:
        found = self.responses()
        return found[-1] if found else None


@contextmanager
def opened(directory: Path) -> Iterator[Bench]:
    """A service with alice (101, 10.00), bob (102) and a trunk for 49 at 0.60 a minute."""
    time = Time()
    with Store.open(directory / "appliance.db", time.wall) as store:
        settings = Settings()
        for name, number in (("alice", "101"), ("bob", "102")):
            store.add_account(
                NewAccount(name, PASSWORD, settings.realm, (number,), deck="retail", balance=10_000_000), "test"
            )
        ident = store.import_begin("retail")
        store.import_rows(ident, 1, "prefix,per_minute,connect_fee,initial_increment,next_increment\n49,0.60,0,1,1\n")
        store.import_commit(ident)
        store.add_trunk(NewTrunk("carrier", TRUNK, routes=(Route("49"),), inbound=(TRUNK,)))
        store.commit()
        yield Bench(store, settings, time)
