"""Which rule decides about a source, and who is known there: what an operator asks when somebody is locked out.

The order is the gate's (bpf/firewall.c, bpf/source.c). Rates and the service itself are no part of it.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

from appliance import networks
from appliance.wire import WireError
from pysrv.control.desk import Desk
from pysrv.service.firewall import deciding, piece_holds
from pysrv.store.firewall import match_text

DEVICES_NAMED = 8


@dataclass(frozen=True, slots=True)
class Probe:
    """Which packet to think of."""

    address: str
    port: int = 5060
    protocol: str = "udp"


@dataclass(frozen=True, slots=True)
class _Asked:
    """The packet's source as text and as a row of networks, who is known there, and our port."""

    address: str
    row: bytes
    trunk: str
    devices: tuple[str, ...]
    probe: Probe


class ProbeStep(TypedDict):
    """What one rule says. `verdict` empty: the packet goes on."""

    stage: str
    words: str
    verdict: str


class ProbeAnswer(TypedDict):
    """What would become of a packet. `verdict` empty: no rule speaks of it; `spared`: registered devices at the
    address, where the deciding rule leaves those alone."""

    address: str
    port: int
    protocol: str
    verdict: str
    spared: list[str]
    steps: list[ProbeStep]


@dataclass(frozen=True, slots=True)
class _Step:
    """What one rule says; `spares`: it leaves registered devices alone."""

    stage: str
    words: str
    verdict: str = ""
    spares: bool = False


def test(desk: Desk, args: Probe) -> ProbeAnswer:
    """firewall.test: which rule decides a packet, in the order of the gate; nothing is sent.

    `spared`: registered devices at the address, where the deciding rule leaves those alone.
    """
    try:
        address = str(ipaddress.ip_address(args.address))
    except ValueError as error:
        raise WireError("invalid", str(error)) from None
    asked = _Asked(address, networks.parsed(address), _trunk(desk, address), _devices(desk, address), args)
    reporting, verdict, spares = desk.store.report_only(), "", False
    steps: list[ProbeStep] = []
    for step in _steps(desk, asked):
        words, verdict, spares = step.words, step.verdict, step.spares
        if verdict in reporting:
            words, verdict = words + "; the rule only reports", ""
        steps.append({"stage": step.stage, "words": words, "verdict": verdict})
        if verdict:
            break
    spared = list(asked.devices) if verdict and spares else []
    return {
        "address": address,
        "port": args.port,
        "protocol": args.protocol,
        "verdict": verdict,
        "spared": spared,
        "steps": steps,
    }


def locked_out(desk: Desk, address: str) -> str:
    """What keeps an address from the SIP port, in words; empty: no rule does, or it is a network."""
    try:
        found = test(desk, Probe(address))
    except WireError:
        return ""
    return str(found["steps"][-1]["words"]) if found["verdict"] not in ("", "source_allowed") else ""


def _trunk(desk: Desk, address: str) -> str:
    by_line = desk.store.trunk_by_address(address)
    if by_line is not None:
        return by_line.name
    return next((trunk.name for trunk in desk.store.trunks() if trunk.enabled and trunk.host == address), "")


def _devices(desk: Desk, address: str) -> tuple[str, ...]:
    """Registered devices there, as `account at port`."""
    found = (row for row in desk.store.bindings() if row.remote_host == address)
    return tuple(f"{row.aor.split('@')[0].removeprefix('sip:')} at port {row.remote_port}" for row in found)


def _steps(desk: Desk, asked: _Asked) -> Iterator[_Step]:
    """Every rule about the source that speaks, in the gate's order. `verdict` empty: the packet goes on."""
    yield from _known(asked)
    guarded = next(
        (why for each, why in desk.protected().items() if networks.overlap(asked.row, networks.parsed(each))), ""
    )
    if guarded:
        yield _Step("protected", guarded)
    rule = deciding(desk.store.firewall_rules(), asked.address, asked.probe.protocol, asked.probe.port)
    allows = rule is not None and rule.action == "allow"
    if rule is not None and allows:
        words = f"rule {rule.id}: allow {match_text(rule)}"
        if not rule.port:
            yield _Step("firewall", words, "source_allowed")
        yield _Step("firewall", words + ", so no deny, list or country; ban and bucket hold")
    for each in desk.store.trusted():
        if _holds(each.prefix, asked.row):
            yield _Step("allow list", f"{each.prefix} is on the allow list", "source_allowed")
    if not guarded:
        yield from _banned(desk, asked)
    if guarded or allows:
        return
    if rule is not None:
        yield _Step("firewall", f"rule {rule.id}: deny {match_text(rule)}", "firewall_denied")
    yield from _listed(desk, asked)
    yield from _country(desk, asked.row)


def _known(asked: _Asked) -> Iterator[_Step]:
    if asked.trunk:
        yield _Step("trunk", f"the address is trunk {asked.trunk}'s")
    if asked.devices:
        more = len(asked.devices) - DEVICES_NAMED
        names = ", ".join(asked.devices[:DEVICES_NAMED]) + (f" and {more} more" if more > 0 else "")
        yield _Step("devices", f"registered from here: {names}")


def _banned(desk: Desk, asked: _Asked) -> Iterator[_Step]:
    for ban in desk.store.bans():
        if not _holds(ban.prefix, asked.row):
            continue
        words = f"{ban.source} is banned by {ban.rule}: 'appliance bans show {ban.source}'"
        if ban.port:
            yield _Step("ban", words + "; other ports are not")
        else:
            kind = "banned_prefix" if "/" in ban.prefix else "banned"
            yield _Step("ban", words, kind, spares=ban.spares_known)


def _listed(desk: Desk, asked: _Asked) -> Iterator[_Step]:
    """What imported lists say; a trunk and registered devices pass them."""
    for each in desk.store.lists():
        for piece in desk.store.list_rows(each.id):
            if hit := piece_holds(piece, asked.row[:16]):
                words = f"list {each.name} holds {networks.text(hit)}"
                if asked.trunk:
                    yield _Step("list", words + "; a trunk passes lists")
                else:
                    yield _Step("list", words + "; registered devices pass lists", "listed", spares=True)


def _country(desk: Desk, row: bytes) -> Iterator[_Step]:
    actions = {rule.country: rule.action for rule in desk.store.firewall_rules() if rule.country}
    found = next(
        (each.name for each in desk.store.lists("country") if each.name in actions and _in_list(desk, each.id, row)), ""
    )
    if actions.get(found) == "deny":
        yield _Step("country", f"country {found} is denied: 'appliance firewall list'", "country_denied")
    elif found:
        yield _Step("country", f"country {found} is let in")
    elif "allow" in actions.values():
        yield _Step("country", "the address lies in no country that is let in", "country_denied")


def country_denies(desk: Desk, row: bytes) -> bool:
    """Whether the rules about countries keep an address out, as far as those act."""
    verdicts = [step.verdict for step in _country(desk, row)]
    return "country_denied" in verdicts and "country_denied" not in desk.store.report_only()


def _in_list(desk: Desk, list_id: int, row: bytes) -> bool:
    return any(piece_holds(piece, row[:16]) for piece in desk.store.list_rows(list_id))


def _holds(prefix: str, row: bytes) -> bool:
    return networks.overlap(networks.parsed(prefix), row)
