"""The keeper's whole privileged surface on one screen: each verb, who may say it, what it takes, what it does.

A line comes in, a line goes out; nothing that a line holds may raise out of `answer`. Must know neither sockets nor
bcc: the gate is a Protocol that appliance.kernel.gate and appliance.kernel.fake satisfy. Every gate call is quick
(microseconds; a sync takes as long as its rows), so it is made where the line is read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from appliance import slots, wire
from appliance.wire import KeeperVerb, WireError


class Caller(StrEnum):
    """Who is at the other end of a connection, by SO_PEERCRED."""

    ROOT = "root"
    OFFICE = "office"


class Gate(Protocol):
    """What the keeper asks of the kernel's side. All may raise WireError."""

    def status(self) -> wire.GateStatus: ...
    def sync(self, wanted: wire.Plan, /) -> wire.Applied: ...
    def open_session(self, session: wire.RelaySession, /) -> None: ...
    def renew_lease(self, session: int, deadline_ns: int, /) -> None: ...
    def close_session(self, session: int, /) -> wire.SessionCounters: ...
    def counters(self) -> list[wire.SessionCounters]: ...
    def tallies(self) -> list[wire.Tally]: ...
    def ban(self, ban: wire.Ban, /) -> None: ...
    def unban(self, prefix: wire.Prefix, /) -> None: ...
    def bans(self) -> list[wire.Ban]: ...
    def allow(self, source: wire.Source, /) -> None: ...
    def disallow(self, prefix: wire.Prefix, /) -> None: ...
    def offenders(self, top: wire.Top, /) -> list[wire.Offender]: ...
    def samples(self, query: wire.SampleQuery, /) -> list[wire.Sample]: ...
    def lists(self) -> list[wire.ListStatus]: ...
    def load_list(self, chunk: wire.ListChunk, /) -> wire.ListStatus: ...
    def drop_list(self, ref: wire.ListRef, /) -> None: ...
    def pulse(self, beat: wire.Pulse, /) -> wire.Events: ...
    def know_pair(self, known: wire.KnownPair, /) -> None: ...
    def forget_pair(self, pair: wire.Pair, /) -> None: ...
    def ban_pair(self, ban: wire.PairBan, /) -> None: ...
    def unban_pair(self, pair: wire.Pair, /) -> None: ...
    def remember(self, refresh: wire.Refresh, /) -> None: ...
    def forget(self, ref: wire.RefreshRef, /) -> None: ...


class Tunnel(Protocol):
    """What the keeper asks of the administrators' tunnel. All may raise WireError."""

    def status(self, query: wire.TunnelQuery, /) -> wire.TunnelStatus: ...
    def switch(self, wanted: wire.TunnelSwitch, /) -> wire.TunnelStatus: ...
    def add(self, new: wire.NewPeer, /) -> wire.PeerMade: ...
    def ask_root(self) -> None: ...
    def remove(self, ref: wire.PeerRef, /) -> None: ...


class Door(Protocol):
    """What the keeper asks of the packet filter that keeps SSH. `let_in` may raise WireError."""

    def let_in(self, sources: tuple[wire.Source, ...], /) -> None: ...
    def add(self, source: wire.Source, /) -> None: ...
    def remove(self, prefix: str, /) -> None: ...
    def told(self, status: wire.GateStatus, /) -> wire.GateStatus: ...


