"""What the table of verdicts is written in: a case, the packets that stand in it, and what is arranged before."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from appliance import networks, wire
from appliance.kernel import layout, plan
from tests.bpf import relaying
from tests.bpf.rig import GATE_MAC, OPTIONS, PHONE_MAC, Rig, rtp

L2 = Ether(src=PHONE_MAC, dst=GATE_MAC)
L2_6 = Ether(src=PHONE_MAC, dst=GATE_MAC, type=0x86DD)
L2_4 = Ether(src=PHONE_MAC, dst=GATE_MAC, type=0x0800)
FROM, TO = "198.51.100.7", "10.77.1.1"
FROM6, TO6 = "2001:db8:7::7", "fd77:1::1"
SIP = UDP(sport=5060, dport=5060) / Raw(OPTIONS)
STRANGER = {"stranger_burst": 1, "stranger_interval": 10**12}


@dataclass(frozen=True)
class Case:
    """A packet, what was arranged before, and what then happens to it."""

    about: str
    packet: Packet | bytes
    parts: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Rig], None] | None = None
    note: str = ""


def cut(packet: Packet, size: int) -> bytes:
    return bytes(packet)[:size]


def padded(packet: Packet | bytes) -> bytes:
    """As on a wire: at least 60 bytes."""
    return bytes(packet).ljust(60, b"\0")


def patched(packet: Packet, at: int, value: int) -> bytes:
    raw = bytearray(bytes(packet))
    raw[at] = value
    return bytes(raw)


def bans(*prefixes: str, expires_at: float = 0.0) -> dict[str, Any]:
    return {"bans": tuple(wire.Ban(prefix, expires_at) for prefix in prefixes)}


def pair_bans(address: str, port: int = 5060) -> dict[str, Any]:
    return {"pair_bans": (wire.PairBan(address, port),)}


def sources(prefix: str, kind: wire.SourceClass) -> dict[str, Any]:
    return {"sources": (wire.Source(prefix, kind),)}


def denied(prefix: str, protocol: str = "any", port: int = 0) -> dict[str, Any]:
    return {"firewall": (wire.FirewallRule(prefix, wire.FirewallAction.DENY, protocol, port),)}


def listing(prefix: str, kind: wire.ListKind = wire.ListKind.BAN) -> Callable[[Rig], None]:
    """A list of one network, put in force."""
    packed = base64.b64encode(networks.parsed(prefix)).decode()
    return lambda rig: rig.gate.load_list(wire.ListChunk("feed", "1", packed, True, True, kind)) and None


def limited(**values: int) -> dict[str, Any]:
    return {"limits": wire.Limits(values)}


def run_out(rig: Rig) -> None:
    """A ban whose end came while it was in the kernel."""
    rig.gate.tables.put(plan.MapName.BANS, layout.address(FROM), plan.BanRow(time.monotonic_ns() - 1))


def sent(packet: Packet, times: int = 1) -> Callable[[Rig], None]:
    return lambda rig: [rig.send(packet) for _ in range(times)] and None


def session(**changes: Any) -> dict[str, Any]:
    return {"sessions": (relaying.session(**changes),)}


def without_state(rig: Rig) -> None:
    rig.gate.tables.close_state(plan.endpoint(relaying.PHONE_LOCAL))


def userspace(rig: Rig) -> None:
    rig.gate._set_relay(False, "for this test")


def without_neighbour() -> dict[str, Any]:
    return session(trunk_remote=("10.77.2.99", 40000))


def phone_media(payload: bytes, **changes: Any) -> Packet:
    return relaying.from_phone(payload, **changes)


def tcp(flags: str, dport: int = 5060) -> Packet:
    return L2 / IP(src=FROM, dst=TO) / TCP(sport=4000, dport=dport, flags=flags)


def extended(count: int) -> Packet:
    packet = L2 / IPv6(src=FROM6, dst=TO6)
    for _ in range(count):
        packet /= IPv6ExtHdrDestOpt()
    return packet / SIP


def ip6_fragment(offset: int, more: int, payload: bytes) -> Packet:
    return L2 / IPv6(src=FROM6, dst=TO6) / IPv6ExtHdrFragment(nh=17, offset=offset, m=more, id=7) / Raw(payload)


LATER = L2 / IP(src=FROM, dst=TO, frag=100, proto=17) / Raw(bytes(64))

FIRST = L2 / IP(src=FROM, dst=TO, flags="MF") / UDP(sport=5060, dport=5060, len=3000) / Raw(OPTIONS)
FIRST6 = ip6_fragment(0, 1, bytes(UDP(sport=5060, dport=5060, len=3000, chksum=1)) + OPTIONS)


def later_media() -> Packet:
    packet = phone_media(rtp())
    packet[IP].id, packet[IP].frag = 9, 100
    return packet
