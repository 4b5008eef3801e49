"""Verbs about who is kept out and who is trusted. The row is stored; then a running service tells the gate."""

import ipaddress
import re
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from appliance import wire
from appliance.config.opening import Opening, opening
from appliance.wire import WireError
from pysrv.control.desk import Desk
from pysrv.control.paging import PageOf, bounds
from pysrv.control.probe import locked_out
from pysrv.control.trust import end_warnings, entry_warnings, list_warnings, lost_warnings, private_networks, trust
from pysrv.limits.sentence import Scope
from pysrv.limits.sources import lies_in
from pysrv.service.firewall import refuse_protected
from pysrv.store.rows import AllowRow, BanRow


@dataclass(frozen=True, slots=True)
class BannedRow(BanRow):
    """A ban with its evidence; `source` is the network, or the address with its port."""

    source: str = ""


class BanAnswer(TypedDict):
    """The ban as it is stored."""

    ban: BanRow


class SubjectRow(TypedDict):
    """Whom a ban was about; `port` 0: the whole address or network."""

    prefix: str
    port: int


class LiftedAnswer(TypedDict):
    """Whose bans were lifted."""

    lifted: list[str]
    subjects: list[SubjectRow]


class BansAnswer(TypedDict):
    """Bans; `total`: how many there are that fit."""

    bans: list[BannedRow]
    total: int


class BansShown(TypedDict):
    """Every ban that concerns a source: its own, those of its ports, of networks around and inside it."""

    bans: list[BannedRow]


class AllowAnswer(TypedDict):
    """The row of the allow list as it is stored. `warnings`: which setting keeps the panel or SSH shut to it all the
    same, and how they are opened; that with it they no longer answer private networks; or that all who open them do so
    for a while only, and what comes after."""

    allow: AllowRow
    warnings: list[str]


class DisallowAnswer(TypedDict):
    """What is there no more. `warnings`: that all who open panel and SSH now do so for a while only."""

    removed: str
    warnings: list[str]


class AllowsAnswer(TypedDict):
    """Who is on the allow list. `administered_from`: networks that SSH answers on the image, beside the tunnel.
    `opening`: whom of the list panel and SSH answer (`remoteadmin`, `allowtrustedip`). `warnings`: which setting keeps
    them shut to others of the list; or that all who open them do so for a while only. `private_networks`: that they
    are answered until somebody is trusted, or that none is any more; empty: neither. `ended`: the last entry, if it has
    ended: private networks stay shut out until another address is trusted or this one is removed."""

    allows: list[AllowRow]
    administered_from: list[str]
    opening: Opening
    warnings: list[str]
    private_networks: str
    ended: AllowRow | None


def canonical(prefix: str) -> str:
    """An address or network in the one writing under which it is stored. Raises WireError."""
    try:
        if "%" in prefix:  # an IPv6 zone is of one machine, and may hold anything (RFC 4007, section 11)
            raise ValueError(f"{prefix!r:.60} has a zone")
        network = ipaddress.ip_network(prefix)
    except ValueError as error:
        raise WireError("invalid", f"{error}: name an address or a network") from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _end(expires_at: float) -> float:
    """When a row ends, as the kernel's side can hold it. Raises WireError."""
    if not 0 <= expires_at < _LAST_SECOND:
        raise WireError("invalid", f"expires_at {expires_at:.0f} is no Unix time in seconds", "0: it has no end")
    return expires_at


_BRACKETED = re.compile(r"\[([^\]]*)\]:(\d{1,5})").fullmatch
_WITH_PORT = re.compile(r"([^:\[\]]+):(\d{1,5})").fullmatch
_LAST_SECOND = 2**33  # of the year 2242; a plan with a later one is refused whole
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def covers_all(prefix: str) -> bool:
    """Whether every IPv4 or every IPv6 address lies in `prefix`; the gate holds IPv4 as mapped addresses."""
    network = ipaddress.ip_network(prefix)
    return network.prefixlen == 0 or (isinstance(network, ipaddress.IPv6Network) and _MAPPED.subnet_of(network))


def _part(prefix: str, effect: str) -> str:
    if covers_all(prefix):
        raise WireError("invalid", f"{prefix} would {effect}", "name a longer prefix")
    return prefix


def add_ban(desk: Desk, args: wire.Ban) -> BanAnswer:
    """bans.add"""
    prefix, reason = _part(canonical(args.prefix), "ban everyone"), args.reason[:200]
    refuse_protected(prefix, desk.protected())
    scope = Scope.NETWORK if "/" in prefix else Scope.ADDRESS
    row = BanRow(prefix, args.rule, reason, desk.clock(), _end(args.expires_at), desk.who, scope=scope)
    desk.store.add_ban(row)
    desk.after_commit(lambda live: live.ban(wire.Ban(prefix, args.expires_at, args.rule, reason)))
    return {"ban": row}


def remove_ban(desk: Desk, args: wire.Prefix) -> LiftedAnswer:
    """bans.remove"""
    prefix = canonical(args.prefix)
    if not desk.store.remove_ban(prefix, desk.who):
        raise WireError("not_found", f"{prefix} is not banned", "'appliance bans' lists who is")
    desk.after_commit(lambda live: live.unban(prefix, 0))
    return {"lifted": [prefix], "subjects": [{"prefix": prefix, "port": 0}]}