class Errands(Protocol):
    """What the keeper has done by others. May raise WireError."""

    def backup(self, work: wire.BackupWork, /) -> None: ...
    def audit(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the table: who may say it, the dataclass of its arguments, and what it does. `others`: what refuses it
    to callers other than root, as root chose."""

    callers: frozenset[Caller]
    args: type[Any]
    act: Callable[[Any, Any], Any]
    others: Callable[[Any], None] | None = None


@dataclass(frozen=True, slots=True)
class Nothing:
    """The arguments of a verb that takes none."""


def _hello(gate: Gate, hello: wire.Hello) -> wire.GateStatus:
    if hello.version != wire.PROTOCOL_VERSION:
        message = f"the keeper speaks version {wire.PROTOCOL_VERSION} of the protocol, {hello.role} {hello.version}"
        raise WireError("version", message, "restart the appliance: its halves come from different releases")
    return _status(gate)


def _status(gate: Gate) -> wire.GateStatus:
    """The gate's, on the machine that it is on."""
    machine = slots.running()
    return replace(gate.status(), slot=machine.slot, trial=machine.trial)


LEAST_UNPRIVILEGED = 1024  # below it are the ports that take a capability
_BOTH = frozenset(Caller)

# Verbs that a gate carries out.
GATE_VERBS: Mapping[KeeperVerb, Verb] = {
    KeeperVerb.HELLO: Verb(_BOTH, wire.Hello, _hello),
    KeeperVerb.STATUS: Verb(_BOTH, Nothing, lambda gate, _: _status(gate)),
    KeeperVerb.SYNC: Verb(_BOTH, wire.Plan, lambda gate, args: gate.sync(args)),
    KeeperVerb.OPEN_SESSION: Verb(_BOTH, wire.RelaySession, lambda gate, args: gate.open_session(args)),
    KeeperVerb.RENEW_LEASE: Verb(
        _BOTH, wire.Renewal, lambda gate, args: gate.renew_lease(args.session, args.deadline_ns)
    ),
    KeeperVerb.CLOSE_SESSION: Verb(_BOTH, wire.SessionRef, lambda gate, args: gate.close_session(args.session)),
    KeeperVerb.COUNTERS: Verb(_BOTH, Nothing, lambda gate, _: {"sessions": gate.counters()}),
    KeeperVerb.TALLIES: Verb(_BOTH, Nothing, lambda gate, _: {"tallies": gate.tallies()}),
    KeeperVerb.BAN: Verb(_BOTH, wire.Ban, lambda gate, args: gate.ban(args)),
    KeeperVerb.UNBAN: Verb(_BOTH, wire.Prefix, lambda gate, args: gate.unban(args)),
    KeeperVerb.BANS: Verb(_BOTH, Nothing, lambda gate, _: {"bans": gate.bans()}),
    KeeperVerb.ALLOW: Verb(_BOTH, wire.Source, lambda gate, args: gate.allow(args)),
    KeeperVerb.DISALLOW: Verb(_BOTH, wire.Prefix, lambda gate, args: gate.disallow(args)),
    KeeperVerb.LISTS: Verb(_BOTH, Nothing, lambda gate, _: {"lists": gate.lists()}),
    KeeperVerb.LOAD_LIST: Verb(_BOTH, wire.ListChunk, lambda gate, args: gate.load_list(args)),
    KeeperVerb.DROP_LIST: Verb(_BOTH, wire.ListRef, lambda gate, args: gate.drop_list(args)),
    KeeperVerb.OFFENDERS: Verb(_BOTH, wire.Top, lambda gate, args: {"offenders": gate.offenders(args)}),
    KeeperVerb.SAMPLES: Verb(_BOTH, wire.SampleQuery, lambda gate, args: {"samples": gate.samples(args)}),
    KeeperVerb.PULSE: Verb(_BOTH, wire.Pulse, lambda gate, args: gate.pulse(args)),
    KeeperVerb.BAN_PAIR: Verb(_BOTH, wire.PairBan, lambda gate, args: gate.ban_pair(args)),
    KeeperVerb.UNBAN_PAIR: Verb(_BOTH, wire.Pair, lambda gate, args: gate.unban_pair(args)),
    KeeperVerb.KNOW_PAIR: Verb(_BOTH, wire.KnownPair, lambda gate, args: gate.know_pair(args)),
    KeeperVerb.FORGET_PAIR: Verb(_BOTH, wire.Pair, lambda gate, args: gate.forget_pair(args)),
    KeeperVerb.REMEMBER: Verb(_BOTH, wire.Refresh, lambda gate, args: gate.remember(args)),
    KeeperVerb.FORGET: Verb(_BOTH, wire.RefreshRef, lambda gate, args: gate.forget(args)),
}
# Verbs that the tunnel carries out. Whether there is one, on which port and in which network is root's to say, and so
# is who may come, unless root lets the panel say it too.
TUNNEL_VERBS: Mapping[KeeperVerb, Verb] = {
    KeeperVerb.TUNNEL: Verb(_BOTH, wire.TunnelQuery, lambda tunnel, args: tunnel.status(args)),
    KeeperVerb.TUNNEL_SWITCH: Verb(
        frozenset({Caller.ROOT}), wire.TunnelSwitch, lambda tunnel, args: tunnel.switch(args)
    ),
    KeeperVerb.TUNNEL_ADD: Verb(
        _BOTH, wire.NewPeer, lambda tunnel, args: tunnel.add(args), lambda tunnel: tunnel.ask_root()
    ),
    KeeperVerb.TUNNEL_REMOVE: Verb(_BOTH, wire.PeerRef, lambda tunnel, args: tunnel.remove(args)),
}
# Verbs that others carry out for the keeper: no word of them says where or how.
ERRANDS: Mapping[KeeperVerb, Verb] = {
    KeeperVerb.BACKUP: Verb(_BOTH, wire.BackupWanted, lambda errands, args: errands.backup(args.work)),
    KeeperVerb.AUDIT: Verb(_BOTH, Nothing, lambda errands, _: errands.audit()),
}
VERBS: Mapping[KeeperVerb, Verb] = {**GATE_VERBS, **TUNNEL_VERBS, **ERRANDS}
_BY_NAME: Mapping[str, Verb] = {str(name): verb for name, verb in VERBS.items()}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the start of the appliance says about ports: a plan may not reach for others.

    The media range is the kernel's to drop and to forward, and a service port's packets are counted against buckets:
    an office that was taken over must not turn either against other services of the machine.
    `most_more_tcp`: so many TCP ports besides may be guarded too, of those that an office without capabilities can open
    itself: the port of SIP over TLS is a setting, and may change while everything runs.
    """

    relay_ports: tuple[int, int]
    service_ports: frozenset[tuple[str, int]]
    most_more_tcp: int = 1

    def check(self, plan: wire.Plan) -> None:
        """Raises WireError("forbidden") for a plan that goes beyond."""
        if plan.relay_ports != self.relay_ports:
            first, last = self.relay_ports
            raise WireError("forbidden", f"the media range of this appliance is {first}-{last}")
        more = [place for place in plan.service_ports if place not in self.service_ports]
        for number, (protocol, port) in enumerate(more):
            if protocol != "tcp" or port < LEAST_UNPRIVILEGED or number >= self.most_more_tcp:
                raise WireError("forbidden", f"{protocol!r:.10} port {port} is no service port of this appliance")


def answer(
    gate: Gate,
    caller: Caller,
    line: bytes,
    report: Callable[[str], None],
    bounds: Bounds | None = None,
    tunnel: Tunnel | None = None,
    errands: Errands | None = None,
    door: Door | None = None,
) -> bytes:
    """The reply to one request line; without `bounds` a plan may name any port, without `tunnel` there is none,
    without `errands` none is run, without `door` nobody learns from where SSH is reached.

    A fault of our own is reported and refused as `internal`.
    """
    ident = 0
    try:
        message = wire.decode(line)
        ident = _ident(message)
        return wire.reply(ident, _act(gate, caller, message, bounds, tunnel, errands, door))
    except WireError as error:
        return wire.refusal(ident, error)
    except Exception as error:
        report(f"verb failed: {type(error).__name__}: {error}")
        return wire.refusal(ident, WireError("internal", f"{type(error).__name__}: {error}", "see the keeper's log"))


def _ident(message: dict[str, Any]) -> int:
    ident = message.get("id", 0)
    if type(ident) is not int:
        raise WireError("bad_line", "id must be a number")
    return ident


def _act(
    gate: Gate,
    caller: Caller,
    message: dict[str, Any],
    bounds: Bounds | None,
    tunnel: Tunnel | None,
    errands: Errands | None,
    door: Door | None,
) -> Any:
    name = message.get("verb")
    verb = _BY_NAME.get(name) if isinstance(name, str) else None
    if verb is None:
        raise WireError("unknown_verb", f"there is no verb {name!r:.60}")
    if caller not in verb.callers:
        raise WireError("forbidden", f"{caller} may not {name}")
    args = wire.from_dict(verb.args, message.get("args", {}))
    if bounds is not None and isinstance(args, wire.Plan):
        bounds.check(args)
    if verb in ERRANDS.values():
        if errands is None:
            raise WireError("no_errands", "this keeper has nothing done by others")
        return verb.act(errands, args)
    if verb not in TUNNEL_VERBS.values():
        return verb.act(gate, args) if door is None else _with_door(door, caller, verb, gate, args)
    if tunnel is None:
        raise WireError("no_tunnel", "this keeper holds no tunnel")
    if verb.others is not None and caller is not Caller.ROOT:
        verb.others(tunnel)
    return verb.act(tunnel, args)


def _with_door(door: Door, caller: Caller, verb: Verb, gate: Gate, args: Any) -> Any:
    """What a gate's verb says of those who administer as well. Root alone adds one by itself: while the office is away
    that is how somebody at the machine lets himself in."""
    if isinstance(args, wire.Plan):
        door.let_in(args.administrators)
    if caller is Caller.ROOT and verb is VERBS[KeeperVerb.DISALLOW]:
        door.remove(args.prefix)  # also one that the gate has within another network
    result = verb.act(gate, args)
    if caller is Caller.ROOT and verb is VERBS[KeeperVerb.ALLOW] and args.kind is wire.SourceClass.ALLOW:
        door.add(args)
    return door.told(result) if isinstance(result, wire.GateStatus) else result
