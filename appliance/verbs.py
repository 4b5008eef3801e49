"""The keeper's whole privileged surface on one screen: each verb, who may say it, what it takes, what it does.

A line comes in, a line goes out; nothing that a line holds may raise out of `answer`. Must know neither sockets nor
bcc: the gate is a Protocol that appliance.kernel.gate and appliance.kernel.fake satisfy. Every gate call is quick
(microseconds; a sync takes as long as its rows), so it is made where the line is read.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from appliance import wire
from appliance.wire import KeeperVerb, WireError


class Caller(StrEnum):
    """Who is at the other end of a connection, by SO_PEERCRED."""

    ROOT = "root"
    OFFICE = "office"


class Gate(Protocol):
    """What the keeper asks of the kernel's side. All may raise WireError."""

    def sync(self, plan: wire.Plan) -> wire.Applied: ...
    def open_session(self, session: wire.RelaySession) -> None: ...
    def renew_lease(self, session: int, deadline_ns: int) -> None: ...
    def close_session(self, session: int) -> wire.SessionCounters: ...
    def counters(self) -> list[wire.SessionCounters]: ...
    def tallies(self) -> list[wire.Tally]: ...
    def ban(self, ban: wire.Ban) -> None: ...
    def unban(self, prefix: str) -> None: ...
    def bans(self) -> list[wire.Ban]: ...
    def allow(self, source: wire.Source) -> None: ...
    def disallow(self, prefix: str) -> None: ...


@dataclass(slots=True)
class Standing:
    """What the keeper knows beside the gate: what is attached, and which plan is in force."""

    interfaces: tuple[wire.Interface, ...]
    relay: str
    relay_reason: str
    pinned: bool
    started_at: float = field(default_factory=time.time)
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Desk:
    """What a verb works on."""

    gate: Gate
    standing: Standing


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the table: who may say it, the dataclass of its arguments, and what it does."""

    callers: frozenset[Caller]
    args: type[Any]
    act: Callable[[Desk, Any], Any]


@dataclass(frozen=True, slots=True)
class Nothing:
    """The arguments of a verb that takes none."""


def _status(desk: Desk, _: Nothing) -> wire.GateStatus:
    standing = desk.standing
    return wire.GateStatus(
        version=wire.PROTOCOL_VERSION,
        interfaces=standing.interfaces,
        relay=standing.relay,
        relay_reason=standing.relay_reason,
        pinned=standing.pinned,
        generation=standing.generation,
        sessions=len(desk.gate.counters()),
        bans=len(desk.gate.bans()),
        started_at=standing.started_at,
    )


def _hello(desk: Desk, hello: wire.Hello) -> wire.GateStatus:
    if hello.version != wire.PROTOCOL_VERSION:
        message = f"the keeper speaks version {wire.PROTOCOL_VERSION} of the protocol, {hello.role} {hello.version}"
        raise WireError("version", message, "restart the appliance: its halves come from different releases")
    return _status(desk, Nothing())


def _sync(desk: Desk, plan: wire.Plan) -> wire.Applied:
    applied = desk.gate.sync(plan)
    desk.standing.generation = plan.generation
    return applied


_BOTH = frozenset(Caller)

VERBS: Mapping[KeeperVerb, Verb] = {
    KeeperVerb.HELLO: Verb(_BOTH, wire.Hello, _hello),
    KeeperVerb.STATUS: Verb(_BOTH, Nothing, _status),
    KeeperVerb.SYNC: Verb(_BOTH, wire.Plan, _sync),
    KeeperVerb.OPEN_SESSION: Verb(_BOTH, wire.RelaySession, lambda desk, args: desk.gate.open_session(args)),
    KeeperVerb.RENEW_LEASE: Verb(
        _BOTH, wire.Renewal, lambda desk, args: desk.gate.renew_lease(args.session, args.deadline_ns)
    ),
    KeeperVerb.CLOSE_SESSION: Verb(_BOTH, wire.SessionRef, lambda desk, args: desk.gate.close_session(args.session)),
    KeeperVerb.COUNTERS: Verb(_BOTH, Nothing, lambda desk, _: {"sessions": desk.gate.counters()}),
    KeeperVerb.TALLIES: Verb(_BOTH, Nothing, lambda desk, _: {"tallies": desk.gate.tallies()}),
    KeeperVerb.BAN: Verb(_BOTH, wire.Ban, lambda desk, args: desk.gate.ban(args)),
    KeeperVerb.UNBAN: Verb(_BOTH, wire.Prefix, lambda desk, args: desk.gate.unban(args.prefix)),
    KeeperVerb.BANS: Verb(_BOTH, Nothing, lambda desk, _: {"bans": desk.gate.bans()}),
    KeeperVerb.ALLOW: Verb(_BOTH, wire.Source, lambda desk, args: desk.gate.allow(args)),
    KeeperVerb.DISALLOW: Verb(_BOTH, wire.Prefix, lambda desk, args: desk.gate.disallow(args.prefix)),
}
_BY_NAME: Mapping[str, Verb] = {str(name): verb for name, verb in VERBS.items()}


def answer(desk: Desk, caller: Caller, line: bytes, report: Callable[[str], None]) -> bytes:
    """The reply to one request line. A fault of our own is reported and refused as `internal`."""
    ident = 0
    try:
        message = wire.decode(line)
        ident = _ident(message)
        return wire.reply(ident, _act(desk, caller, message))
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


def _act(desk: Desk, caller: Caller, message: dict[str, Any]) -> Any:
    name = message.get("verb")
    verb = _BY_NAME.get(name) if isinstance(name, str) else None
    if verb is None:
        raise WireError("unknown_verb", f"there is no verb {name!r:.60}")
    if caller not in verb.callers:
        raise WireError("forbidden", f"{caller} may not {name}")
    return verb.act(desk, wire.from_dict(verb.args, message.get("args", {})))
