"""Whom a deny or a ban shuts out: trunks by where they call from and where ours go, and registered devices.

Said before a ban by hand, and at once after a deny, because both hold for those too. Lists leave them alone.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypedDict

from appliance import networks
from pysrv.control.desk import Desk
from pysrv.control.probe import country_denies
from pysrv.control.security import canonical
from pysrv.service.firewall import covered, deciding
from pysrv.store.firewall import Rule

MOST_NAMED = 200  # and so many are looked at where a country is meant: each is looked for in its networks
SIP_PORT = 5060


@dataclass(frozen=True, slots=True)
class Peer:
    """A trunk or a registered device, and an address or network of its own. `kind`: trunk or device."""

    kind: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Whom:
    """A network that shall be banned."""

    prefix: str


@dataclass(frozen=True, slots=True)
class WhomRules:
    """Rules by their numbers; none: all."""

    ids: tuple[int, ...] = ()


class KeptOut(TypedDict):
    """Whom something shuts out: the first of them, the names of the trunks, and how many devices."""

    keeps_out: list[Peer]
    trunks: list[str]
    devices: int


def by_ban(desk: Desk, args: Whom) -> KeptOut:
    """bans.whom: who would be shut out by a ban of a network. Those that a rule lets in unchecked are not."""
    row, rules = networks.parsed(canonical(args.prefix)), desk.store.firewall_rules()
    found = [peer for peer, where in _peers(desk) if networks.overlap(row, where) and not _let_in(rules, row, where)]
    return told(found)


def by_rules(desk: Desk, args: WhomRules) -> KeptOut:
    """firewall.whom: who is shut out by some rules, or by all."""
    return told(denied(desk, [rule for rule in desk.store.firewall_rules() if not args.ids or rule.id in args.ids]))


def denied(desk: Desk, some: Iterable[Rule]) -> list[Peer]:
    """Who is shut out by these rules, as all the rules decide now."""
    rules, about, guarded = desk.store.firewall_rules(), list(some), desk.protected()
    rows = [networks.parsed(rule.prefix) for rule in about if rule.prefix and rule.action == "deny"]
    by_country = any(rule.country for rule in about)
    if not rows and not by_country:
        return []
    found = []
    for peer, where in islice(_peers(desk), MOST_NAMED if by_country else None):
        hits = [_narrower(row, where) for row in rows if networks.overlap(row, where)]
        address = _first(hits[0] if hits else where)
        if (hits or by_country) and not covered(address, guarded) and _denies(desk, rules, address):
            found.append(peer)
    return found


def told(found: list[Peer]) -> KeptOut:
    """The first of them by name, and how many trunks and devices there are."""
    trunks, devices = ({peer.name for peer in found if peer.kind == kind} for kind in ("trunk", "device"))
    return {
        "keeps_out": found[:MOST_NAMED],
        "trunks": sorted(trunks),
        "devices": len(devices),
    }


def _denies(desk: Desk, rules: list[Rule], address: str) -> bool:
    """Whether SIP over UDP or TCP from there ends at a rule."""
    found = [deciding(rules, address, protocol, SIP_PORT) for protocol in ("udp", "tcp")]
    if any(rule is not None and rule.action == "deny" for rule in found):
        return "firewall_denied" not in desk.store.report_only()
    return None in found and country_denies(desk, networks.parsed(address))


def _let_in(rules: list[Rule], row: bytes, where: bytes) -> bool:
    """Whether an allow of every port goes before bans."""
    rule = deciding(rules, _first(_narrower(row, where)), "udp", 0)
    return rule is not None and rule.action == "allow" and not rule.port


def _peers(desk: Desk) -> Iterator[tuple[Peer, bytes]]:
    for peer in dict.fromkeys((*_trunks(desk), *_devices(desk))):
        yield peer, networks.parsed(peer.address)


def _trunks(desk: Desk) -> Iterator[Peer]:
    for trunk in desk.store.trunks():
        if trunk.enabled:
            host = _resolved(desk, trunk.host)
            for address in (*trunk.inbound, *([host] if host else [])):
                yield Peer("trunk", trunk.name, address)


def _resolved(desk: Desk, host: str) -> str | None:
    """An address is its own; a name is known to the running service."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return desk.live.resolved(host) if desk.live is not None else None


def _devices(desk: Desk) -> Iterator[Peer]:
    for row in desk.store.bindings():
        if row.remote_host:
            yield Peer("device", row.aor, row.remote_host)


def _narrower(one: bytes, other: bytes) -> bytes:
    return one if one[16] >= other[16] else other


def _first(row: bytes) -> str:
    """The first address of a network as text."""
    return networks.text(row).partition("/")[0]