def clear_bans(desk: Desk, _: Any) -> LiftedAnswer:
    """bans.clear"""
    rows = desk.store.bans()
    desk.store.remove_bans(desk.who)
    desk.after_commit(lambda live: live.forgive())
    return _lifted(rows)


@dataclass(frozen=True, slots=True)
class Banned:
    """An address, a network, or one port of an address as `192.0.2.7:5070` or `[2001:db8::7]:5070`."""

    source: str


def split_source(text: str) -> tuple[str, int]:
    """Address or network in its stored writing, and the port, 0 without one. Raises WireError."""
    bracketed, bare = _BRACKETED(text), _WITH_PORT(text)
    found = bracketed or bare
    if found is None:
        return canonical(text), 0
    prefix, port = canonical(found[1]), int(found[2])
    if "/" in prefix or not 0 < port < 65_536:
        raise WireError("invalid", f"{text[:80]} is no address and port")
    return prefix, port


def lift(desk: Desk, args: Banned) -> LiftedAnswer:
    """bans.lift: `delbanned` of the console. An address is lifted with all its ports; `all` lifts every ban."""
    if args.source == "all":
        return clear_bans(desk, None)
    prefix, port = split_source(args.source)
    rows = [row for row in desk.store.bans() if row.prefix == prefix and port in (0, row.port)]
    if not rows:
        raise _nobody(desk, args.source, prefix)
    for row in rows:
        desk.store.remove_ban(row.prefix, desk.who, row.port)
        desk.after_commit(lambda live, row=row: live.unban(row.prefix, row.port))  # type: ignore[misc]
    return _lifted(rows)


def show_ban(desk: Desk, args: Banned) -> BansShown:
    """bans.show: every ban that concerns a source: its own, those of its ports, of networks around and inside it."""
    prefix, port = split_source(args.source)
    rows = [row for row in desk.store.bans() if _concerns(row, prefix, port)]
    if not rows:
        raise _nobody(desk, args.source, prefix)
    return {"bans": [_shown(row) for row in rows]}


def _concerns(row: BanRow, prefix: str, port: int) -> bool:
    return port in (0, row.port) if row.prefix == prefix else lies_in(prefix, row.prefix) or lies_in(row.prefix, prefix)


def _nobody(desk: Desk, text: str, prefix: str) -> WireError:
    around = next((row.source for row in desk.store.bans() if _concerns(row, prefix, 0)), None)
    if around:
        hint = f"'appliance bans lift {around}' lifts the ban that covers it"
        return WireError("not_found", f"{text[:80]} is not banned", hint)
    if other := locked_out(desk, prefix):
        return WireError("not_found", f"{text[:80]} is not banned, but kept out: {other}")
    hint = (
        "'appliance firewall test' says whether another rule speaks of an address, 'appliance gate top' whom rates hit"
    )
    return WireError("not_found", f"{text[:80]} is not banned", hint)


def _lifted(rows: list[BanRow]) -> LiftedAnswer:
    subjects: list[SubjectRow] = [{"prefix": row.prefix, "port": row.port} for row in rows]
    return {"lifted": [row.source for row in rows], "subjects": subjects}


def _shown(row: BanRow) -> BannedRow:
    return BannedRow(**asdict(row), source=row.source)


def bans(desk: Desk, args: PageOf) -> BansAnswer:
    """bans.list: the newest first if some are asked for; all by address if none is chosen."""
    if args == PageOf():
        rows = desk.store.bans()
        return {"bans": [_shown(row) for row in rows], "total": len(rows)}
    rows, total = desk.store.ban_page(args.words.strip(), *bounds(args))
    return {"bans": [_shown(row) for row in rows], "total": total}


def add_allow(desk: Desk, args: wire.Source) -> AllowAnswer:
    """allows.add"""
    prefix, reason = _part(canonical(args.prefix), "let everyone pass unchecked"), args.reason[:200]
    row = AllowRow(prefix, str(args.kind), reason, desk.clock(), _end(args.expires_at), desk.who)
    before = trust(desk)
    desk.store.add_allow(row)
    desk.after_commit(lambda live: live.allow(wire.Source(prefix, args.kind, args.expires_at, reason)))
    now = trust(desk)
    lost = [] if before.begun else lost_warnings(before, now)
    shut = entry_warnings(now.settings, prefix) if args.kind == wire.SourceClass.ALLOW else []
    return {"allow": row, "warnings": [*shut, *lost, *end_warnings(now)]}


def remove_allow(desk: Desk, args: wire.Prefix) -> DisallowAnswer:
    """allows.remove"""
    prefix = canonical(args.prefix)
    if not desk.store.remove_allow(prefix, desk.who):
        raise WireError("not_found", f"{prefix} is not on the allow list", "'appliance allowed' lists who is")
    desk.after_commit(lambda live: live.disallow(prefix))
    return {"removed": prefix, "warnings": end_warnings(trust(desk))}


def allows(desk: Desk, _: Any) -> AllowsAnswer:
    """allows.list"""
    now = trust(desk)
    return {
        "allows": list(desk.store.allows()),
        "administered_from": now.administered_from(),
        "opening": opening(now.settings),
        "warnings": [*list_warnings(now.settings), *end_warnings(now)],
        "private_networks": private_networks(now),
        "ended": desk.store.ended_allow(),
    }
