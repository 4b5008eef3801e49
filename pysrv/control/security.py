"""Verbs about who is kept out and who is trusted. The row is stored; then a running service tells the gate."""

import ipaddress
from dataclasses import asdict
from typing import Any

from appliance import wire
from appliance.wire import WireError
from pysrv.control.desk import Desk
from pysrv.store.rows import AllowRow, BanRow


def canonical(prefix: str) -> str:
    """An address or network in the one writing under which it is stored. Raises WireError."""
    try:
        network = ipaddress.ip_network(prefix)
    except ValueError as error:
        raise WireError("invalid", f"{error}: name an address or a network") from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)


_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def covers_all(prefix: str) -> bool:
    """Whether every IPv4 or every IPv6 address lies in `prefix`; the gate holds IPv4 as mapped addresses."""
    network = ipaddress.ip_network(prefix)
    return network.prefixlen == 0 or (isinstance(network, ipaddress.IPv6Network) and _MAPPED.subnet_of(network))


def _part(prefix: str, effect: str) -> str:
    if covers_all(prefix):
        raise WireError("invalid", f"{prefix} would {effect}", "name a longer prefix")
    return prefix


def add_ban(desk: Desk, args: wire.Ban) -> dict[str, Any]:
    """bans.add"""
    prefix, reason = _part(canonical(args.prefix), "ban everyone"), args.reason[:200]
    row = BanRow(prefix, args.rule, reason, desk.clock(), args.expires_at, desk.who)
    desk.store.add_ban(row)
    desk.after_commit(lambda live: live.ban(wire.Ban(prefix, args.expires_at, args.rule, reason)))
    return {"ban": asdict(row)}


def remove_ban(desk: Desk, args: wire.Prefix) -> dict[str, Any]:
    """bans.remove"""
    prefix = canonical(args.prefix)
    if not desk.store.remove_ban(prefix, desk.who):
        raise WireError("not_found", f"{prefix} is not banned", "'appliance bans' lists who is")
    desk.after_commit(lambda live: live.unban(prefix))
    return {"lifted": [prefix]}


def clear_bans(desk: Desk, _: Any) -> dict[str, Any]:
    """bans.clear"""
    prefixes = [row.prefix for row in desk.store.bans()]
    desk.store.remove_bans(desk.who)
    for prefix in prefixes:
        desk.after_commit(lambda live, prefix=prefix: live.unban(prefix))  # type: ignore[misc]
    return {"lifted": prefixes}


def bans(desk: Desk, _: Any) -> dict[str, Any]:
    """bans.list"""
    return {"bans": [asdict(row) for row in desk.store.bans()]}


def add_allow(desk: Desk, args: wire.Source) -> dict[str, Any]:
    """allows.add"""
    prefix, reason = _part(canonical(args.prefix), "let everyone pass unchecked"), args.reason[:200]
    row = AllowRow(prefix, str(args.kind), reason, desk.clock(), args.expires_at, desk.who)
    desk.store.add_allow(row)
    desk.after_commit(lambda live: live.allow(wire.Source(prefix, args.kind, args.expires_at, reason)))
    return {"allow": asdict(row)}


def remove_allow(desk: Desk, args: wire.Prefix) -> dict[str, Any]:
    """allows.remove"""
    prefix = canonical(args.prefix)
    if not desk.store.remove_allow(prefix, desk.who):
        raise WireError("not_found", f"{prefix} is not on the allow list", "'appliance allowed' lists who is")
    desk.after_commit(lambda live: live.disallow(prefix))
    return {"removed": prefix}


def allows(desk: Desk, _: Any) -> dict[str, Any]:
    """allows.list"""
    return {"allows": [asdict(row) for row in desk.store.allows()]}
